"""No process outlives the one that started it, however that one ended.

Whoever starts a chapter keeps the writing end of a pipe to its process's standard input. When that end closes,
because the parent stopped, crashed or was killed with SIGKILL, the process ends everything that it started
(kernels live in sessions of their own, so a signal to a group would miss them) and then itself.

``python -m advnotes.publish.guard MODULE ARGUMENT...`` runs any module this way, as ``python -m MODULE`` would.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import BinaryIO

import psutil

INTERRUPTED = 130


def end_children(pid: int | None = None) -> None:
    """Kill every descendant of a process (by default of this one), those included that appear meanwhile."""
    try:
        process = psutil.Process(pid)
        while children := process.children(recursive=True):
            for child in children:
                try:
                    child.kill()
                except psutil.NoSuchProcess:
                    continue
            _, alive = psutil.wait_procs(children, timeout=5)
            if alive == children:  # not ours to end (a zombie of another child, say): do not hang on it
                return
    except psutil.NoSuchProcess:
        return


def end_now(code: int = INTERRUPTED) -> None:
    """End all descendants, then this process, without waiting for threads or clean-up handlers."""
    end_children()
    os._exit(code)


def end_with_parent(pipe: BinaryIO) -> None:
    """From now on, end this process and its descendants when the pipe closes or SIGTERM comes."""

    def watch() -> None:
        while pipe.read(1):
            pass
        end_now()

    def on_signal(number: int, frame: FrameType | None) -> None:
        end_now()

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
    signal.signal(signal.SIGTERM, on_signal)


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP become ``SystemExit``, so that ``finally`` and ``except`` blocks run as on Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """Run a module that ends with its parent."""
    end_with_parent(os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
