"""What is known of a batch's values: their bounds, and the lines around its rectifiers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advnotes.defences.parts.bounded_graph import BoundedGraph
from advnotes.defences.parts.rounding import Arithmetic, size_of
from advnotes.defences.parts.steps import Rectifier

__all__ = ["Known", "Lines"]


@dataclass(frozen=True)
class Lines:
    r"""Two lines around a rectifier on an interval: :math:`\alpha z \le h(z) \le s z + t`.

    Attributes:
        slope: of the upper line, :math:`s`.
        intercept: of the upper line, :math:`t`, rounded up.
        lower: the slope :math:`\alpha` of the lower line; where it is free, that of Zhang et al.: 1 where the interval
            reaches further up than down, else the least.
        free: where it may be any from the rectifier's own slope to 1.
    """

    slope: Tensor
    intercept: Tensor
    lower: Tensor
    free: Tensor

    @classmethod
    def around(cls, step: Rectifier, low: Tensor, high: Tensor) -> Lines:
        """On the intervals from ``low`` to ``high``."""
        least = step.slope
        free = (low < 0) & (high > 0)
        chord = ((high - least * low) / torch.where(free, high - low, 1.0)).clamp(least, 1.0)
        slope = torch.where(free, chord, torch.where(low >= 0, 1.0, least))
        # A convex function lies below every line that is above it at the two ends, whatever was rounded in its slope.
        above = torch.maximum((least - slope) * low, (1 - slope) * high)
        above = above + 8 * torch.finfo(torch.float64).eps * size_of(low, high)
        lower = torch.where(free, torch.where(high >= -low, 1.0, least), slope)
        return cls(slope, torch.where(free, above, 0.0), lower, free)


@dataclass
class Known:
    """What is known of a batch's values: their bounds, and how far rounding may move them; all in float64.

    Attributes:
        graph: the network.
        arithmetic: of the model and of the bounds.
        lower, upper: of each value, ``[batch, *shape]``. Value 0 is the input.
        errors: of each step's output, with what the rounding of its coefficients may do.
        sizes: the largest absolute value of each entry of each value.
        lines: of each rectifier, by the number of its output.
    """

    graph: BoundedGraph
    arithmetic: Arithmetic
    lower: list[Tensor]
    upper: list[Tensor]
    sizes: list[Tensor]
    errors: list[Tensor] = field(default_factory=list)
    lines: dict[int, Lines] = field(default_factory=dict)

    def sample(self, row: int) -> Known:
        """What is known of one sample."""
        return self._each(lambda value: value[row : row + 1])

    def repeat(self, count: int) -> Known:
        """That of one sample, for so many queries; the bounds can be changed for each by :meth:`split`."""
        return self._each(lambda value: value.expand(count, *value.shape[1:]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Known:
        """The same with every tensor changed."""
        lower, upper, sizes, errors = (
            [change(value) for value in values]
            for values in (self.lower, self.upper, self.sizes, self.errors)
        )
        lines = {
            number: Lines(change(each.slope), change(each.intercept), change(each.lower), change(each.free))
            for number, each in self.lines.items()
        }
        return Known(self.graph, self.arithmetic, lower, upper, sizes, errors, lines)

    def split(self, number: int, sign: Tensor) -> None:
        """Let the input of a rectifier be at least 0 where ``sign`` is 1, at most 0 where it is -1."""
        step = self.graph.steps[number - 1]
        assert isinstance(step, Rectifier)
        low, high = self.lower[step.inputs[0]], self.upper[step.inputs[0]]
        low, high = low.where(sign <= 0, low.clamp(min=0)), high.where(sign >= 0, high.clamp(max=0))
        self.lines[number] = Lines.around(step, low, high)

    def finite(self) -> Tensor:
        """The samples of which all values are bounded."""
        ends = [*self.lower, *self.upper, *self.errors]
        return torch.stack([each.isfinite().flatten(1).all(dim=1) for each in ends]).all(dim=0)
