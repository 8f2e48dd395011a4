"""The folder of a run: tried before the first step, held by one run, and not worth the run when a disk is full."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from torch import Tensor

from advnotes.loop import State, losses
from tests.advnotes.loop.small import Fit, fit, names
from tests.processes import environment

HOLD = """
import sys
from pathlib import Path
from advnotes.loop import folder
with folder.held(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


class Never(Fit):
    def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
        pytest.fail("a step was made")


def test_two_processes_never_share_a_folder(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        message = f"in use by process {holder.pid} on {socket.gethostname()}"
        with pytest.raises(ValueError, match=message):
            fit(tmp_path, 2, Never())
    finally:
        holder.kill()
        holder.communicate()
    # What was killed holds nothing any more.
    _, history = fit(tmp_path, 2)
    assert history.steps == 2
    assert names(tmp_path) == ["step-00000002"]


def test_a_run_inside_a_run_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    def again(state: State) -> None:
        with pytest.raises(ValueError, match="in use by process"):
            fit(tmp_path, 2, Never())

    fit(tmp_path, 2, callbacks=[again])


@pytest.mark.parametrize("place", ["/proc/run", "file/run"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_first_step(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot be written to .*/run \(.*: name a folder"):
        fit(tmp_path / place, 2, Never())


def test_the_home_is_meant_by_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    fit(Path("~/run"), 2)
    assert names(tmp_path / "run") == ["step-00000002"]


def swap(folder: Path) -> None:
    """Put a file in the folder's place, or the folder in its place again."""
    aside = folder.with_name("aside")
    if aside.exists():
        folder.unlink()
        aside.rename(folder)
    else:
        folder.rename(aside)
        folder.touch()


def test_a_failed_checkpoint_is_a_warning_that_names_the_last_good_one(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def act(state: State) -> None:
        if state.step in (3, 5):
            swap(folder)

    with pytest.warns(
        UserWarning, match=r"checkpoint of step 4 could not be written .*step-00000002"
    ) as found:
        _, history = fit(folder, 6, checkpoint_every=2, callbacks=[act], callback_every=1)
    assert len(found) == 1
    assert history.steps == 6
    assert names(folder) == ["step-00000002", "step-00000006"]


def test_only_the_last_checkpoint_ends_the_game_with_its_history(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def act(state: State) -> None:
        if state.step == 3:
            swap(folder)

    with pytest.raises(OSError, match="run") as stop:
        fit(folder, 3, checkpoint_every=2, callbacks=[act], callback_every=1)
    assert stop.value.history.steps == 3  # type: ignore[attr-defined]
    assert "step-00000002" in stop.value.__notes__[0]


def test_checkpoints_may_go_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(losses, "FLUSH_SECONDS", 0.0)
    look = {"callbacks": [lambda state: seen.append(names(tmp_path))], "callback_every": 1}
    fit(tmp_path, 3, checkpoint_every=timedelta(microseconds=1), keep=9, **look)
    assert seen[-1] == [".lock-holder", "step-00000001", "step-00000002"]
    fit(tmp_path, 6, checkpoint_every=timedelta(days=1), keep=9)
    assert names(tmp_path) == [f"step-0000000{step}" for step in (1, 2, 3, 6)]
    with pytest.raises(ValueError, match="checkpoint_every must be a time above 0"):
        fit(tmp_path, 3, checkpoint_every=timedelta(0))
