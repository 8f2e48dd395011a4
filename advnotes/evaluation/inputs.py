"""The samples of an evaluation: read from whatever holds them, checked, and put into an order of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from advnotes.seeds import content_seeds
from advnotes.threats import Bounds, Threat

__all__ = ["check_labels", "check_samples", "check_threat", "digest", "read", "seeds_of", "settled"]

#: Rows that are hashed at a time.
ROWS = 256


def read(data: object, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Samples and labels in memory: the first ``size`` of them, or all.

    Args:
        data: ``(x, y)``, a dataset of samples and labels, or a DataLoader, generator or other iterable of batches of
            them.
        size: how many; nothing is read beyond them.

    Raises:
        ValueError: where a batch is something else, batches do not fit each other, or there are no samples.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ValueError(f"size is a number of samples from 1, got {size!r}")
    if isinstance(data, Tensor):
        raise ValueError(
            "data is a tensor without labels: pass (x, y), or a DataLoader, dataset or iterable of batches (x, y)"
        )
    if _is_pair(data):
        batches: Iterable[Any] = [data]
    elif isinstance(data, Dataset) and not isinstance(data, DataLoader):
        batches = DataLoader(data, batch_size=ROWS)
    elif isinstance(data, Iterable):
        batches = data
    else:
        raise ValueError(
            f"data is (x, y), a DataLoader, a dataset or an iterable of batches (x, y), got {type(data).__name__}"
        )
    inputs: list[Tensor] = []
    labels: list[Tensor] = []
    count = 0
    for number, batch in enumerate(batches):
        x, y = _batch(batch, number)
        if inputs and (x.shape[1:] != inputs[0].shape[1:] or x.dtype != inputs[0].dtype):
            raise ValueError(
                f"batch {number} has samples of shape {tuple(x.shape[1:])} in {x.dtype}, those before it "
                f"{tuple(inputs[0].shape[1:])} in {inputs[0].dtype}: bring them to one shape and one dtype"
            )
        room = len(x) if size is None else size - count
        inputs.append(x[:room].detach().cpu())
        labels.append(y[:room].detach().cpu())
        count += len(inputs[-1])
        if size is not None and count >= size:
            break
    if count == 0:
        raise ValueError(
            "there are no samples: data is empty (a generator or iterator that has been read before?)"
        )
    return torch.cat(inputs), torch.cat(labels)


def check_samples(x: Tensor, bounds: Bounds) -> None:
    """Refuse inputs that are not numbers within ``bounds``; the first bad one is named.

    Raises:
        ValueError: see above.
    """
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise ValueError(f"bounds must be (lowest, highest) with lowest < highest, got {bounds}")
    lowest, highest = bounds
    flat = x.flatten(1)
    bad = _first(~flat.isfinite().all(dim=1))
    if bad is not None:
        raise ValueError(
            f"sample {bad} has values that are not finite: mend or leave out such samples before the evaluation"
        )
    least, most = flat.amin(dim=1), flat.amax(dim=1)
    bad = _first((least < lowest) | (most > highest))
    if bad is not None:
        raise ValueError(
            f"sample {bad} has values from {float(least[bad]):.4g} to {float(most[bad]):.4g}, outside the range "
            f"[{lowest:g}, {highest:g}]: keep images in their natural range and put the normalisation into the model "
            "(advnotes.nets.Normalize), or say bounds=(lowest, highest)"
        )


def check_labels(y: Tensor, classes: int) -> None:
    """Refuse labels that the model has no logit for; the first bad one is named.

    Raises:
        ValueError: see above.
    """
    bad = _first((y < 0) | (y >= classes))
    if bad is not None:
        raise ValueError(
            f"the label of sample {bad} is {int(y[bad])}, but the model has {classes} classes, 0 to {classes - 1}: do "
            "the labels count from 1, or do they belong to another model?"
        )


def check_threat(threat: object, count: int) -> None:
    """Refuse a threat without a finite radius for every sample.

    Raises:
        ValueError: see above.
    """
    if not isinstance(threat, Threat):
        raise ValueError(f"the threat is a ball such as Linf(8 / 255), got {threat!r}")
    eps = torch.as_tensor(threat.eps)
    if eps.ndim and len(eps) != count:
        raise ValueError(f"eps has one radius for each of {len(eps)} samples, but there are {count}")
    if not bool(eps.isfinite().all()):
        raise ValueError("robust accuracy wants a finite eps: within an infinite one nothing is robust")


def seeds_of(x: Tensor, y: Tensor, seed: int) -> Int[Tensor, " batch"]:
    """One seed for each sample, of what it is; see :func:`advnotes.seeds.content_seeds`."""
    parts = [slice(first, first + ROWS) for first in range(0, len(x), ROWS)]
    return torch.cat([content_seeds(x[part], y[part], seed) for part in parts])


def settled(x: Tensor, y: Tensor, threat: Threat) -> Int[Tensor, " batch"]:
    """An order that depends on what the samples are and not on how they came: the indices of the first, second, ...

    Batches made in this order are the same for whatever shuffled the data, so that they can be found again.
    """
    eps = torch.as_tensor(threat.eps, dtype=torch.float64).expand(len(x)).cpu().numpy()
    return torch.from_numpy(np.lexsort((eps, seeds_of(x, y, 0).numpy())))


def digest(x: Tensor, y: Tensor, threat: Threat) -> str:
    """The SHA-256 of samples in their :func:`settled` order, their labels, and their radii where each has its own."""
    whole = hashlib.sha256(f"{x.dtype} {tuple(x.shape)}".encode())
    for first in range(0, len(x), ROWS):
        part = slice(first, first + ROWS)
        whole.update(x[part].contiguous().view(torch.uint8).numpy().tobytes())
    whole.update(y.numpy().tobytes())
    if isinstance(threat.eps, Tensor) and threat.eps.ndim:
        whole.update(threat.eps.detach().double().cpu().numpy().tobytes())
    return whole.hexdigest()


def _is_pair(data: object) -> bool:
    """Whether it is one ``(x, y)``, and not a list of two batches."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        return False
    return any(hasattr(part, "shape") for part in data)


def _batch(batch: object, number: int) -> tuple[Tensor, Tensor]:
    """One batch as samples and int64 labels."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise ValueError(
            f"batch {number} is a {type(batch).__name__}, expected samples and labels, (x, y): give the DataLoader a "
            "collate_fn that returns the two"
        )
    x, y = batch
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        raise ValueError(
            f"samples and labels must be tensors, got {type(x).__name__} and {type(y).__name__} in batch {number}: "
            "torch.as_tensor(...)?"
        )
    if not x.is_floating_point():
        raise ValueError(f"samples must be floating point, got {x.dtype} in batch {number}: x.float() / 255?")
    if x.ndim < 2:
        raise ValueError(f"samples come in batches, [batch, ...], got the shape {tuple(x.shape)}")
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool or y.shape != (len(x),):
        raise ValueError(
            f"labels must be class numbers of shape ({len(x)},), got {y.dtype} of shape {tuple(y.shape)} in batch "
            f"{number}: for one-hot labels, y.argmax(dim=1)"
        )
    return x, y.long()


def _first(bad: Tensor) -> int | None:
    return int(bad.nonzero()[0, 0]) if bool(bad.any()) else None
