"""Real processes, really killed: a resumed run ends bit for bit as one that was never interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from advnotes.game import Game
from advnotes.loop import play
from advnotes.loop.checkpoint_files import CheckpointError
from tests.processes import command, environment

SCRIPT = Path(__file__).with_name("long_run.py")
EXAMPLE = Path(__file__).parents[3] / "examples" / "train_distributed.py"
STEPS = 60


class Alone(Game):
    turns = ("model",)

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Linear(3, 1)

    def model_loss(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x).mean()


def run(processes: int, folder: Path, steps: int) -> list[dict[str, Any]]:
    """Let the script run to its end; what each process ended with."""
    out = folder.with_suffix(f".{steps}.out")
    done = subprocess.run(
        command(SCRIPT, processes, folder, out, steps),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(Path(f"{out}.{rank}").read_text()) for rank in range(processes)]


def kill_amidst(processes: int, folder: Path, steps: int, after: int) -> None:
    """Start the script, and kill all of its processes once it has a checkpoint from ``after`` on."""
    # A pause in every loss gives the time to hit it between the first checkpoint and the end.
    process = psutil.Popen(
        command(SCRIPT, processes, folder, folder.with_suffix(".never"), steps, 0.03),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while not any(int(entry.name[5:]) >= after for entry in folder.glob("step-*")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.01)
    # The launcher gives its workers sessions of their own, so each is killed by itself, the launcher first.
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.kill()
    psutil.wait_procs(family, timeout=30)
    assert not list(folder.parent.glob("*.never.[0-9]")), "the run ended before it was killed"


def stop_amidst(processes: int, folder: Path, steps: int) -> int:
    """Start the script, and have a batch system stop it; the step that was saved for that alone."""
    out = folder.with_suffix(".stopped")
    process = subprocess.Popen(
        command(SCRIPT, processes, folder, out, steps, 0.03, 10**6),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 240
        while not Path(f"{out}.going").exists():
            assert process.poll() is None, "the run ended before it could be stopped"
            assert time.monotonic() < deadline, "the run did not come to its callbacks"
            time.sleep(0.01)
        before = {entry.name for entry in folder.glob("step-*")}
        process.send_signal(signal.SIGTERM)  # torchrun passes it on to its workers
        code = process.wait(timeout=60)
    finally:
        process.kill()
    assert code == -signal.SIGTERM if processes == 1 else code != 0
    assert not list(folder.parent.glob("*.stopped.[0-9]")), "the run ended before it was stopped"
    (new,) = {entry.name for entry in folder.glob("step-*")} - before
    return int(new[5:])


@pytest.mark.parametrize("processes", [1, 2])
def test_killed_stopped_and_resumed_equals_never_interrupted(processes: int, tmp_path: Path) -> None:
    whole = run(processes, tmp_path / "whole", STEPS + 7)
    kill_amidst(processes, tmp_path / "killed", STEPS, after=10)
    (tmp_path / "killed" / ".step-00000999.partial").mkdir()  # what a kill amidst a checkpoint leaves
    if sys.platform != "win32":
        assert 20 <= stop_amidst(processes, tmp_path / "killed", STEPS) < STEPS
    run(processes, tmp_path / "killed", STEPS)
    assert sorted(entry.name for entry in (tmp_path / "killed").iterdir()) == [
        ".lock",
        "step-00000055",
        "step-00000060",
    ]
    assert run(processes, tmp_path / "killed", STEPS + 7) == whole, "also with more steps than at first"

    if processes > 1:
        first, second = whole
        assert first["weights"] == second["weights"], "the ranks drifted apart"
        assert first["optimizers"] == second["optimizers"]
        assert first["history"] == second["history"]
        assert first["buffers"] != second["buffers"], "each process has batches of its own"
        assert first["noise"] != second["noise"], "each process has noise of its own"


def test_two_processes_play_as_one(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = Path(__file__).with_name("pair_run.py")
    folder = tmp_path / "pair"
    done = subprocess.run(
        [*launcher, str(script), str(folder)], env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("all checks of 2 processes") == 2

    game = Alone()
    optimizer = torch.optim.SGD(game.parameters())
    with pytest.raises(CheckpointError, match=r"2 process\(es\) wrote it and 1 are running"):
        play(game, [torch.ones(4, 3)], optimizer, steps=2, checkpoint=folder, progress=False)


# Without GPUs `accelerate launch` starts several processes only through MPI.
@pytest.mark.parametrize(
    ("launcher", "processes"),
    [
        (["torch.distributed.run", "--standalone", "--nproc-per-node=2"], 2),
        (
            [
                "accelerate.commands.launch",
                "--num_processes=1",
                "--mixed_precision=bf16",
                "--dynamo_backend=no",
            ],
            1,
        ),
    ],
)
def test_the_example_runs_under_both_launchers(launcher: list[str], processes: int, tmp_path: Path) -> None:
    arguments = ["--steps", "6", "--size", "512", "--checkpoint", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, str(EXAMPLE), *arguments],
        env=environment() | {"HF_HOME": str(tmp_path)},  # no configuration of the user's
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert f"6 steps in {processes} process(es) on cpu" in done.stdout
    assert (tmp_path / "run" / "step-00000006" / "game.safetensors").is_file()
