"""Linear lower bounds of what a network computes, carried from the output back to the input."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from advnotes.defences.parts.known import Known
from advnotes.defences.parts.region import Region
from advnotes.defences.parts.steps import Affine, Corner, Maximum, Rectifier

__all__ = ["Coefficients", "Way", "dot", "linear_lower_bound"]


@dataclass
class Way:
    """What the way back has come through.

    Attributes:
        after: what each rectifier's output was multiplied by, by its number, for all of its entries.
        slope: of the linear function of the input, ``[queries, *shape]``.
    """

    after: dict[int, Tensor] = field(default_factory=dict)
    slope: Tensor = field(default_factory=lambda: torch.zeros(()))


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The sum of products for each row; ``b`` has as many rows, or one for all."""
    return a.flatten(1) @ b.flatten() if len(b) == 1 else (a * b).flatten(1).sum(dim=1)


@dataclass(frozen=True)
class Coefficients:
    """What a linear function multiplies a value by: ``a`` in the part of the picture that begins at ``corner``, else 0.

    Without a corner ``a`` is all of the value's shape.
    """

    a: Tensor
    corner: Corner | None = None

    def part(self, values: Tensor) -> Tensor:
        """Of numbers for all of the value: those that belong to ``a``."""
        if self.corner is None:
            return values
        (top, left), (high, wide) = self.corner, self.a.shape[-2:]
        return values[..., top : top + high, left : left + wide]

    def whole(self, shape: tuple[int, ...]) -> Tensor:
        """For all of the value, whose shape without the batch is given."""
        if self.corner is None:
            return self.a
        (top, left), (high, wide) = self.corner, self.a.shape[-2:]
        return F.pad(self.a, (left, shape[-1] - left - wide, top, shape[-2] - top - high))

    def plus(self, other: Coefficients, shape: tuple[int, ...]) -> Coefficients:
        """The sum."""
        if self.corner == other.corner and self.a.shape == other.a.shape:
            return Coefficients(self.a + other.a, self.corner)
        return Coefficients(self.whole(shape) + other.whole(shape))


def linear_lower_bound(
    known: Known,
    start: int,
    a: Coefficients,
    rows: Tensor,
    region: Region,
    slopes: dict[int, Tensor] | None = None,
    prices: dict[int, Tensor] | None = None,
    way: Way | None = None,
) -> Tensor:
    r"""A lower bound of :math:`a^\top z` for each query: that of a linear function of the input below it.

    All that rounding may do, in the model and in this computation, is taken off.

    Args:
        known: of the batch.
        start: the number of the value :math:`z`.
        a: of so many queries.
        rows: of which sample each query is.
        region: where the inputs lie.
        slopes: of the lower lines, by the number of the rectifier's output, ``[queries, *shape]``.
        prices: what is taken off the coefficients of the rectifier's inputs, in the same form.
        way: where to note what the function is.
    """
    way = way or Way()
    walk = _Walk(known, start, a, rows, slopes or {}, prices or {}, way)
    while len(walk.pending) > 1 or 0 not in walk.pending:
        walk.step(max(walk.pending))
    a = Coefficients(walk.pending[0].whole(tuple(known.lower[0].shape[1:])))
    way.slope = a.a.detach()
    bound = region.least(a.a, walk.constant, rows, known.arithmetic) - 1.001 * walk.lost
    return torch.where(bound.isfinite(), bound, -torch.inf)


