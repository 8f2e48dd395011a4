"""Bounds that decide a claim: who set them and when, and numbers printed so that they never contradict a verdict."""

import math
import re
from dataclasses import dataclass
from datetime import date

__all__ = ["SETTERS", "Bound", "at_least", "at_most", "between"]

#: Who set a bound: the paper's own number, a theorem, a trial run beside the book, or the book's authors beforehand.
SETTERS = ("paper", "theory", "trial", "book")

_SPEC = re.compile(r"\{:([^{}.]*?)(?:\.(\d+))?([eEfFgG%])\}")
_NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_MOST_PLACES = 12


@dataclass(frozen=True)
class Bound:
    """The closed interval that the mean of the measured values must lie in.

    Args:
        low, high: its ends; one of them may be infinite.
        by: who set it: ``"paper"``, ``"theory"``, ``"trial"`` or ``"book"``.
        on: the day on which it was set, as ``"2026-11-21"``.

    Raises:
        ValueError: where the ends are not numbers in their order, where every number lies within, and where ``by`` or
            ``on`` is something else.
    """

    low: float
    high: float
    by: str
    on: str

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"expected a bound with low <= high, got {self.low} and {self.high}")
        if self.low == -math.inf and self.high == math.inf:
            raise ValueError("expected a bound that some number violates, got one without ends")
        if self.by not in SETTERS:
            raise ValueError(f"expected by= one of {', '.join(SETTERS)}, got {self.by!r}")
        try:
            date.fromisoformat(self.on)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"expected on= the day on which the bound was set, as 2026-11-21, got {self.on!r}"
            ) from error

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def text(self, format: str) -> str:
        """The bound in words, its ends in the claim's own format, with as many places as they have."""
        low, high = (_exactly(format, end) for end in (self.low, self.high))
        if self.high == math.inf:
            return f"≥ {low}"
        return f"≤ {high}" if self.low == -math.inf else f"{low} to {high}"

    def show(self, format: str, value: float) -> str:
        """A value in the claim's format, with so many places that it lies on the same side of the bound as printed."""
        for text in _finer(format, value):
            if (_read(text) in self) == (value in self):
                return text
        return repr(value)


def at_least(value: float, *, by: str, on: str) -> Bound:
    """A bound from below, with who set it and when: see :class:`Bound`."""
    return Bound(value, math.inf, by, on)


def at_most(value: float, *, by: str, on: str) -> Bound:
    """A bound from above, with who set it and when: see :class:`Bound`."""
    return Bound(-math.inf, value, by, on)


def between(low: float, high: float, *, by: str, on: str) -> Bound:
    """A bound from both sides, with who set it and when: see :class:`Bound`."""
    return Bound(low, high, by, on)


def is_share(format: str) -> bool:
    """Whether a format prints a share, between 0 and 100%, and not a difference of shares."""
    found = _SPEC.search(format)
    return found is not None and found[3] == "%" and "+" not in found[1]


def _exactly(format: str, value: float) -> str:
    """A value with as many places as it takes to print it unchanged."""
    for text in _finer(format, value):
        if not math.isfinite(value) or math.isclose(_read(text), value, rel_tol=1e-9, abs_tol=1e-15):
            return text
    return repr(value)


def _finer(format: str, value: float) -> list[str]:
    """The value in the format, then with one place more, and so on."""
    found = _SPEC.search(format)
    if found is None or not math.isfinite(value):
        return [format.format(value)]
    places = int(found[2] or (0 if found[3] in "%fF" else 6))
    wider = (f"{{:{found[1]}.{p}{found[3]}}}" for p in range(places, places + _MOST_PLACES))
    return [(format[: found.start()] + spec + format[found.end() :]).format(value) for spec in wider]


def _read(text: str) -> float:
    """The number that a text prints."""
    found = _NUMBER.search(text)
    if found is None:
        raise ValueError(f"expected a format that prints a number, got {text!r}")
    number = float(found[0].replace(",", "").replace("−", "-"))
    return number / 100 if text[found.end() :].startswith("%") else number
