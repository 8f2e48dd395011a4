"""The precision of a game's losses, and the random numbers of its processes."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list

from advnotes import rng


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
