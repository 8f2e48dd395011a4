"""Slopes of the lower lines, and prices of the cases, found by gradient ascent on the bound itself."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from advnotes.defences.parts.backward import Coefficients, Way, linear_lower_bound
from advnotes.defences.parts.known import Known
from advnotes.defences.parts.region import Region

__all__ = ["Ascent", "climb"]

#: The step of the ascent at its beginning, for slopes and for prices, and what it is multiplied by after each one.
RATE, PRICE_RATE, DECAY = 0.25, 0.05, 0.95


@dataclass
class Ascent:
    """Where an ascent has come to, for each query.

    Attributes:
        bound: the best lower bound on the way.
        slopes: of the lower lines, by the number of the rectifier's output, where some are free.
        prices: of the cases; see :func:`climb`.
        way: the coefficients of the last bound.
    """

    bound: Tensor
    slopes: dict[int, Tensor] = field(default_factory=dict)
    prices: dict[int, Tensor] = field(default_factory=dict)
    way: Way = field(default_factory=Way)

    def row(self, row: int) -> "Ascent":
        """Slopes and prices of one query."""
        slopes = {i: slope[row].clone() for i, slope in self.slopes.items()}
        return Ascent(self.bound[row], slopes, {i: price[row].clone() for i, price in self.prices.items()})

    @staticmethod
    def stack(rows: "list[Ascent]") -> "Ascent":
        """Those of several queries, as far as all of them have some."""
        slopes = {i for i in rows[0].slopes if all(i in row.slopes for row in rows)}
        every = {i: value for row in rows for i, value in row.prices.items()}
        return Ascent(
            torch.stack([row.bound for row in rows]),
            {i: torch.stack([row.slopes[i] for row in rows]) for i in slopes},
            {
                i: torch.stack([row.prices.get(i, torch.zeros_like(like)) for row in rows])
                for i, like in every.items()
            },
        )


def climb(
    known: Known,
    region: Region,
    a: Tensor,
    rows: Tensor,
    steps: int,
    *,
    start: Ascent | None = None,
    cases: dict[int, Tensor] | None = None,
) -> Ascent:
    r"""Lower bounds of :math:`a^\top z` of the logits, with the slopes of Zhang et al. or with better ones.

    A case :math:`s v \ge 0` of a rectifier's input :math:`v`, with :math:`s = \pm 1`, has a price
    :math:`\beta \ge 0`: within the case the bound of :math:`a^\top z - \beta s v` is one of :math:`a^\top z`. Whatever
    slopes and prices are, the bound holds; the best one on the way is taken.

    Args:
        known: of the batch.
        region: of the batch.
        a: ``[queries, classes]``.
        rows: of which sample each query is.
        steps: of the ascent.
        start: slopes and prices to begin with.
        cases: :math:`s`, or 0 for no case, by the number of the rectifier's output, ``[queries, *shape]``.

    Source: Xu et al. 2021 (the slopes), Wang et al. 2021, theorem 3.1 (the prices).
    """
    cases = cases or {}
    fixed = {i: (lines.lower[rows], lines.free[rows]) for i, lines in known.lines.items()}
    slopes, prices = {}, {}
    for i, (lower, free) in fixed.items():
        if steps and bool(free.any()):
            begin = lower if start is None or i not in start.slopes else start.slopes[i]
            slopes[i] = torch.where(free, begin, lower)
    for i, case in cases.items():
        prices[i] = torch.zeros_like(case) if start is None or i not in start.prices else start.prices[i]
    best = Ascent(torch.full((len(rows),), -torch.inf, dtype=torch.float64, device=a.device))
    moving = [value.requires_grad_() for value in (*slopes.values(), *prices.values())] if steps else []
    groups = [
        {"params": list(slopes.values()), "lr": RATE},
        {"params": list(prices.values()), "lr": PRICE_RATE},
    ]
    optimizer = torch.optim.Adam([group for group in groups if group["params"]]) if moving else None
    with torch.set_grad_enabled(optimizer is not None):
        for step in range(steps + 1):
            best.way = Way()
            signed = {i: case * prices[i] for i, case in cases.items()}
            bound = linear_lower_bound(
                known, len(known.graph.steps), Coefficients(a), rows, region, slopes, signed, best.way
            )
            best.bound = torch.maximum(best.bound, bound.detach())
            if optimizer is None or step == steps:
                break
            for value, gradient in zip(
                moving, torch.autograd.grad(-bound.sum(), moving, materialize_grads=True), strict=True
            ):
                value.grad = gradient  # the model's parameters get none
            optimizer.step()
            with torch.no_grad():
                for group in optimizer.param_groups:
                    group["lr"] *= DECAY
                for i, slope in slopes.items():
                    lower, free = fixed[i]
                    least = known.graph.steps[i - 1].slope  # type: ignore[attr-defined]
                    slope.copy_(torch.where(free, slope.clamp(least, 1.0), lower))
                for price in prices.values():
                    price.clamp_(min=0)
    best.slopes = {i: slope.detach() for i, slope in slopes.items()}
    best.prices = {i: price.detach() for i, price in prices.items()}
    return best
