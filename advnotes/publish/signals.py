"""What a command does when the system asks it to end: it cleans up, as on Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP become ``SystemExit``, so that ``finally`` and ``except`` blocks run as on Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [one for one in signal.Signals if one.name in ("SIGTERM", "SIGHUP", "SIGBREAK")]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
