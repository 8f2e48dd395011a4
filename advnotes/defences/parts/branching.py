"""Branch and bound: the cases in which rectifiers are on or off, until each has a bound above 0."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import Tensor

from advnotes.defences.parts.known import Known
from advnotes.defences.parts.region import Region
from advnotes.defences.parts.slopes import Ascent, climb

__all__ = ["branch"]

#: How many cases are split at a time, and the steps of ascent in each.
AT_A_TIME, STEPS = 16, 10
#: Of so many cases the slopes and prices are kept, from which the ascent in their parts begins.
REMEMBERED = 2000


@dataclass(order=True)
class Case:
    """Some rectifiers are on, some off: ``splits`` are their number, the entry, and the sign."""

    bound: float
    order: int
    other: int = field(compare=False)
    splits: tuple[tuple[int, int, int], ...] = field(compare=False)
    start: Ascent | None = field(compare=False, default=None)
    next: tuple[int, int] | None = field(compare=False, default=None)


def branch(
    known: Known,
    region: Region,
    differences: Callable[[Tensor], Tensor],
    margins: dict[int, float],
    budget: float,
    deadline: float = math.inf,
    refuted: Callable[[Tensor], bool] = lambda point: False,
) -> float:
    r"""A lower bound of the least lead of the true class over some other ones, for one sample.

    The case with the lowest bound is split at the rectifier whose two lines cost it most. It ends when all bounds are
    above 0, or where nothing is left of the budget, or where a point is found that has another class.

    Args:
        known: of the sample.
        region: of the sample.
        differences: the coefficients of the logits, for classes.
        margins: the bounds so far, of the classes that are open.
        budget: how many cases may be bounded.
        deadline: of ``time.perf_counter()``, after which no new cases are made.
        refuted: whether the model gives an input another class.

    Source: Bunel et al. 2018 (branch and bound); Wang et al. 2021, section 3.3 (its bounds).
    """
    orders, heap, proved = count(), list[Case](), math.inf
    new = [Case(bound, next(orders), other, ()) for other, bound in margins.items()]
    while True:
        points = _bound(known, region, differences, new)
        proved = min([proved, *(case.bound for case in new if case.bound > 0)])
        for case in new:
            if case.bound <= 0:
                case.start = case.start if len(heap) < REMEMBERED else None
                heapq.heappush(heap, case)
        if not heap or refuted(points):
            break
        split = [heapq.heappop(heap) for _ in range(int(min(AT_A_TIME, len(heap), budget // 2)))]
        new = [
            Case(case.bound, next(orders), case.other, (*case.splits, (*case.next, sign)), case.start)
            for case in split
            for sign in (1, -1)
            if case.next is not None
        ]
        if not new or len(new) < 2 * len(split) or time.perf_counter() > deadline:
            heap += split
            break
        budget -= len(new)
    return min([proved, *(case.bound for case in heap)])


def _bound(
    known: Known, region: Region, differences: Callable[[Tensor], Tensor], cases: list[Case]
) -> Tensor:
    """Bound some cases, and choose where each is to be split; the inputs at which their bounds are attained."""
    device = region.x.device
    rows = torch.arange(len(cases), device=device)
    known, region = known.repeat(len(cases)), region.take(torch.zeros_like(rows))
    signs: dict[int, Tensor] = {}
    for row, case in enumerate(cases):
        for number, entry, sign in case.splits:
            if number not in signs:
                signs[number] = torch.zeros_like(known.lower[number])
            signs[number][row].view(-1)[entry] = sign
    for number, which in signs.items():
        known.split(number, which)
    a = differences(torch.tensor([case.other for case in cases], device=device))
    starts = [case.start for case in cases if case.start is not None]
    start = Ascent.stack(starts) if len(starts) == len(cases) else None
    found = climb(known, region, a, rows, STEPS, start=start, cases=signs)
    # What the upper line costs at most, or would cost if the lower one were as bad: the gap between them, weighed.
    scores = {
        number: (lines.intercept * found.way.after[number].abs()).masked_fill(~lines.free, -1).flatten(1)
        for number, lines in known.lines.items()
        if number in found.way.after
    }
    best = {number: score.max(dim=1) for number, score in scores.items()}
    for row, (case, bound) in enumerate(zip(cases, found.bound.tolist(), strict=True)):
        case.bound, case.start = max(case.bound, bound), found.row(row)
        score, number = max(((float(each[0][row]), i) for i, each in best.items()), default=(-1.0, 0))
        case.next = (number, int(best[number][1][row])) if score >= 0 else None
    return region.lowest(found.way.slope, rows)
