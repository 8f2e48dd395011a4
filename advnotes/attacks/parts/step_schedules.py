"""How APGD chooses each sample's next step: of half the length in Linf and L2, sparser and sparser in L1."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.ascend import Ascent
from advnotes.threats import L1, Bounds, Threat, blocked

__all__ = ["HalvingSchedule", "SparseSchedule", "StepSchedule", "checkpoints", "schedule_for"]


def checkpoints(steps: int) -> list[int]:
    r"""The steps at which APGD looks back, :math:`\lceil p_j N\rceil` (Croce and Hein 2020, section 3.1).

    The first period is 0.22 of all steps, each later one 0.03 shorter, down to 0.06: of 100 steps the numbers
    22, 41, 57, 70, 80, 87, 93 and 99.
    """
    # Counted in hundredths: 0.41 * 100 steps must not be rounded up to 42.
    place, period, found = 22, 22, set()
    while place <= 100:
        found.add(-(-place * steps // 100))
        period = max(period - 3, 6)
        place += period
    return sorted(found)


@dataclass
class StepSchedule(ABC):
    """A step-size rule of APGD: what is remembered of each sample to choose its next step."""

    #: The share of a step that goes on in the direction of the one before.
    momentum: ClassVar[float]
    #: The length of the next step, in the threat's norm.
    size: Float[Tensor, " batch"]

    def rows(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with some of the samples only."""
        held = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        vars(self).update({name: value[rows] for name, value in held.items()})

    @abstractmethod
    def direction(self, gradient: Tensor, point: Tensor, threat: Threat, bounds: Bounds) -> Tensor:
        """Where to go from a point: of norm 1 or, where there is no gradient, 0."""

    @abstractmethod
    def update(
        self, step: int, loss: Float[Tensor, " batch"], best: Ascent, x: Tensor
    ) -> Bool[Tensor, " batch"] | None:
        """Take in the loss after step number ``step``, from 0 for the start; which samples return to their best."""


@dataclass
class HalvingSchedule(StepSchedule):
    r"""The steps of Croce and Hein 2020, Algorithm 1: from 2 eps, halved where a period has not helped enough.

    A sample's step is halved, and it returns to its best point, at a checkpoint where

    1. fewer than 0.75 of the period's steps raised the loss, or
    2. neither the step size nor the best loss has changed since the checkpoint before.
    """

    momentum: ClassVar[float] = 0.25
    #: Which checkpoints there are.
    at: list[int]
    #: The last loss, how often it rose in this period; the best one, and whether the step was halved, when it began.
    loss: Float[Tensor, " batch"]
    rises: Int[Tensor, " batch"]
    best: Float[Tensor, " batch"]
    halved: Bool[Tensor, " batch"]
    since: int = 0

    @classmethod
    def start(cls, eps: Float[Tensor, " batch"], steps: int) -> "HalvingSchedule":
        """Before the first step."""
        unknown = torch.full_like(eps, -torch.inf)
        # There is no checkpoint before the first: the second condition begins to count at the second.
        return cls(2 * eps, checkpoints(steps), unknown, torch.zeros_like(eps).long(), unknown, eps >= 0)

    def direction(self, gradient: Tensor, point: Tensor, threat: Threat, bounds: Bounds) -> Tensor:
        return threat.steepest(gradient, point, bounds)

    def update(
        self, step: int, loss: Float[Tensor, " batch"], best: Ascent, x: Tensor
    ) -> Bool[Tensor, " batch"] | None:
        if step > 0:
            self.rises = self.rises + (loss > self.loss)
        self.loss = loss
        if step not in self.at:
            return None
        too_few = self.rises < 0.75 * (step - self.since)
        stuck = ~self.halved & (best.loss <= self.best)
        self.halved = too_few | stuck
        self.size = torch.where(self.halved, self.size / 2, self.size)
        self.rises, self.best, self.since = torch.zeros_like(self.rises), best.loss, step
        return self.halved


@dataclass
class SparseSchedule(StepSchedule):
    r"""The steps of Croce and Hein 2021, Algorithm 1: along the signs of the largest entries of the gradient.

    At first a fifth of the coordinates move. Every 0.04 of the steps their number becomes the number of those that
    the best point has changed, divided by 1.5. Where the changed ones have become fewer by a twentieth or more, the
    step is eps again and the sample returns to its best point; elsewhere it is divided by 1.5, down to eps / 10.
    """

    momentum: ClassVar[float] = 0.0
    #: Steps between two checkpoints.
    period: int
    eps: Float[Tensor, " batch"]
    #: How many coordinates move, and how many the best point had changed at the checkpoint before.
    count: Float[Tensor, " batch"]
    changed: Float[Tensor, " batch"]

    @classmethod
    def start(cls, eps: Float[Tensor, " batch"], steps: int, delta: Tensor, warm: bool) -> "SparseSchedule":
        """Before the first step; ``warm`` where ``delta`` comes from an earlier ascent."""
        size = torch.full_like(eps, delta[0].numel())
        changed = (delta != 0).flatten(1).sum(dim=1).to(eps)
        period = -(-4 * steps // 100)
        return cls(eps, period, eps, changed / 1.5 if warm else size / 5, changed if warm else size)

    def direction(self, gradient: Tensor, point: Tensor, threat: Threat, bounds: Bounds) -> Tensor:
        flat = gradient.masked_fill(blocked(gradient, point, bounds), 0).flatten(1)
        strength = flat.abs()
        last = self.count.long().clamp(1, flat.shape[1])[:, None] - 1
        weakest = strength.sort(dim=1, descending=True).values.gather(1, last)
        signs = flat.sign() * (strength >= weakest)
        return (signs / signs.abs().sum(dim=1, keepdim=True).clamp_min(1)).view_as(gradient)

    def update(
        self, step: int, loss: Float[Tensor, " batch"], best: Ascent, x: Tensor
    ) -> Bool[Tensor, " batch"] | None:
        if step == 0 or step % self.period:
            return None
        changed = (best.point != x).flatten(1).sum(dim=1).to(self.eps)
        sparser = changed < 0.95 * self.changed
        self.size = torch.where(sparser, self.eps, (self.size / 1.5).maximum(self.eps / 10))
        self.count, self.changed = changed / 1.5, changed
        return sparser


def schedule_for(
    threat: Threat, x: Float[Tensor, "batch ..."], start: Float[Tensor, "batch ..."], steps: int, warm: bool
) -> StepSchedule:
    """The schedule of an ascent of ``steps`` steps; ``warm`` where another ascent led to ``start``."""
    eps = torch.as_tensor(threat.eps, dtype=x.dtype, device=x.device).expand(len(x))
    if isinstance(threat, L1):
        return SparseSchedule.start(eps, steps, start - x, warm)
    return HalvingSchedule.start(eps, steps)
