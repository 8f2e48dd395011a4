"""Checkpoints: whole or not there, verifiable with ``sha256sum -c``, and never pickle.

A checkpoint is a folder ``step-00000100`` of safetensors (all tensors) and JSON (all else), with the checksums of
its files in ``SHA256SUMS``. It is written under a temporary name, flushed to the disk and then renamed, so that a
folder of that name is complete whatever killed the run.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from advnotes.files import flush

FORMAT = 2  # of what is written; others are not read
SUMS = "SHA256SUMS"
_NAME = re.compile(r"step-(\d{8,})")
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_.-]+)")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: damaged, incomplete, or of another game."""


def path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:08d}"


def partial(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is written before it is whole."""
    return folder / f".step-{step:08d}.partial"


def found(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints of a folder by step, the last one first; none where there is no folder."""
    if not folder.is_dir():
        return []
    matches = ((_NAME.fullmatch(entry.name), entry) for entry in folder.iterdir())
    return sorted(((int(match[1]), entry) for match, entry in matches if match), reverse=True)


def clean(folder: Path) -> None:
    """Remove what runs that were killed left half written."""
    for entry in folder.glob(".step-*.partial"):
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def prune(folder: Path, step: int, keep: int) -> None:
    """Remove all but the last ``keep`` checkpoints up to ``step``; later ones (refused when resuming) stay."""
    for _, entry in [item for item in found(folder) if item[0] <= step][keep:]:
        remove(entry)


def remove(entry: Path) -> None:
    """Remove a checkpoint so that one half removed is never taken for a whole one."""
    if not entry.is_dir():
        entry.unlink()
        return
    doomed = entry.rename(entry.with_name(f".{entry.name}.old.partial"))
    shutil.rmtree(doomed)


def save(folder: Path, name: str, tree: Mapping[str, Any]) -> None:
    """Write ``name.json`` and, where there are tensors, ``name.safetensors``, both flushed to the disk.

    Raises:
        ValueError: where ``tree`` holds something else than numbers, text, None, tensors, arrays and lists, tuples
            and dictionaries of these.
    """
    tensors: dict[str, Tensor] = {}
    plain = encode(tree, tensors)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
    flush(file)
    if tensors:
        save_tensors(folder, name, tensors)


def load(folder: Path, name: str) -> dict[str, Any]:
    """What :func:`save` wrote, its tensors on the CPU (ValueError where the file holds something else)."""
    file = folder / f"{name}.safetensors"
    tensors = load_tensors(folder, name) if file.exists() else {}
    tree = decode(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), tensors)
    if not isinstance(tree, dict):
        raise ValueError(f"{name}.json holds a {type(tree).__name__} where a dictionary is expected")
    return tree


def save_tensors(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors by name, flushed to the disk."""
    # Copied, because tensors that share memory (tied weights) would be refused.
    copies = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}
    try:
        save_file(copies, folder / f"{name}.safetensors")
    except SafetensorError as error:  # a full disk, say
        raise OSError(f"{name}.safetensors: {error}") from error
    flush(folder / f"{name}.safetensors")


def load_tensors(folder: Path, name: str) -> dict[str, Tensor]:
    """What :func:`save_tensors` wrote, on the CPU."""
    return load_file(folder / f"{name}.safetensors")


def seal(temporary: Path, final: Path) -> None:
    """Make a checkpoint of a folder of files: add their checksums, flush, and give it its name.

    What has that name already is a checkpoint that was refused, and is replaced.
    """
    names = sorted(file.name for file in temporary.iterdir())
    lines = [f"{_digest(temporary / name)}  {name}\n" for name in names]
    sums = temporary / SUMS
    sums.write_text("".join(lines), encoding="ascii", newline="\n")
    flush(sums)
    flush(temporary)
    if final.exists():
        remove(final)
    temporary.rename(final)
    flush(final.parent)


def verify(checkpoint: Path) -> None:
    """Check that a checkpoint is complete and every byte is as it was written.

    Raises:
        CheckpointError: saying which file is damaged, missing or too many.
    """
    sums = checkpoint / SUMS
    if not sums.is_file():
        raise CheckpointError(f"it has no {SUMS}: it is not a checkpoint of advnotes, or files were lost")
    text = sums.read_bytes().decode("ascii", errors="replace")
    lines = [_LINE.fullmatch(line) for line in text.split("\n")[:-1]]
    if not text.endswith("\n") or not lines or None in lines:
        raise CheckpointError(f"its {SUMS} is damaged")
    expected = {match[2]: match[1] for match in lines if match}
    present = {file.name for file in checkpoint.iterdir()} - {SUMS}
    for name in sorted(present ^ set(expected)):
        raise CheckpointError(
            f"its file {name} is {'missing' if name in expected else 'not among its checksums'}"
        )
    for name, digest in expected.items():
        if _digest(checkpoint / name) != digest:
            raise CheckpointError(f"its file {name} is damaged: its bytes are not those that were written")


def header(checkpoint: Path) -> dict[str, Any]:
    """What a verified checkpoint says that it is (CheckpointError where it was written by something else)."""
    try:
        return load(checkpoint, "header")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"it cannot be read as a checkpoint of advnotes ({error})") from error


def encode(value: Any, tensors: dict[str, Tensor], where: str = "") -> Any:
    """``value`` as JSON, with its tensors put aside in ``tensors`` under the path at which they were found.

    Everything that JSON would change (tuples, keys that are not text, infinities) is written as an object with one
    key that says what it was.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        return encode(value.item(), tensors, where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, Tensor):
        tensors[where] = value
        return {"tensor": where}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, (list, tuple)):
        items = [encode(item, tensors, f"{where}/{i}") for i, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        pairs = [
            [encode(key, tensors), encode(item, tensors, f"{where}/{key}")] for key, item in value.items()
        ]
        return {"counter" if isinstance(value, Counter) else "dict": pairs}
    raise ValueError(
        f"{where.strip('/')} is a {type(value).__name__}, which a checkpoint cannot hold: keep tensors, numbers, "
        "text, and lists, tuples and dictionaries of these."
    )


def decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What :func:`encode` was given."""
    if isinstance(value, list):
        return [decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if not value:
        raise ValueError("an empty object is not a kind of value that a checkpoint has")
    kind, content = next(iter(value.items()))
    if kind == "float":
        return float(content)
    if kind == "tensor":
        return tensors[content]
    if kind == "array":
        return np.array(content, dtype=np.dtype(value["dtype"]))
    if kind == "tuple":
        return tuple(decode(item, tensors) for item in content)
    if kind in ("dict", "counter"):
        pairs = {decode(key, tensors): decode(item, tensors) for key, item in content}
        return Counter(pairs) if kind == "counter" else pairs
    raise ValueError(f"{kind!r} is not a kind of value that a checkpoint has")


def _digest(file: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
