"""No process outlives the one that started it, however that one ended.

``python -m advnotes.publish.execution.supervisor MODULE ARGUMENT...`` runs a module as ``python -m MODULE`` would, in a
process of its own, and waits for it. The parent of a supervisor keeps the writing end of a pipe to its standard input.
When that end closes, because the parent stopped, crashed or was killed with SIGKILL, the supervisor ends everything
that the module has started (kernels live in sessions of their own, so a signal to a group would miss them) and then
itself. It does so whatever the module is busy with, since it is another process with an interpreter of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import BinaryIO

import psutil

INTERRUPTED = 130


def end_children(pid: int | None = None) -> None:
    """Kill every descendant of a process (by default of this one), including those that are started meanwhile."""

    def living() -> list[psutil.Process]:
        found = []
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
        return found

    try:
        process = psutil.Process(pid)
        while children := living():
            for child in children:
                try:
                    child.kill()
                except psutil.NoSuchProcess:
                    continue
            _, alive = psutil.wait_procs(children, timeout=5)
            if alive == children:  # not ours to end: do not hang on it
                return
    except psutil.NoSuchProcess:
        return


def end_now() -> None:
    """End all descendants, then this process, without waiting for threads or clean-up handlers."""
    end_children()
    os._exit(INTERRUPTED)


def end_on_signal(number: int, frame: FrameType | None) -> None:
    """What a signal does here."""
    end_now()


def end_with_parent(pipe: BinaryIO) -> None:
    """From now on, end this process and its descendants when the pipe closes or SIGTERM comes."""

    def watch() -> None:
        while pipe.read(1):
            pass
        end_now()

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
    signal.signal(signal.SIGTERM, end_on_signal)


def adopt_orphans() -> None:
    """Where the system can (Linux), become the parent of every descendant whose own parent ends before it."""
    if sys.platform == "linux":
        become_subreaper = 36  # PR_SET_CHILD_SUBREAPER
        ctypes.CDLL(None).prctl(become_subreaper, 1, 0, 0, 0)


def main() -> None:
    """Run a module until it ends or this process's parent does; exit with the module's code."""
    adopt_orphans()
    module = subprocess.Popen([sys.executable, "-m", *sys.argv[1:]], stdin=subprocess.PIPE)
    assert module.stdin is not None
    writing = module.stdin

    def pass_on() -> None:
        while piece := os.read(0, 1 << 20):
            with suppress(OSError):  # it may have ended, or read all that it wants
                writing.write(piece)
                writing.flush()
        end_now()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_on_signal)
    threading.Thread(target=pass_on, name="parent watch", daemon=True).start()
    code = module.wait()
    end_children()  # a kernel whose worker was killed, say
    # Not through the interpreter's end: the other thread is reading.
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
