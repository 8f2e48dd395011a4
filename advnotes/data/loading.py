"""Tensors in, batches out: shuffled passes over a fixed set, or fresh samples at every step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from advnotes.checks import check_count

__all__ = ["Stream", "batches", "loader_parts", "own_generators", "tell_epoch"]

Batch = tuple[Tensor, ...]


class Rows(Dataset[Batch]):
    """Tensors of equal length whose rows are fetched a whole batch at a time."""

    def __init__(self, tensors: Batch) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> Batch:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, indices: list[int]) -> Batch:
        # What DataLoader calls with all indices of a batch: one indexing operation, nothing to collate.
        rows = torch.tensor(indices)
        return tuple(tensor[rows.to(tensor.device)] for tensor in self.tensors)


def as_is(batch: Any) -> Any:
    return batch


def batches(
    *tensors: Tensor,
    batch_size: int = 128,
    shuffle: bool = True,
    drop_last: bool = True,
    generator: torch.Generator | None = None,
) -> DataLoader[Batch]:
    """A DataLoader over tensors in memory, without the cost of fetching and stacking sample by sample.

    It has the ordinary samplers, so that accelerate can split it among processes and skip into it on
    resuming.

    Args:
        tensors: one or more, of equal length in their first dimension; they stay where they are.
        batch_size: rows in a batch.
        shuffle: a new order for every pass.
        drop_last: leave out the last batch where it would be smaller than the others.
        generator: what shuffles; None: the global RNG, from which every pass draws a seed.

    Returns:
        A loader of tuples, one tensor for each of ``tensors`` (a 1-tuple for one).

    Raises:
        ValueError: where there is no tensor, their lengths differ, ``batch_size`` is no whole number of at least 1, or
            not one batch would come out.
    """
    if not tensors or any(tensor.ndim == 0 for tensor in tensors):
        raise ValueError("batches wants one or more tensors with a first dimension to take rows from")
    lengths = [len(tensor) for tensor in tensors]
    if len(set(lengths)) != 1:
        raise ValueError(f"the tensors must have equal lengths in their first dimension; got {lengths}")
    batch_size = check_count("batch_size", batch_size)
    if lengths[0] < (batch_size if drop_last else 1):
        raise ValueError(
            f"{lengths[0]} rows do not fill one batch of {batch_size}: use a smaller batch_size,"
            " more rows, or drop_last=False"
        )
    return DataLoader(
        Rows(tensors),
        batch_size=batch_size,
        shuffle=shuffle,
        drop_last=drop_last,
        collate_fn=as_is,
        generator=generator,
    )


def loader_parts(data: Any) -> list[Any]:
    """A loader and its samplers, those within its batch sampler included, each once."""
    # Loaders of all kinds come here, and some, as accelerate's, answer for another one by __getattr__.
    samplers = [getattr(data, name, None) for name in ("batch_sampler", "sampler")]
    found = [data, *(part for sampler in samplers if sampler is not None for part in loader_parts(sampler))]
    return list({id(part): part for part in found}.values())


def own_generators(parts: Iterable[Any]) -> list[torch.Generator]:
    """The generators that parts of a loader draw from, each once."""
    found = [getattr(part, "generator", None) for part in parts]
    return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())


def tell_epoch(parts: Iterable[Any], epoch: int) -> None:
    """Hand the number of the epoch that begins to all that draw an order from it."""
    for part in parts:
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)


@dataclass(frozen=True)
class Stream:
    """Fresh samples at every step, for data that can be generated: each pass yields ``steps`` new batches.

    Example:
        >>> play(game, Stream(ring, batch_size=512, steps=2000), optimizers)
        >>> Stream(partial(ring, modes=25), 512, 2000, generator=torch.Generator().manual_seed(0))

    With a ``generator`` a pass is determined by its state when the pass begins; ``play`` keeps that state in its
    checkpoints. Without one, each batch is drawn from the global generator at the moment when it is asked for, so that
    what else draws from it changes the batches.

    Args:
        sample: called with the number of rows, and with ``generator=`` where there is one; returns a tensor or a
            tuple of tensors.
        batch_size: rows in a batch.
        steps: batches in a pass.
        generator: the source of randomness; None: the global one.

    Raises:
        ValueError: where ``batch_size`` or ``steps`` is no whole number of at least 1.
    """

    sample: Callable[..., Tensor | Batch]
    batch_size: int
    steps: int
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        check_count("batch_size", self.batch_size)
        check_count("steps", self.steps)

    def __len__(self) -> int:
        return int(self.steps)

    def __iter__(self) -> Iterator[Batch]:
        options = {} if self.generator is None else {"generator": self.generator}
        for _ in range(self.steps):
            batch = self.sample(self.batch_size, **options)
            yield (batch,) if isinstance(batch, Tensor) else batch
