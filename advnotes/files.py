"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["flush", "write_whole"]


def write_whole(target: Path, write: Callable[[Path], object]) -> Path:
    """Have ``write`` make a file under a temporary name, flush it to the disk, and give it the name ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        write(unfinished)
        flush(unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def flush(entry: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk now."""
    if entry.is_dir():
        if os.name == "nt":  # Windows cannot open folders; its renames are journalled
            return
        descriptor = os.open(entry, os.O_RDONLY)
    else:
        descriptor = os.open(entry, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
