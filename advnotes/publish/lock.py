"""One command at a time in a profile's folder: the second says who is at work, and waits or leaves."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import filelock

LOCK = ".lock"
# A file of its own: what is locked cannot be read by others on Windows.
HOLDER = ".lock.json"


@contextmanager
def folder_lock(folder: Path, *, wait: bool = True, say: Callable[[str], None] = print) -> Iterator[None]:
    """Hold the folder's lock, which every command that writes there takes; the system frees it when the process ends.

    Args:
        folder: such as ``_build/laptop``.
        wait: wait until the other command has ended, rather than leave.
        say: is called once with who is at work, where another command is.

    Raises:
        RuntimeError: where another command is at work there and ``wait`` is false.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        who = f"{holder(folder)} in {os.path.relpath(folder)}"
        if not wait:
            raise RuntimeError(f"{who}; nothing was done, as --no-wait says") from None
        say(f"{who}; waiting for it to end (--no-wait leaves at once)")
        lock.acquire(poll_interval=0.2)
    note = folder / HOLDER
    try:
        note.write_text(json.dumps(_myself()), encoding="utf-8")
        yield
    finally:
        # Before the lock goes: afterwards it may be another's.
        note.unlink(missing_ok=True)
        lock.release()


def _myself() -> dict[str, str | int]:
    name, *arguments = sys.argv
    return {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["advnotes" if name.endswith((".py", "advnotes")) else name, *arguments]),
    }


def holder(folder: Path) -> str:
    """Who holds the folder's lock, in words."""
    for _ in range(10):  # it may not have said so yet
        with suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
            where = f"process {said['process']} on {said['host']}, since {said['since']}"
            return f"`{said['command']}` is at work ({where})"
        time.sleep(0.05)
    return "another command is at work"
