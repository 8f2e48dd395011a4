"""Several processes of one run: joining them, and what they have to do together.

accelerate is imported where there are several processes, so that one alone does not wait for it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["in_all", "in_first", "join_processes", "shows_progress"]

T = TypeVar("T")


def join_processes(given: Accelerator | None) -> Accelerator:
    """The accelerator that was given, or a new one for all processes that were started, on CPUs too.

    Raises:
        ValueError: where other processes were started than accelerate knows of.
    """
    from accelerate import Accelerator

    started = int(os.environ.get("WORLD_SIZE", "1"))
    # Without a GPU accelerate joins the processes of torchrun only where it is told to use the CPU.
    no_gpu = not (torch.cuda.is_available() or torch.xpu.is_available())
    accelerator = given or Accelerator(cpu=started > 1 and no_gpu)
    if accelerator.num_processes != started:
        raise ValueError(
            f"{started} processes were started, but accelerate was set up for {accelerator.num_processes}: without "
            "GPUs make it with Accelerator(cpu=True) before anything else does, or leave accelerator= out."
        )
    return accelerator


def shows_progress(wanted: bool, is_main: bool) -> bool:
    """Whether to show a bar: in the main process, and not where TQDM_DISABLE is set."""
    # tqdm itself reads the variable only once, when it is imported.
    return wanted and is_main and os.environ.get("TQDM_DISABLE", "0") in ("", "0")


def in_first(accelerator: Accelerator, act: Callable[[], T]) -> T:
    """Let the first process act; every process gets its result, or raises its error."""
    if accelerator.num_processes == 1:
        return act()
    from accelerate.utils import broadcast_object_list

    result: list[Any] = [None, None]
    failure: BaseException | None = None
    if accelerator.is_main_process:
        try:
            result[0] = act()
        except BaseException as error:  # also a Ctrl-C: the others would wait for this process for ever
            failure, result[1] = error, _portable(error)
    broadcast_object_list(result)
    if failure is not None or result[1] is not None:
        raise failure or result[1]
    return result[0]


def in_all(accelerator: Accelerator, act: Callable[[], T]) -> T:
    """Let every process act; where it fails in one of them, all raise."""
    if accelerator.num_processes == 1:
        return act()
    from accelerate.utils import gather_object

    result: T | None = None
    failure: BaseException | None = None
    try:
        result = act()
    except BaseException as error:
        failure = error
    errors = gather_object([None if failure is None else _portable(failure)])
    failed = next((error for error in (failure, *errors) if error is not None), None)
    if failed is not None:
        raise failed
    return result  # type: ignore[return-value]


def _portable(error: BaseException) -> BaseException:
    """An error as it can be sent to another process: itself, or its words where it cannot be pickled."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a class of errors does in its __reduce__ and __init__
        copy = None
    if isinstance(copy, BaseException):
        return error
    return RuntimeError(f"in the first process that failed: {type(error).__name__}: {error}")
