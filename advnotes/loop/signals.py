"""Signals that wait until the round is over and a checkpoint is written."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any

#: What asks a run to end: Ctrl-C, a system that shuts down, and a batch system such as SLURM before its time limit.
SIGNALS = [signal.SIGINT, signal.SIGTERM]
if sys.platform != "win32":
    SIGNALS.append(signal.SIGUSR1)


class DelayedSignals:
    """Within this, the first signal of :data:`SIGNALS` is remembered instead of acted on.

    Whoever was to handle it (Python, the system, or a function of the user's) does so when :meth:`deliver` is called,
    or at the end. The same signal a second time is handled at once. Signals that are ignored stay ignored. Python
    lets only the main thread handle signals, so in another thread nothing changes.

    Attributes:
        number: the signal that came, or 0.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> DelayedSignals:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # None is a handler that was not set from Python and could not be put back.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.number:
            self.deliver(self.number)

    def deliver(self, number: int) -> None:
        """Have a signal handled as it would have been without this. It may return: a user's function may."""
        self.number = 0
        handler = self._before.get(number)
        if callable(handler):
            handler(number, None)
            return
        if handler is not None:
            signal.signal(number, handler)
        signal.raise_signal(number)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        again = self.number == number
        self.number = number
        if again:
            self.deliver(number)
