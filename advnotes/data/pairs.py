"""Labelled and unlabelled batches side by side, from loaders of unequal length."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from advnotes.data.loading import loader_parts, own_generators, tell_epoch

__all__ = ["Pairs"]

#: Sets apart the numbers that several passes within one epoch are told; no game is played for so many epochs.
FAR = 1_000_000


class Pairs:
    """Batches ``(x, y, unlabelled x)`` for :class:`~advnotes.invariance.DANN` and :class:`~advnotes.robust.VAT`.

    An epoch goes through the longer loader once. The shorter one is read again and again meanwhile, in a new order
    each time where it shuffles. Of an unlabelled batch only the first tensor is taken: what else it holds, such as
    labels that must not be used, is left out.

    Example:
        >>> play(game, Pairs(batches(x, y, batch_size=32), batches(x_target, batch_size=128)), optimizers, epochs=10)

    An epoch's order is decided by one number that is drawn when the epoch begins, from ``generator`` or else from the
    global generator. What else is drawn meanwhile does not change the batches, and a run that ``play`` resumes reads
    the same ones. With several processes give each one a generator with the same seed, so that all share one order.

    Args:
        labelled: a DataLoader or another iterable of batches ``(x, y, ...)``, which can be read again and again.
        unlabelled: the same, of batches ``x`` or ``(x, ...)``.
        generator: decides the order of each epoch; None: the global generator.

    Raises:
        ValueError: where one of the two can be read only once, has a generator of its own, or a DistributedSampler; in
            an epoch, where one of them is empty.
    """

    def __init__(
        self, labelled: Iterable[Any], unlabelled: Iterable[Any], generator: torch.Generator | None = None
    ) -> None:
        for name, data in (("labelled", labelled), ("unlabelled", unlabelled)):
            if isinstance(data, (Iterator, Tensor)) or not isinstance(data, Iterable):
                raise ValueError(
                    f"{name} must be a DataLoader or another iterable of batches that can be read again and again, got "
                    f"{type(data).__name__}"
                )
            parts = loader_parts(data)
            if own_generators(parts):
                raise ValueError(
                    f"{name} has a generator of its own: leave it out there, and pass it as Pairs(..., generator=)"
                )
            if any(isinstance(part, DistributedSampler) for part in parts):
                raise ValueError(
                    f"{name} has a DistributedSampler: leave it out, play shares the batches among the processes"
                )
        self.labelled, self.unlabelled, self.generator = labelled, unlabelled, generator
        self.epoch: int | None = None

    def __len__(self) -> int:
        """Batches in an epoch.

        Raises:
            TypeError: where one of the two has no length.
        """
        return max(len(self.labelled), len(self.unlabelled))  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Hand the number of the epoch that begins, from 0, to both loaders and their samplers."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        # Drawn here and not with the first batch, so that all of the pass is decided from now on.
        device = "cpu" if self.generator is None else self.generator.device
        seed = int(torch.randint(2**62, (), generator=self.generator, device=device))
        return self._batches(
            _Repeated("labelled", self.labelled, seed, self.epoch),
            _Repeated("unlabelled", self.unlabelled, seed + 1, self.epoch),
        )

    @staticmethod
    def _batches(labelled: "_Repeated", unlabelled: "_Repeated") -> Iterator[tuple[Tensor, ...]]:
        while True:
            labelled.advance()
            unlabelled.advance()
            if labelled.passes and unlabelled.passes:
                return
            known, other = labelled.take(), unlabelled.take()
            known = (known,) if isinstance(known, Tensor) else tuple(known)
            yield (*known, other if isinstance(other, Tensor) else other[0])


class _Repeated:
    """A loader that is read again and again, with a stream of random numbers for it alone."""

    def __init__(self, name: str, data: Iterable[Any], seed: int, epoch: int | None) -> None:
        self.name, self.data, self.epoch = name, data, epoch
        self.passes = 0
        self._state = torch.Generator().manual_seed(seed).get_state()
        self._next: Any = None
        self._begin()

    def advance(self) -> None:
        """Have the next batch at hand, or count a pass that has ended."""
        with self._random():
            self._next = next(self._batches, None)
        if self._next is None:
            self.passes += 1

    def take(self) -> Any:
        """The batch at hand, or the first one of a new pass."""
        if self._next is None:
            self._begin()
            self.advance()
        if self._next is None:
            raise ValueError(
                f"{self.name} has no batch: pass more rows, a smaller batch size, or drop_last=False"
            )
        return self._next

    def _begin(self) -> None:
        if self.epoch is not None:
            tell_epoch(loader_parts(self.data), self.epoch + self.passes * FAR)
        with self._random():
            self._batches = iter(self.data)

    @contextmanager
    def _random(self) -> Iterator[None]:
        """Let torch's global generator go on in this stream for the time being."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._state)
            yield
            self._state = torch.get_rng_state()
