"""The data of an evaluation: read from whatever holds them, checked, and put into a canonical order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from advnotes.checks import check_count, check_floating, check_labels, check_range, clip_rounding
from advnotes.evaluation.distributed import ProcessGroup
from advnotes.seeds import content_seeds
from advnotes.threats import Bounds, Threat, check_threat

__all__ = ["EvaluationData", "check_radius", "data_hash", "prepare", "read_data"]

#: Rows that are read or hashed at a time.
ROWS = 256


@dataclass(frozen=True)
class EvaluationData:
    """Samples in their canonical order, which depends on what they are and not on how they came.

    Args:
        x, y: samples and labels, on the CPU.
        seeds: one for each sample.
        threat: what the adversary may do to each.
        bounds: the range of the input.
        device: where batches go.
        order: the row of each sample in the data as they came.
    """

    x: Float[Tensor, "batch ..."]
    y: Int[Tensor, " batch"]
    seeds: Int[Tensor, " batch"]
    threat: Threat
    bounds: Bounds
    device: torch.device
    order: Int[Tensor, " batch"]

    def batch(self, rows: Int[Tensor, " rows"]) -> tuple[Tensor, Tensor, Tensor]:
        """Some samples, their labels and their seeds, on the device."""
        x, y, seeds = (values[rows].to(self.device) for values in (self.x, self.y, self.seeds))
        return x, y, seeds

    def as_given(self, values: Tensor) -> Tensor:
        """Values of all samples, from the canonical order into that of the data as they came."""
        back = torch.empty_like(values)
        back[self.order.to(values.device)] = values
        return back

    @property
    def eps(self) -> float | tuple[float, ...]:
        """The radius, or each sample's in the order of the data as they came."""
        eps = torch.as_tensor(self.threat.eps, dtype=torch.float64).cpu()
        return tuple(self.as_given(eps).tolist()) if eps.ndim else float(eps)


def prepare(
    x: Tensor, y: Tensor, threat: Threat, bounds: Bounds, seed: int, device: torch.device, group: ProcessGroup
) -> EvaluationData:
    """Samples that were read and checked, in their canonical order."""
    order = canonical_order(x, y, threat)
    x, y, threat = x[order], y[order], threat.rows(order)
    # Each process may have been given another order.
    order = group.on_main(lambda: order)
    return EvaluationData(x, y, seeds_of(x, y, seed), threat, bounds, device, order)


def read_data(data: object, size: int | None, bounds: Bounds) -> tuple[Tensor, Tensor]:
    """Samples and labels in memory, checked: the first ``size`` of them, or all.

    Args:
        data: ``(x, y)`` as tensors or arrays, a dataset of samples and labels, or a DataLoader, generator or other
            iterable of batches of them.
        size: how many; nothing is read beyond them.
        bounds: the range of the samples. What misses it by rounding is clipped.

    Raises:
        ValueError: where a batch is something else, batches do not fit each other, samples are not finite numbers
            within ``bounds``, or there are none.
    """
    if size is not None:
        size = check_count("size", size)
    inputs: list[Tensor] = []
    labels: list[Tensor] = []
    count = 0
    for number, batch in enumerate(_batches(data)):
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
    x = torch.cat(inputs)
    check_range(x, bounds, "say bounds=(lowest, highest)")
    return clip_rounding(x, bounds), torch.cat(labels)


def _batches(data: object) -> Iterator[Any]:
    """The batches of whatever holds the data."""
    if isinstance(data, Tensor):
        raise ValueError(
            "data is a tensor without labels: pass (x, y), or a DataLoader, dataset or iterable of batches (x, y)"
        )
    # One (x, y), and not a list of two batches.
    if (
        isinstance(data, (tuple, list))
        and len(data) == 2
        and any(isinstance(part, (Tensor, np.ndarray)) for part in data)
    ):
        yield data
        return
    name = type(data).__name__
    if isinstance(data, Dataset):
        data = DataLoader(data, batch_size=ROWS)
    if not isinstance(data, Iterable):
        raise ValueError(
            f"data is (x, y), a DataLoader, a dataset or an iterable of batches (x, y), got {name}"
        )
    try:
        yield from data
    except TypeError as error:
        if "default_collate" not in str(error):
            raise
        raise ValueError(
            f"the samples of {name} cannot be put into a batch ({str(error).splitlines()[0]}): let the "
            "dataset give tensors; for PIL images give it transform=torchvision.transforms.ToTensor()"
        ) from error


def _batch(batch: object, number: int) -> tuple[Tensor, Tensor]:
    """One batch as samples and int64 labels."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise ValueError(
            f"batch {number} is a {type(batch).__name__}, expected samples and labels, (x, y): give the DataLoader a "
            "collate_fn that returns the two"
        )
    try:
        x, y = (torch.as_tensor(part) for part in batch)
    except (TypeError, ValueError, RuntimeError) as error:
        names = " and ".join(type(part).__name__ for part in batch)
        raise ValueError(
            f"samples and labels must be tensors or arrays of numbers, got {names} in batch {number}: {error}"
        ) from error
    check_floating(x)
    if x.ndim < 2:
        raise ValueError(f"samples come in batches, [batch, ...], got the shape {tuple(x.shape)}")
    check_labels(y, len(x), f" in batch {number}")
    return x, y.long()


def check_radius(threat: Any, count: int) -> None:
    """Raise ValueError for a threat without a finite radius for every sample."""
    check_threat(threat)
    threat.check_batch(count)
    if not bool(torch.as_tensor(threat.eps).isfinite().all()):
        raise ValueError("robust accuracy wants a finite eps: within an infinite one nothing is robust")


def seeds_of(x: Tensor, y: Tensor, seed: int) -> Int[Tensor, " batch"]:
    """One seed for each sample, of what it is; see :func:`advnotes.seeds.content_seeds`."""
    parts = [slice(first, first + ROWS) for first in range(0, len(x), ROWS)]
    return torch.cat([content_seeds(x[part], y[part], seed) for part in parts])


def canonical_order(x: Tensor, y: Tensor, threat: Threat) -> Int[Tensor, " batch"]:
    """Permutation that depends on the samples' content only, so that shuffled data give the same batches."""
    eps = torch.as_tensor(threat.eps, dtype=torch.float64).expand(len(x)).cpu().numpy()
    return torch.from_numpy(np.lexsort((eps, seeds_of(x, y, 0).numpy())))


def data_hash(data: EvaluationData) -> str:
    """The SHA-256 of the samples, their labels, and their radii where each has its own."""
    x, y, threat = data.x, data.y, data.threat
    whole = hashlib.sha256(f"{x.dtype} {tuple(x.shape)}".encode())
    for first in range(0, len(x), ROWS):
        part = slice(first, first + ROWS)
        whole.update(x[part].contiguous().view(torch.uint8).numpy().tobytes())
    whole.update(y.numpy().tobytes())
    if isinstance(threat.eps, Tensor) and threat.eps.ndim:
        whole.update(threat.eps.detach().double().cpu().numpy().tobytes())
    return whole.hexdigest()
