"""Counts, numbers, the range of the input, devices."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "check_bounds",
    "check_count",
    "check_counts",
    "check_device",
    "check_number",
    "check_per_sample",
]


def check_count(name: str, value: object, least: int = 1) -> int:
    """A whole number from ``least`` on, as Python's int: NumPy's and torch's whole numbers are taken too.

    Raises:
        ValueError: where it is none, a bool among them, or is smaller.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return number


def check_counts(**counts: object) -> None:
    """Raise ValueError for a count that is no whole number of at least 1: how many steps, restarts, queries ..."""
    for name, count in counts.items():
        check_count(name, count)


def check_per_sample(name: str, value: object, count: int) -> None:
    """Raise ValueError for a tensor with a value for each sample that has another number of values than ``count``."""
    if isinstance(value, Tensor) and value.ndim and len(value) != count:
        raise ValueError(
            f"{name} has one value for each of {len(value)} samples, but there are {count}: give one number, or one "
            "for each sample. One for each feature is not supported: let a first layer of the model rescale the "
            f"features so that one {name} fits them all"
        )


def check_number(
    name: str,
    value: object,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float | None = None,
) -> float:
    """A finite number from ``least`` to ``most``, and greater than ``above`` where that is given.

    Raises:
        ValueError: where it is none, is not finite, or lies elsewhere.
    """
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if math.isfinite(number) and least <= number <= most and (above is None or number > above):
        return number
    lower = f"above {above:g}" if above is not None else f"of at least {least:g}" if least > -math.inf else ""
    upper = f"at most {most:g}" if most < math.inf else ""
    raise ValueError(
        f"{name} must be a finite number {' and '.join(filter(None, (lower, upper)))}".rstrip()
        + f", got {value!r}"
    )


def check_bounds(bounds: object, *, finite: bool = True) -> tuple[float, float]:
    """The range of the input as two numbers.

    Args:
        bounds: the lowest and the highest value.
        finite: refuse an infinite end, since the width of the range is used.

    Raises:
        ValueError: where it is no pair of numbers, is empty, is infinite and must not be, or is given for each feature.
    """
    advice = "bounds must be (lowest, highest), finite numbers for all features with lowest < highest, such as (0, 1)"
    if not isinstance(bounds, Sequence) or isinstance(bounds, str) or len(bounds) != 2:
        raise ValueError(f"{advice}; got {bounds!r}")
    try:
        lowest, highest = (float(end) for end in bounds)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"{advice}; got ends of type {type(bounds[0]).__name__}: for a range of its own for each feature, let a "
            "first layer of the model map [0, 1] to it"
        ) from None
    if finite and (math.isinf(lowest) or math.isinf(highest)):
        raise ValueError(
            f"{advice}; got {(lowest, highest)}: for data without natural limits take those of the data, such as "
            "(x.min().item(), x.max().item()), or wider ones"
        )
    if not lowest < highest:
        raise ValueError(f"{advice}; got {(lowest, highest)}")
    return lowest, highest


def check_device(device: str | torch.device) -> torch.device:
    """A device that is there.

    Raises:
        ValueError: where there is none of that name; it lists those that are there.
    """
    try:
        wanted = torch.device(device)
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        there += ["mps"] if torch.backends.mps.is_available() else []
        raise ValueError(
            f"there is no device {device!r} here ({str(error).splitlines()[0]}): {', '.join(there)}"
        ) from None
    return wanted
