"""The processes that share an evaluation: who does which batches, and how all come to know what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Crew"]

Item = TypeVar("Item")
Made = TypeVar("Made")


class Crew:
    """One process, or all of those that ``torchrun`` or ``accelerate launch`` have started.

    Args:
        accelerator: where to run, if it is not to be found out.

    Raises:
        ValueError: where accelerate was set up for another number of processes than were started.
    """

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if accelerator is None and started > 1:
            from accelerate import Accelerator

            # Without a GPU accelerate joins the processes of torchrun only where it is told to use the CPU.
            accelerator = Accelerator(cpu=not (torch.cuda.is_available() or torch.xpu.is_available()))
        self.world = 1 if accelerator is None else accelerator.num_processes
        self.rank = 0 if accelerator is None else accelerator.process_index
        self.device = None if accelerator is None else accelerator.device
        if self.world != started:
            raise ValueError(
                f"{started} processes were started, but accelerate was set up for {self.world}: without GPUs make it "
                "with Accelerator(cpu=True) before anything else does, or leave accelerator= out"
            )

    @property
    def main(self) -> bool:
        """Whether this is the process that reads, writes and talks."""
        return self.rank == 0

    def share(self, items: list[Item]) -> list[Item]:
        """What this process does of some work."""
        return items[self.rank :: self.world]

    def all(self, work: Callable[[], Iterable[Item]]) -> list[Item]:
        """What the processes make, put together in all of them; where one fails, all do."""
        made, error = [], None
        try:
            made = list(work())
        except Exception as problem:
            if self.world == 1:
                raise
            error = problem
        if self.world == 1:
            return made
        from accelerate.utils import gather_object

        told = gather_object([(made, error)])
        _raise(error, [problem for _, problem in told if problem is not None])
        return [item for share, _ in told for item in share]

    def first(self, make: Callable[[], Made]) -> Made:
        """What the main process makes, told to all; where it fails, all do."""
        if self.world == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        told: list[Any] = [None, None]
        error = None
        if self.main:
            try:
                told[0] = make()
            except Exception as problem:
                told[1] = error = problem
        broadcast_object_list(told)
        _raise(error, [] if told[1] is None else [told[1]])
        made: Made = told[0]
        return made


def _raise(own: Exception | None, all_errors: list[Exception]) -> None:
    """Raise this process's own error, with its traceback, or else the first of the others."""
    if own is not None:
        raise own
    if all_errors:
        raise all_errors[0]
