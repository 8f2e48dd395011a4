"""Signals wait for the end of a round and its checkpoint; real processes are stopped in test_play_processes.py."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from tests.advnotes.loop.small import Fit, fit, names, same

if not hasattr(signal, "SIGUSR1"):
    pytest.skip("Windows has no such signals", allow_module_level=True)


class Interrupted(Fit):
    """Sends this process a signal while it computes its third loss, so many times."""

    def __init__(self, number: int, times: int = 1) -> None:
        super().__init__()
        self._number, self._times, self._calls = number, times, 0

    def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
        self._calls += 1
        if self._calls == 3:
            for _ in range(self._times):
                signal.raise_signal(self._number)
        return super().model_loss(x, y)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Every test finds and leaves Python's own handlers; whatever it set, ``play`` has put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_is_raised_after_the_round_is_saved_and_the_run_goes_on_from_there(tmp_path: Path) -> None:
    game = Interrupted(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stop:
        fit(tmp_path, 9, game)
    assert stop.value.history.steps == 3  # type: ignore[attr-defined]
    assert names(tmp_path) == ["step-00000003"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed, history = fit(tmp_path, 9, Interrupted(signal.SIGINT, times=0))
    whole, expected = fit(None, 9)
    assert same(resumed, whole)
    assert history.losses == expected.losses


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    game = Interrupted(signal.SIGINT, times=2)
    with pytest.raises(KeyboardInterrupt) as stop:
        fit(tmp_path, 9, game)
    assert stop.value.history.steps == 2, "the third round was not over"  # type: ignore[attr-defined]
    assert names(tmp_path) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_folder_ctrl_c_does_not_wait_either() -> None:
    with pytest.raises(KeyboardInterrupt) as stop:
        fit(None, 9, Interrupted(signal.SIGINT))
    assert stop.value.history.steps == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_handler_of_the_users_is_called_after_the_checkpoint(number: int, tmp_path: Path) -> None:
    found: list[Any] = []

    def handler(received: int, frame: object) -> None:
        found.append((received, names(tmp_path)))

    signal.signal(number, handler)
    _, history = fit(tmp_path, 6, Interrupted(number))
    assert [(received, entries[-1]) for received, entries in found] == [(number, "step-00000003")]
    assert history.steps == 6, "as the handler has returned"
    assert signal.getsignal(number) is handler


def test_a_handler_that_exits_does_so_after_the_checkpoint(tmp_path: Path) -> None:
    def leave(received: int, frame: object) -> None:
        raise SystemExit(128 + received)

    signal.signal(signal.SIGTERM, leave)
    with pytest.raises(SystemExit) as stop:
        fit(tmp_path, 6, Interrupted(signal.SIGTERM))
    assert stop.value.code == 128 + signal.SIGTERM
    assert stop.value.history.steps == 3  # type: ignore[attr-defined]
    assert names(tmp_path) == ["step-00000003"]


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    _, history = fit(tmp_path, 6, Interrupted(signal.SIGUSR1))
    assert history.steps == 6
    assert names(tmp_path) == ["step-00000006"]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN


def test_another_thread_plays_without_handlers(tmp_path: Path) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(fit(tmp_path, 3)[1].steps))
    thread.start()
    thread.join()
    assert found == [3]
    assert names(tmp_path) == ["step-00000003"]
