"""Figures as WebP without loss: every pixel stays, in a third of the bytes that Matplotlib's PNG takes.

Only the site's copies are packed. The executed notebooks keep the pictures that nbval compares.
"""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from advnotes.files import write_whole

#: Modes that RGBA holds without loss.
KINDS = {"1", "L", "LA", "P", "RGB", "RGBA"}
#: What tells a browser to show other colours than the pixels say.
COLOURS = {"gamma", "icc_profile", "srgb"}
LONGEST = 16383  # pixels of a side, in WebP
# Most of what WebP can save: the best settings take thirty times longer, for a tenth less.
SETTINGS: dict[str, Any] = {"lossless": True, "exact": True, "quality": 30, "method": 2}


def pack_pictures(site: Path, kept: Path) -> dict[str, str]:
    """Replace the PNG files of ``_images`` where WebP is smaller.

    Args:
        site: the folder of the site, which is changed.
        kept: a folder for what was packed before, so that only new pictures take time; others are removed from it.

    Returns:
        Old name -> new name. `renamed` brings them into a page.
    """
    kept.mkdir(parents=True, exist_ok=True)
    asked = {}
    for path in sorted((site / "_images").glob("*.png")):
        asked[path] = kept / f"{hashlib.sha256(path.read_bytes() + repr(SETTINGS).encode()).hexdigest()}.webp"
    for old in set(kept.iterdir()) - set(asked.values()):
        old.unlink()
    missing = {before: path for path, before in asked.items() if not before.is_file()}  # equal pictures once
    with ThreadPoolExecutor() as threads:  # WebP's encoder works beside Python
        list(threads.map(_pack, missing.values(), missing))
    names = {}
    for path, before in asked.items():
        small, new = before.read_bytes(), path.with_suffix(".webp")
        if small and not new.exists():
            new.write_bytes(small)
            path.unlink()
            names[path.name] = new.name
    return names


def _pack(path: Path, kept: Path) -> None:
    small = packed(path.read_bytes()) or b""  # an empty file: the picture stays as it is
    write_whole(kept, lambda unfinished: unfinished.write_bytes(small))


def packed(png: bytes) -> bytes | None:
    """A picture with the same pixels; None where it would not be smaller, or WebP cannot hold it."""
    if png[24] > 8:  # bits of a colour
        return None
    with Image.open(io.BytesIO(png)) as picture:
        if picture.mode not in KINDS or COLOURS & picture.info.keys() or max(picture.size) > LONGEST:
            return None
        if getattr(picture, "n_frames", 1) > 1:
            return None
        pixels = picture.convert("RGBA")
    if pixels.getchannel("A").getextrema() == (255, 255):
        pixels = pixels.convert("RGB")
    small = io.BytesIO()
    pixels.save(small, "WEBP", **SETTINGS)
    return small.getvalue() if small.tell() < len(png) else None


def as_png(content: bytes) -> bytes | None:
    """A picture that `packed` made, as PNG for programs that do not know WebP; None for any other picture."""
    if content[:4] != b"RIFF" or content[12:16] != b"VP8L":  # without loss; photographs are not
        return None
    png = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.save(png, "PNG")
    return png.getvalue()


def renamed(page: str, names: dict[str, str]) -> str:
    """A page with the new names of pictures."""
    head, *rest = page.split("_images/")
    parts = [head]
    for part in rest:
        name, quote, tail = part.partition('"')
        parts.append(names.get(name, name) + quote + tail)
    return "_images/".join(parts)
