"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def write(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all, whenever the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what a killed run left of a file that it was writing."""
    for path in folder.rglob(".*.tmp"):
        owner = path.name.split(".")[-2]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            path.unlink(missing_ok=True)
