"""One epoch of data as this process reads it: its share, in the order that all processes agree on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from accelerate import Accelerator
from accelerate.data_loader import BatchSamplerShard, DataLoaderAdapter, DataLoaderDispatcher, DataLoaderShard
from accelerate.utils import broadcast_object_list
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset

from advnotes.data.loading import loader_parts, own_generators, tell_epoch

# What deals the data out to the processes by itself.
DEALT = (DistributedSampler, BatchSamplerShard, DataLoaderShard, DataLoaderDispatcher)


@runtime_checkable
class Stateful(Protocol):
    """What keeps a state of its own: a data loader of torchdata's kind, or a callback."""

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""


class Source:
    """The items of ``data`` that this process reads, epoch by epoch.

    With several processes each gets its own share. For a DataLoader with a map-style dataset the first process
    draws the order of an epoch and tells the others, whatever the sampler is, and only the share is loaded. Of
    anything else each process takes every n-th batch. Batches that do not go round evenly are left out, so that
    all processes take the same number of steps. Data that is dealt out already, such as by a DistributedSampler, is
    read as it is.

    Attributes:
        generators: those that the data owns, each once.
        stateful: the data, where it knows its place in an epoch and is read directly.

    Raises:
        ValueError: where ``data`` can be read only once or is a tensor.
    """

    def __init__(self, data: Iterable[Any], accelerator: Accelerator) -> None:
        _check_data(data)
        self.data, self._accelerator = data, accelerator
        self._parts = loader_parts(data)
        self.generators = own_generators(self._parts)
        self._dealt = any(isinstance(part, DEALT) for part in self._parts)
        self._whole = accelerator.num_processes == 1 or self._dealt
        self._share = _Share()
        self._entries: Iterable[Any] | None = None
        self._read: Iterable[Any] = data
        if not self._whole and isinstance(data, DataLoader) and not isinstance(data.dataset, IterableDataset):
            self._divide(data)
        # accelerate's loaders have the methods, and a state only where the loader within has one.
        stateful = isinstance(data.base_dataloader if isinstance(data, DataLoaderAdapter) else data, Stateful)
        self.stateful: Stateful | None = data if stateful and self._entries is None else None  # type: ignore[assignment]

    def __len__(self) -> int:
        """Batches in an epoch for this process; 0 where the data does not tell."""
        try:
            count = len(self.data)  # type: ignore[arg-type]
        except TypeError:
            return 0
        return count if self._whole else count // self._accelerator.num_processes

    def describe(self) -> str:
        """How much data there is, in words."""
        if not isinstance(self.data, DataLoader):
            return f"{len(self) or 'any number of'} batches"
        size = self.data.batch_size
        try:
            samples = f"{len(self.data.dataset)} samples"  # type: ignore[arg-type]
        except TypeError:
            samples = "any number of samples"
        return samples if size is None else f"{samples} in batches of {size}"

    def begin(self, epoch: int) -> Iterator[Any]:
        """Start an epoch, and tell its number to all that draw an order from it."""
        tell_epoch(self._parts, epoch)
        if self._entries is not None:
            self._share.deal(self._entries, self._accelerator)
        items = iter(self._read)
        if self._whole or self._entries is not None:
            return items
        groups = zip(*[items] * self._accelerator.num_processes, strict=False)
        return (group[self._accelerator.process_index] for group in groups)

    def _divide(self, loader: DataLoader[Any]) -> None:
        """Have the DataLoader load only what falls to this process."""
        options: dict[str, Any] = {
            "num_workers": loader.num_workers,
            "collate_fn": loader.collate_fn,
            "pin_memory": loader.pin_memory,
            "timeout": loader.timeout,
            "worker_init_fn": loader.worker_init_fn,
            "multiprocessing_context": loader.multiprocessing_context,
            "generator": loader.generator,
            "prefetch_factor": loader.prefetch_factor,
            "persistent_workers": loader.persistent_workers,
        }
        # Without a batch sampler the sampler's entries are what the dataset is asked for, often whole batches.
        whole = loader.batch_sampler is None
        self._entries = loader.sampler if whole else loader.batch_sampler
        options |= {"batch_size": None, "sampler": self._share} if whole else {"batch_sampler": self._share}
        self._read = DataLoader(loader.dataset, **options)


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


def _check_data(data: object) -> None:
    """Refuse what cannot be read again and again."""
    if isinstance(data, Iterator):
        raise ValueError(
            f"data is read once an epoch, but this {type(data).__name__} can be read only once: pass a DataLoader, a "
            "list of batches, or an object whose __iter__ begins anew each time, such as one that returns "
            "zip(first_loader, second_loader)."
        )
    if isinstance(data, Tensor):
        raise ValueError(
            "data is an iterable of batches, got one tensor: pass [x] for a single batch, or a DataLoader such as "
            "advnotes.data.batches(x)."
        )
    if not isinstance(data, Iterable):
        raise ValueError(f"data is a DataLoader or another iterable of batches, got {type(data).__name__}.")
