"""Where a game is played: the accelerator, and what its processes have to do together."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list, gather_object

from advnotes import rng

T = TypeVar("T")


def resolve_accelerator(given: Accelerator | None) -> Accelerator:
    """Where to run: what was given, or what accelerate finds, several processes on CPUs included.

    Raises:
        ValueError: where other processes were started than accelerate knows of.
    """
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


def resolve_precision(asked: str | None, accelerator: Accelerator) -> torch.dtype:
    """The type that losses are computed in.

    Raises:
        ValueError: where accelerate was told a plug-in or a precision that ``play`` does not have.
    """
    allowed = (
        DistributedType.NO,
        DistributedType.MULTI_CPU,
        DistributedType.MULTI_GPU,
        DistributedType.MULTI_XPU,
    )
    if accelerator.distributed_type not in allowed:
        raise ValueError(
            f"play shares the work by DistributedDataParallel, got accelerate's {accelerator.distributed_type}: choose "
            "no such plug-in in `accelerate config`."
        )
    if asked is None and accelerator.mixed_precision not in ("no", "bf16"):
        raise ValueError(
            f"play computes in float32 or bfloat16, accelerate was told {accelerator.mixed_precision}: say "
            "--mixed_precision bf16 or precision=."
        )
    half = asked == "bfloat16" or (asked is None and accelerator.mixed_precision == "bf16")
    return torch.bfloat16 if half else torch.float32


def seed_each_process(accelerator: Accelerator) -> None:
    """Give every process but the first random numbers of its own: equal noise in all would be half the noise."""
    if accelerator.num_processes == 1:
        return
    first = broadcast_object_list([int(torch.randint(2**62, ()).item())])[0]
    if not accelerator.is_main_process:
        rng.seed(first + accelerator.process_index)


def in_first(accelerator: Accelerator, act: Callable[[], T]) -> T:
    """Let the first process act; every process gets its result, or raises its error."""
    if accelerator.num_processes == 1:
        return act()
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
