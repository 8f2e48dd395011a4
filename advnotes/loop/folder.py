"""The folder of a run's checkpoints: made, shown to be writable, and held by one run at a time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from advnotes.loop import checkpoint_files

LOCK = ".lock"
# A file of its own: what is locked cannot be read by others on Windows.
HOLDER = ".lock-holder"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made where it is missing. The system frees the lock when the process ends.

    What killed runs left half-written is removed, since nobody else can be writing now.

    Raises:
        ValueError: where it is no folder, cannot be written to, or is held by another run.
    """
    lock = filelock.FileLock(folder / LOCK)
    try:
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"checkpoint is a folder, got the file {folder}.")
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        (folder / HOLDER).write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
    except filelock.Timeout:
        raise ValueError(
            f"{folder} is in use by {_holder(folder)}: wait for it to end, or name another folder."
        ) from None
    except OSError as error:
        lock.release()
        raise ValueError(
            f"checkpoints cannot be written to {folder} ({error}): name a folder that can be made and written to."
        ) from error
    try:
        checkpoint_files.clean(folder)
        yield
    finally:
        # Before the lock goes: afterwards it may be another run's.
        with suppress(FileNotFoundError, NotADirectoryError):
            (folder / HOLDER).unlink()
        lock.release()


def contents(folder: Path) -> list[Path]:
    """What lies in a folder beside its lock."""
    return [entry for entry in folder.iterdir() if entry.name not in (LOCK, HOLDER)]


def _holder(folder: Path) -> str:
    """Who holds a folder, in words."""
    try:
        return (folder / HOLDER).read_text(encoding="utf-8") or "another run"
    except OSError:  # it has not said so yet, or has just ended
        return "another run"
