"""Full precision for what rounding would drown: finite steps, power iteration, penalties."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["at_least_float32", "full_precision", "in_autocast"]


def at_least_float32(x: Tensor) -> Tensor:
    """The same numbers in float32 where they are in half precision; float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def in_autocast(x: Tensor) -> bool:
    """Whether networks that see ``x`` compute in another precision now (``play(..., precision="bfloat16")``)."""
    return torch.is_autocast_enabled(x.device.type)


@contextmanager
def full_precision(x: Tensor) -> Iterator[Tensor]:
    """No autocast inside; yields ``x`` in float32 or better where there was some, and ``x`` itself elsewhere.

    Half precision has 8 or 11 bits. Logits at two points that lie near each other differ by less than its rounding.
    """
    if not in_autocast(x):
        yield x
        return
    with torch.autocast(x.device.type, enabled=False):
        yield at_least_float32(x)
