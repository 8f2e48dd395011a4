"""Files: written whole or not at all, and read with the same line ends on every system."""

from __future__ import annotations

from pathlib import Path

import psutil

from advnotes.files import write_whole


def write(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all, whenever the machine stops."""
    write_whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8", newline="\n"))


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes have left in a folder."""
    for path in folder.rglob(".*.tmp"):
        owner = path.name.split(".")[-2]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            path.unlink(missing_ok=True)


def read_with_unix_line_ends(path: Path) -> bytes:
    """A file's bytes, with ``\\n`` at the end of a text's lines, whatever the checkout has put there.

    As in git, a file with a zero byte among its first 8000 bytes is no text, and is left as it is.
    """
    data = path.read_bytes()
    return data if b"\0" in data[:8000] else data.replace(b"\r\n", b"\n")
