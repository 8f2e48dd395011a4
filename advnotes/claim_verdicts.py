r"""When does a claim hold? The statistics behind a verdict, over seeds and over machines.

Training is chaotic: another seed, and as well another processor, another number of threads, gives another value. So a
claim is judged by the mean over its values and by how far it lies inside the bound, in units of its standard error.

For values :math:`v_{rs}` of the recorded runs :math:`r` with :math:`k` seeds :math:`s` each, with mean
:math:`\bar v` and standard deviation :math:`\sigma` of all of them, the standard error of the mean is
:math:`\sigma/\sqrt k`. Runs of the same seeds on other machines sharpen :math:`\sigma`, and do not count as more seeds.
Of a share of :math:`n` samples, :math:`\sigma^2` is at least the binomial :math:`\bar v(1-\bar v)/n`, so that values
that agree by chance leave no false certainty. The *room* is the distance from the mean to the nearer end of the bound,
negative outside.

==================  ====================================================================
holds               the room is at least two standard errors, and every run's mean is inside
on the edge         the mean is inside, but a run's mean is not, or the room is smaller
not reproduced      the mean is outside
not judged          fewer than two seeds, or the smoke profile
==================  ====================================================================

With more seeds the standard error shrinks and the mean settles, so a true claim is ever more likely to hold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

__all__ = [
    "EDGE",
    "FAILS",
    "HOLDS",
    "ROOM",
    "UNJUDGED",
    "Finding",
    "Verdict",
    "judge",
    "reproduced",
    "scatter",
]

Verdict = Literal["holds", "on the edge", "not reproduced", "not judged"]
HOLDS: Verdict = "holds"
EDGE: Verdict = "on the edge"
FAILS: Verdict = "not reproduced"
UNJUDGED: Verdict = "not judged"

#: How many standard errors the mean must lie inside the bound.
ROOM = 2.0


@dataclass(frozen=True)
class Finding:
    """A verdict with what it rests on: ``room`` and ``error`` are in the units of the values."""

    verdict: Verdict
    mean: float
    error: float
    room: float


def scatter(runs: Sequence[Sequence[float]], n: int | None = None) -> float:
    """The standard deviation of the values within a run, over all runs; of a share at least the binomial one.

    What sets one machine apart from another is not in it.

    Args:
        runs: one sequence of values, by seed, for each recorded run.
        n: the number of samples that each value is a share of, where it is one.
    """
    squares = sum(_squares(run) for run in runs)
    free = sum(len(run) - 1 for run in runs)
    return _at_least_binomial(squares / free if free else 0.0, fmean(v for run in runs for v in run), n)


def _squares(values: Sequence[float]) -> float:
    """The sum of squared distances from the mean."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values)


def _at_least_binomial(variance: float, mean: float, n: int | None) -> float:
    return math.sqrt(variance if n is None else max(variance, mean * (1 - mean) / n))


def judge(
    runs: Sequence[Sequence[float]],
    low: float,
    high: float,
    *,
    n: int | None = None,
    exact: bool = False,
    spread: float | None = None,
) -> Finding:
    """Judge a claim by the values of all runs of it; see the module's head for the rule.

    Args:
        runs: one sequence of values, by seed, for each recorded run.
        low, high: the ends of the bound, which may be infinite.
        n: the number of samples that each value is a share of, where it is one.
        exact: no chance decides the values (an identity, a computation without randomness): the claim holds where
            every value is inside, and is on the edge where some are.
        spread: the values' standard deviation where it is known better than from these runs alone; see
            :func:`scatter`. Without it, the standard deviation of all values, whatever machine they are from.

    Raises:
        ValueError: where there is no run, or one without values.
    """
    if not runs or not all(runs):
        raise ValueError("expected at least one run, each with at least one value, got none")
    means = [fmean(run) for run in runs]
    mean = fmean(means)
    room = min(mean - low, high - mean)
    if exact:
        inside = [low <= value <= high for run in runs for value in run]
        verdict = HOLDS if all(inside) else EDGE if any(inside) else FAILS
        return Finding(verdict, mean, 0.0, room)
    seeds = min(len(run) for run in runs)
    if spread is None:
        values = [value for run in runs for value in run]
        spread = _at_least_binomial(_squares(values) / max(len(values) - 1, 1), mean, n)
    error = spread / math.sqrt(seeds)
    if seeds < 2:
        return Finding(UNJUDGED, mean, error, room)
    if room < 0:
        return Finding(FAILS, mean, error, room)
    within = all(low <= one <= high for one in means)
    return Finding(HOLDS if within and room >= ROOM * error else EDGE, mean, error, room)


def reproduced(found: Finding, number: float | None, *, share: bool) -> str:
    r"""What of a paper's statement came out here: ``"number"``, ``"direction"`` or nothing.

    The direction is reproduced where the mean lies inside the bound. The number is, where besides the mean is within
    two standard errors or a tenth of it: of a share :math:`p`, a tenth of :math:`\min(p, 1-p)`.

    Args:
        found: the claim's finding.
        number: the paper's own value, in the units of the measured ones, where it can be compared.
        share: whether the value is a share, between 0 and 1.
    """
    if found.verdict not in (HOLDS, EDGE):
        return ""
    if number is None:
        return "direction"
    near = 0.1 * (min(abs(number), 1 - abs(number)) if share else abs(number))
    return "number" if abs(found.mean - number) <= max(near, ROOM * found.error) else "direction"
