"""The processes of a distributed run: split the work, gather the results, run something on the main process only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import torch

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
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if accelerator is None and started > 1:
            from accelerate import Accelerator

            # Without a GPU accelerate joins the processes of torchrun only where it is told to use the CPU.
            accelerator = Accelerator(cpu=not (torch.cuda.is_available() or torch.xpu.is_available()))
        self.world_size = 1 if accelerator is None else accelerator.num_processes
        self.rank = 0 if accelerator is None else accelerator.process_index
        self.device = None if accelerator is None else accelerator.device
        if self.world_size != started:
            raise ValueError(
                f"{started} processes were started, but accelerate was set up for {self.world_size}: without GPUs make "
                "it with Accelerator(cpu=True) before anything else does, or leave accelerator= out"
            )

    @property
    def is_main(self) -> bool:
        """Whether this process reads and writes files and prints."""
        return self.rank == 0

    def shard(self, items: list[Item]) -> list[Item]:
        """The items that this process works on."""
        return items[self.rank :: self.world_size]

    def gather(self, work: Callable[[], Iterable[Item]]) -> list[Item]:
        """Run ``work`` in every process and return the results of all, in all; an error in one is raised in all."""
        if self.world_size == 1:
            return list(work())
        from accelerate.utils import gather_object

        made: list[Item] = []
        error: Exception | None = None
        try:
            made = list(work())
        except Exception as problem:
            error = problem
        gathered = gather_object([(made, error)])
        _raise_first(error, [problem for _, problem in gathered if problem is not None])
        return [item for part, _ in gathered for item in part]

    def on_main(self, make: Callable[[], Made]) -> Made:
        """Run ``make`` in the main process and return its result in all; its error is raised in all."""
        if self.world_size == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        message: list[Any] = [None, None]
        error: Exception | None = None
        if self.is_main:
            try:
                message[0] = make()
            except Exception as problem:
                message[1] = error = problem
        broadcast_object_list(message)
        _raise_first(error, [] if message[1] is None else [message[1]])
        made: Made = message[0]
        return made


def _raise_first(local: Exception | None, errors: list[Exception]) -> None:
    """Raise the error of this process, with its traceback, or else the first of the other processes."""
    if local is not None:
        raise local
    if errors:
        raise errors[0]
