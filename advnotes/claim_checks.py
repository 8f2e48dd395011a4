"""What a claim asks of its arguments: seeds, shares and values."""

import math
from collections.abc import Sequence
from typing import Any

from advnotes.claim_bounds import Bound

__all__ = ["check_seeds", "check_share", "values_of"]


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse no seeds, and a seed that occurs twice."""
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"expected at least one seed and none twice, got {list(seeds)}")


def check_share(id: str, values: Sequence[float], bound: Bound) -> None:
    """A share lies in [0, 1], and a bound on it must exclude some of that."""
    if bound.low <= 0 and bound.high >= 1:
        raise ValueError(
            f"claim {id!r}: expected a bound that some share violates, got {bound.low} to {bound.high}"
        )
    if outside := [value for value in values if not 0 <= value <= 1]:
        raise ValueError(
            f"claim {id!r}: expected shares of samples in [0, 1], got {outside[0]}; leave n= out"
        )


def values_of(measured: Any, id: str) -> tuple[float, ...]:
    """The measured values as floats: numbers, tensors of one number, an array or a sequence of these."""
    plain = measured.tolist() if hasattr(measured, "tolist") else measured
    items = list(plain) if isinstance(plain, Sequence) and not isinstance(plain, str) else [plain]
    items = [item.tolist() if hasattr(item, "tolist") else item for item in items]
    if not items or not all(map(_is_number, items)):
        raise ValueError(f"claim {id!r}: expected finite numbers, got measured={measured!r}")
    return tuple(map(float, items))


def _is_number(item: Any) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, bool) and math.isfinite(item)
