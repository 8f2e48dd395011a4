"""Batches in order: over the ends of epochs, and from any place again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from advnotes import rng
from advnotes.loop.source import Source

Batch = tuple[Tensor, ...]


class Reader:
    """The batches of ``data``, epoch after epoch, on the accelerator's device.

    The place in the data is an epoch, a number of batches taken, and the states of the random number generators
    when that epoch began: from these the very same batches are drawn again. Data with ``state_dict`` and
    ``load_state_dict`` (torchdata's protocol) is asked for its place instead.

    Args:
        data: a DataLoader, or anything else that can be iterated over again and again, of tensors or of tuples or
            lists of tensors.
        accelerator: where and in how many processes.
        remember: whether the state of the generators is kept at the start of every epoch.

    Attributes:
        source: where the items come from.
        epoch: which reading of the data is under way, from 0.
        taken: how many batches of it were taken.

    Raises:
        ValueError: where ``data`` can be read only once or is a tensor; later on, where it is empty or holds
            something else than tensors.
    """

    def __init__(self, data: Iterable[Any], accelerator: Accelerator, remember: bool) -> None:
        self.source = Source(data, accelerator)
        self.epoch = 0
        self.taken = 0
        self._accelerator = accelerator
        # The items of a list or tuple depend on no random numbers.
        self._remember = remember and type(data) not in (list, tuple)
        self._start: dict[str, Any] | None = None
        self._iterator: Iterator[Any] | None = None
        self._held: Batch | None = None

    def ready(self, epochs: int | None = None) -> bool:
        """Have a batch at hand, beginning a new epoch where one has ended; False once ``epochs`` have ended."""
        while self._held is None:
            if epochs is not None and self.epoch >= epochs:
                return False
            if self._iterator is None:
                self._iterator = self._begin()
            try:
                self._held = self._batch(next(self._iterator))
            except StopIteration:
                if self.taken == 0:
                    raise ValueError(
                        f"an epoch of data has no batch for each of {self._accelerator.num_processes} process(es): "
                        "pass more data, a smaller batch size, or drop_last=False."
                    ) from None
                self.epoch, self.taken, self._iterator = self.epoch + 1, 0, None
        return True

    def take(self) -> Batch:
        """The next batch."""
        self.ready()
        batch, self._held = self._held, None
        assert batch is not None
        self.taken += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The place, between two rounds."""
        under_way = self._iterator is not None
        stateful = self.source.stateful
        return {
            "epoch": self.epoch,
            "taken": self.taken if under_way else None,
            "start": self._start if under_way else None,
            "data": stateful.state_dict() if under_way and stateful is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a place; the generators are left somewhere else, so restore them afterwards.

        Raises:
            ValueError: where the data is not what it was.
        """
        self.epoch, self.taken, self._iterator = state["epoch"], 0, None
        taken, start, stateful = state["taken"], state["start"], self.source.stateful
        if taken is None:
            return
        if (state["data"] is None) != (stateful is None):
            raise ValueError(
                "the data had a state of its own (state_dict) when the checkpoint was made, or has one now, and not "
                "both: resume with the same data."
            )
        if stateful is not None:
            stateful.load_state_dict(state["data"])
            self._start, self._iterator, self.taken = start, self.source.begin(self.epoch), taken
            return
        if start is not None:
            self._restore(start)
        self._iterator = self._begin()
        for _ in range(taken):
            if next(self._iterator, None) is None:
                raise ValueError(
                    f"the checkpoint was made after {taken} batches of an epoch, and an epoch of data has only "
                    f"{self.taken} now: resume with the same data."
                )
            self.taken += 1

    def _begin(self) -> Iterator[Any]:
        """Start an epoch."""
        if self._remember:
            owned = [generator.get_state() for generator in self.source.generators]
            self._start = {"global": rng.capture(self._accelerator.device), "own": owned}
        return self.source.begin(self.epoch)

    def _restore(self, start: dict[str, Any]) -> None:
        """Put all generators where they were when the epoch began."""
        rng.restore(start["global"], self._accelerator.device)
        generators = self.source.generators
        if len(start["own"]) != len(generators):
            raise ValueError(
                f"the data had {len(start['own'])} generator(s) of its own when the checkpoint was made and has "
                f"{len(generators)} now: resume with the same data."
            )
        for generator, state in zip(generators, start["own"], strict=True):
            generator.set_state(state)

    def _batch(self, item: Any) -> Batch:
        """One item of the data as a tuple of tensors on the device."""
        parts: Sequence[Any] = item if isinstance(item, (tuple, list)) else (item,)
        if not parts or not all(isinstance(part, Tensor) for part in parts):
            kinds = ", ".join(type(part).__name__ for part in parts) or "nothing"
            raise ValueError(
                f"a batch is a tensor, or a tuple or list of tensors, got {type(item).__name__} of {kinds}: "
                "give the DataLoader a collate_fn that makes tensors."
            )
        return tuple(part.to(self._accelerator.device, non_blocking=True) for part in parts)
