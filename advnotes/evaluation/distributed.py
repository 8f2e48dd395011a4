"""The processes of a distributed run: split the work, gather the results, run something on the main process only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from advnotes.processes import in_all, in_first, join_processes

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["ProcessGroup"]

Item = TypeVar("Item")
Made = TypeVar("Made")


class ProcessGroup:
    """One process, or all of those that ``torchrun`` or ``accelerate launch`` started.

    Args:
        accelerator: where to run; None finds it out.

    Raises:
        ValueError: where accelerate was set up for another number of processes than were started.
    """

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        if accelerator is None and int(os.environ.get("WORLD_SIZE", "1")) == 1:
            self.accelerator = None
        else:
            self.accelerator = join_processes(accelerator)
        self.world_size = 1 if self.accelerator is None else self.accelerator.num_processes
        self.rank = 0 if self.accelerator is None else self.accelerator.process_index
        self.device = None if self.accelerator is None else self.accelerator.device

    @property
    def is_main(self) -> bool:
        """Whether this process reads and writes files and prints."""
        return self.rank == 0

    def shard(self, items: list[Item]) -> list[Item]:
        """The items that this process works on."""
        return items[self.rank :: self.world_size]

    def gather(self, work: Callable[[], Iterable[Item]]) -> list[Item]:
        """Run ``work`` in every process and return the results of all, in all; an error in one is raised in all."""
        if self.accelerator is None:
            return list(work())
        from accelerate.utils import gather_object

        made = in_all(self.accelerator, lambda: list(work()))
        return [item for part in gather_object([made]) for item in part]

    def on_main(self, make: Callable[[], Made]) -> Made:
        """Run ``make`` in the main process and return its result in all; its error is raised in all."""
        return make() if self.accelerator is None else in_first(self.accelerator, make)