class _Walk:
    """The way back through the steps.

    Attributes:
        pending: by the number of a value, what it is multiplied by; values that were passed are gone.
        constant: what is added.
        lost: what rounding may take, which is the sum of what each step may be off, here and in the model.
    """

    def __init__(
        self,
        known: Known,
        start: int,
        a: Coefficients,
        rows: Tensor,
        slopes: dict[int, Tensor],
        prices: dict[int, Tensor],
        way: Way,
    ) -> None:
        self.known, self.slopes, self.prices, self.way = known, slopes, prices, way
        count = len(known.lower[0])
        same = count == 1 or (
            count == len(rows) and torch.equal(rows, torch.arange(count, device=rows.device))
        )
        self.rows = None if same else rows
        self.pending = {start: a}
        self.constant = torch.zeros(len(rows), dtype=a.a.dtype, device=a.a.device)
        self.lost = torch.zeros_like(self.constant)

    def step(self, number: int) -> None:
        """Pass the step whose output has a number."""
        step, at = self.known.graph.steps[number - 1], self.pending.pop(number)
        self.lose(at, self.known.errors[number - 1])
        if isinstance(step, Affine):
            passed = None if at.corner is None else step.transposed_at(at.a, at.corner)
            if passed is not None:
                parts = [Coefficients(*part) for part in passed]
            else:
                at = Coefficients(at.whole(step.after))
                parts = [Coefficients(part) for part in step.transposed(at.a)]
            bias = step.bias(at.a)
            if bias is not None:
                self.add(at, at.a, bias.expand(1, *step.after), rows=False)
        elif isinstance(step, Rectifier):
            parts = [self.rectifier(at, number)]
        else:
            assert isinstance(step, Maximum)
            parts = [self.maximum(Coefficients(at.whole(step.after)), step)]
        for i, part in zip(step.inputs, parts, strict=True):
            if i in self.pending:
                part = part.plus(self.pending[i], step.before)
                self.lose(part, self.known.sizes[i], self.known.arithmetic.own(1))
            self.pending[i] = part

    def of_queries(self, values: Tensor) -> Tensor:
        """Numbers of each sample as those of each query, or of all queries where there is one sample."""
        return values if self.rows is None else values[self.rows]

    def rectifier(self, at: Coefficients, number: int) -> Coefficients:
        """Positive coefficients take the lower line, negative ones the upper line."""
        lines, own = self.known.lines[number], self.known.arithmetic.own
        size = self.known.sizes[self.known.graph.steps[number - 1].inputs[0]]
        lower = self.slopes.get(number)
        lower = self.of_queries(at.part(lines.lower)) if lower is None else at.part(lower)
        upper = self.of_queries(at.part(lines.slope))
        self.add(at, at.a.clamp(max=0), lines.intercept)
        part = Coefficients(at.a * torch.where(at.a > 0, lower, upper), at.corner)
        if number in self.prices:
            self.lose(part, size, own(2))
            part = Coefficients(part.a - at.part(self.prices[number]), at.corner)
        self.way.after[number] = at.a.detach()
        return part

    def maximum(self, at: Coefficients, step: Maximum) -> Coefficients:
        """A maximum is at least the entry with the highest lower bound, and at most the highest upper bound."""
        i, a = step.inputs[0], at.a
        low, high = step.windows(self.known.lower[i]), step.windows(self.known.upper[i])
        best = low.argmax(dim=2, keepdim=True)
        decided = low.amax(dim=2) >= high.scatter(2, best, -torch.inf).amax(dim=2)
        picked = torch.where(self.of_queries(decided), a, a.clamp(min=0))
        self.add(at, a - picked, high.amax(dim=2))
        most = self.known.sizes[i].flatten(1).amax(dim=1).view(-1, 1, 1, 1).expand_as(decided)
        self.lose(at, most, self.known.arithmetic.own(max(low.shape[2], a[:1].numel())))
        parts = torch.zeros(len(a), *low.shape[1:], dtype=a.dtype, device=a.device)
        where = self.of_queries(best).expand(len(a), *best.shape[1:])
        return Coefficients(step.summed(parts.scatter(2, where, picked.unsqueeze(2))))

    def add(self, at: Coefficients, a: Tensor, values: Tensor, rows: bool = True) -> None:
        """Add ``a`` times some values, of each sample or of all."""
        part = at.part(values)
        added = dot(a, self.of_queries(part) if rows else part)
        self.constant = self.constant + added
        with torch.no_grad():
            self.lost = self.lost + self.known.arithmetic.own(a.shape[1:].numel()) * (
                self.constant.abs() + added.abs()
            )

    def lose(self, at: Coefficients, error: Tensor, share: float = 1.0) -> None:
        """Take off what errors of a value's entries may do, of each sample."""
        with torch.no_grad():
            self.lost = self.lost + share * dot(at.a.abs(), self.of_queries(at.part(error)))
