"""Batches in order: over the ends of epochs, shared out among processes, and from any place again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset

from advnotes.loop import rng

Batch = tuple[Tensor, ...]


class Reader:
    """The batches of ``data``, epoch after epoch, on the accelerator's device.

    With several processes each gets its own share. For a DataLoader with a map-style dataset the first process
    draws the order of an epoch and tells the others, whatever the sampler is, and only the share is loaded. Of
    anything else each process takes every n-th batch. Batches that do not go round evenly are left out, so that
    all processes take the same number of steps.

    The place in the data is an epoch, a number of batches taken, and the states of the random number generators
    when that epoch began: from these the very same batches are drawn again.

    Args:
        data: a DataLoader, or anything else that can be iterated over again and again, of tensors or of tuples or
            lists of tensors.
        accelerator: where and in how many processes.
        remember: whether the state of the generators is kept at the start of every epoch.

    Raises:
        ValueError: where ``data`` can be read only once or is a tensor; later on, where it is empty or holds
            something else than tensors.
    """

    def __init__(self, data: Iterable[Any], accelerator: Accelerator, remember: bool) -> None:
        if isinstance(data, Iterator):
            raise ValueError(
                f"data is read once an epoch, but this {type(data).__name__} can be read only once: pass a DataLoader "
                "or a list of batches, such as list(data)."
            )
        if isinstance(data, Tensor):
            raise ValueError(
                "data is an iterable of batches, got one tensor: pass [x] for a single batch, or a DataLoader "
                "such as advnotes.data.batches(x)."
            )
        if not isinstance(data, Iterable):
            raise ValueError(
                f"data is a DataLoader or another iterable of batches, got {type(data).__name__}."
            )
        self.epoch = 0
        self.taken = 0
        self._accelerator = accelerator
        self._remember = remember
        self._start: dict[str, Any] | None = None
        self._iterator: Iterator[Any] | None = None
        self._held: Batch | None = None
        self._generators = _generators(data)
        self._data = data
        self._share = _Share()
        self._source: Iterable[Any] = data
        self._entries: Iterable[Any] | None = None
        if accelerator.num_processes > 1:
            self._divide()

    def __len__(self) -> int:
        """Batches in an epoch for this process; 0 where the data does not tell."""
        try:
            count = len(self._data)  # type: ignore[arg-type]
        except TypeError:
            return 0
        return count if self._own_share() else count // self._accelerator.num_processes

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
        return {"epoch": self.epoch, "taken": self.taken, "start": self._start if self._iterator else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a place; the generators are left somewhere else, so restore them afterwards."""
        self.epoch, self.taken, self._iterator = state["epoch"], 0, None
        start = state["start"]
        if start is None:
            return
        rng.restore(start["global"], self._accelerator.device)
        if len(start["own"]) != len(self._generators):
            raise ValueError(
                f"the data had {len(start['own'])} generator(s) of its own when the checkpoint was made and has "
                f"{len(self._generators)} now: resume with the same data."
            )
        for generator, own in zip(self._generators, start["own"], strict=True):
            generator.set_state(own)
        self._iterator = self._begin()
        for _ in range(state["taken"]):
            if next(self._iterator, None) is None:
                raise ValueError(
                    f"the checkpoint was made after {state['taken']} batches of an epoch, and an epoch of data has "
                    f"only {self.taken} now: resume with the same data."
                )
            self.taken += 1

    def _begin(self) -> Iterator[Any]:
        """Start an epoch."""
        if self._remember:
            own = [generator.get_state() for generator in self._generators]
            self._start = {"global": rng.capture(self._accelerator.device), "own": own}
        for part in (self._data, getattr(self._data, "sampler", None)):
            tell = getattr(part, "set_epoch", None)
            if tell is not None:
                tell(self.epoch)
        if self._entries is not None:
            self._share.deal(self._entries, self._accelerator)
        batches = iter(self._source)
        world = self._accelerator.num_processes
        if world > 1 and self._entries is None and not self._own_share():
            batches = (
                group[self._accelerator.process_index] for group in zip(*[batches] * world, strict=False)
            )
        return batches

    def _own_share(self) -> bool:
        """Whether the data is this process's share already."""
        one = self._accelerator.num_processes == 1
        return one or isinstance(getattr(self._data, "sampler", None), DistributedSampler)

    def _divide(self) -> None:
        """Have the DataLoader load only what its sampler gives this process."""
        loader = self._data
        if (
            not isinstance(loader, DataLoader)
            or isinstance(loader.dataset, IterableDataset)
            or self._own_share()
        ):
            return
        kept = [
            "num_workers",
            "collate_fn",
            "pin_memory",
            "timeout",
            "worker_init_fn",
            "multiprocessing_context",
        ]
        kept += ["generator", "prefetch_factor", "persistent_workers"]
        options = {name: getattr(loader, name) for name in kept}
        # Without a batch sampler the sampler's entries are what the dataset is asked for, often whole batches.
        whole = loader.batch_sampler is None
        self._entries = loader.sampler if whole else loader.batch_sampler
        options |= {"batch_size": None, "sampler": self._share} if whole else {"batch_sampler": self._share}
        self._source = DataLoader(loader.dataset, **options)

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


class _Share:
    """A sampler: what this process reads in the present epoch."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def deal(self, sampler: Iterable[Any], accelerator: Accelerator) -> None:
        """Let the first process draw the order of the epoch, and keep what falls to this one."""
        told: list[Any] = [list(sampler) if accelerator.is_main_process else None]
        entries = broadcast_object_list(told)[0]
        world = accelerator.num_processes
        self.entries = entries[accelerator.process_index : len(entries) // world * world : world]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def _generators(part: Any) -> list[torch.Generator]:
    """The generators that a DataLoader and its samplers own, each once."""
    found = [part.generator] if isinstance(getattr(part, "generator", None), torch.Generator) else []
    for name in ("batch_sampler", "sampler"):
        if getattr(part, name, None) is not None:
            found += _generators(getattr(part, name))
    return list({id(generator): generator for generator in found}.values())
