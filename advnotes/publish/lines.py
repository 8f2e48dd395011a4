"""Files as they are in the repository, whatever line ends the checkout has given them."""

from pathlib import Path

__all__ = ["content"]


def content(path: Path) -> bytes:
    """A file's bytes, with the line ends of a text as ``\\n``; what is a text is told as git does it."""
    data = path.read_bytes()
    return data if b"\0" in data[:8000] else data.replace(b"\r\n", b"\n")
