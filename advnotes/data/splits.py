"""Fixed splits: which rows of a data set belong to "train", "validation" and "test"."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from advnotes.checks import check_count

__all__: list[str] = []

Splits = Mapping[str, tuple[str, int, int]]


def splits_of(train: int, validation: int, test: int) -> Splits:
    """The four splits of a set that comes as two pools; "validation" is the end of the training pool."""
    return {
        "train": ("train", 0, train),
        "validation": ("train", train, train + validation),
        "train+validation": ("train", 0, train + validation),
        "test": ("test", 0, test),
    }


def select(name: str, splits: Splits, split: str, size: int | None) -> tuple[str, int, int]:
    """The pool, the first row and the row after the last one that ``split`` and ``size`` ask for.

    Raises:
        ValueError: where the split is unknown, or ``size`` is not a whole number between 1 and the split's length.
    """
    if split not in splits:
        raise ValueError(f"{name} has the splits {', '.join(map(repr, splits))}; got {split!r}")
    pool, start, stop = splits[split]
    if size is None:
        return pool, start, stop
    wrong = ValueError(
        f"size must be a whole number from 1 to {stop - start}, the length of {name}'s {split!r} split,"
        f" or None for all of it, got {size!r}"
    )
    try:
        count = check_count("size", size)
    except ValueError:
        raise wrong from None
    if count > stop - start:
        raise wrong
    return pool, start, start + count


def unit(images: NDArray[Any], levels: int = 255) -> Float[Tensor, "n channels height width"]:
    """Integers 0 to ``levels`` as a new float32 tensor in [0, 1]."""
    return torch.from_numpy(np.array(images, np.float32, order="C")).div_(levels)
