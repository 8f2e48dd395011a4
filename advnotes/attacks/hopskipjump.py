"""HopSkipJump, an attack that is told nothing but the class: it walks along the decision boundary towards the input."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification
from advnotes.attacks.parts.decisions import TRIES, Decide, find_starts, longest_step, to_boundary
from advnotes.checks import check_counts
from advnotes.losses import margin_loss
from advnotes.model_state import Model
from advnotes.seeds import Source, own_seeds, uniform
from advnotes.threats import L1, Linf, per_sample, tiny

__all__ = ["HopSkipJump"]

#: How many directions of each sample are asked about in one call of the model, whatever the batch.
TOGETHER = 16
#: How far beyond the boundary a point is kept, as a share of its distance: on the boundary itself rounding decides.
BEYOND = 1e-3


@dataclass(frozen=True)
class HopSkipJump(NormAttack):
    r"""The nearest adversarial point by decisions alone (Chen, Jordan and Wainwright 2020, Algorithms 1 and 2).

    Let :math:`\phi(x') = 1` where :math:`x'` is adversarial and :math:`-1` elsewhere. From an adversarial point
    :math:`\tilde x_{t-1}`, step :math:`t` searches the way to :math:`x` for the boundary, by bisection to a share
    :math:`\theta` of it, which gives :math:`x_t`. There it estimates the direction in which :math:`\phi` rises
    (equation 16), from :math:`B_t = \lfloor B_0 \sqrt t \rfloor` random unit vectors :math:`u_b`,

    .. math::
        v_t = \frac{1}{B_t - 1} \sum_b \bigl(\phi(x_t + \delta_t u_b) - \bar\phi\bigr)\, u_b, \qquad
        \delta_t = \frac{\lVert\tilde x_{t-1} - x\rVert_p}{d},

    and goes that way, :math:`\tilde x_t = x_t + \xi_t v_t / \lVert v_t \rVert_2` in L2 and :math:`x_t + \xi_t\,
    \mathrm{sign}(v_t)` in Linf, with :math:`\xi_t = \lVert x_t - x\rVert_p / \sqrt t` halved until :math:`\tilde x_t`
    is adversarial. The mean :math:`\bar\phi` is the baseline, which makes the estimate's variance smaller. The way to
    :math:`x` is a straight line in L2, with :math:`\theta = d^{-3/2}`; in Linf it is the projection on smaller and
    smaller balls, with :math:`\theta = d^{-2}`.

    The model is only called, and of its logits only the class is used: it may round, draw, or run elsewhere. A step
    takes :math:`B_t` queries of each sample and, for digits, about 20 more. Sixteen directions are asked about at a
    time, so that the memory does not grow with :math:`B_t`.

    Args:
        steps: how many directions are estimated, one after the other, the paper's T.
        directions: the paper's :math:`B_0`, at least 2.
        starts: images to begin from, ``[images, ...]``: each sample begins at the nearest of them that is adversarial
            for it. Without them, and for samples for which none is, it begins at a uniform image. ``targeted`` wants
            images of the classes that are to be reached.

    The other arguments are :class:`NormAttack`'s. A sample for which no point inside ``threat`` is found comes back at
    the nearest one outside, moved into it: decisions do not tell which point is worth most. Samples do not depend on
    each other: each has its own directions, drawn from its own seed.

    Differs from the paper: directions are clipped to the range together with the point, and enter the estimate as they
    were asked, as in the authors' code. The nearest point of all steps is returned, and not the last one, a
    thousandth of its distance beyond the boundary where that is adversarial as well. At most 100 uniform images are
    tried as a start.

    Warns:
        NoStartWarning: when called, where no start was found for some samples: they come back as they are.

    Raises:
        ValueError: for L1, with ``targeted`` and no ``starts``, or where an argument lies outside its range; when
            called, where ``starts`` are not images like those that are attacked.
    """

    uses_width: ClassVar[bool] = True

    _: KW_ONLY
    steps: int = 40
    directions: int = 100
    starts: Tensor | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.threat, L1):
            raise ValueError("HopSkipJump is for L2 and Linf: for L1 without gradients use Square")
        check_counts(steps=self.steps, directions=self.directions)
        if self.directions < 2:
            raise ValueError(
                f"directions must be at least 2, got {self.directions}: their mean is subtracted"
            )
        if self.targeted and self.starts is None:
            raise ValueError(
                "expected starts=, images of the classes to reach, for targeted=True, got none: a uniform image is "
                "hardly ever taken for a class that was chosen before"
            )

    @property
    def estimated_passes(self) -> int:
        return sum(map(self.queries_of, range(1, self.steps + 1)))

    def queries_of(self, step: int) -> int:
        r"""How many directions step :math:`t` asks about: :math:`\lfloor B_0 \sqrt t \rfloor`."""
        return int(self.directions * math.sqrt(step))

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        objective = Classification(model, y, margin_loss, self.targeted)  # whose loss is not looked at

        def decide(points: Tensor, rows: Tensor) -> Tensor:
            won: Tensor = objective.rows(rows)(points)[1]
            return won

        seeds, each = own_seeds(generator, x), torch.arange(len(x), device=x.device)
        nearest = x.clone()
        distance = x.new_full((len(x),), torch.inf).masked_fill(decide(x, each), 0)
        eps = torch.as_tensor(self.threat.eps).to(distance).expand_as(distance)
        rows, far = find_starts(objective, self, x, distance.nonzero().squeeze(1), seeds, self.starts)
        for step in range(1, self.steps + 2):
            if len(rows) == 0:
                break
            edge = to_boundary(decide, self.threat, x[rows], rows, far)
            outside = torch.lerp(x[rows], edge, 1 + BEYOND).clamp(*self.bounds)
            point = torch.where(per_sample(decide(outside, rows), edge), outside, edge)
            length = self.threat.norm(point - x[rows])
            nearer = length < distance[rows]
            nearest[rows[nearer]], distance[rows[nearer]] = point[nearer], length[nearer]
            if self.early_stop:
                going = distance[rows] > eps[rows]
                rows, far, edge = rows[going], far[going], edge[going]
            if len(rows) > 0 and step <= self.steps:
                size = self.threat.norm(far - x[rows]) / x[0].numel()
                way = self.direction(decide, edge, rows, size, seeds, step)
                length = self.threat.norm(edge - x[rows]) / math.sqrt(step)
                far = longest_step(decide, rows, edge, way, length, self.bounds)
        inside = x + self.threat.project(nearest - x)
        return torch.where(per_sample(distance <= eps, x), nearest, inside).clamp(*self.bounds)

    def direction(
        self,
        decide: Decide,
        edge: Tensor,
        rows: Tensor,
        size: Float[Tensor, " rows"],
        seeds: Tensor,
        step: int,
    ) -> Float[Tensor, "rows ..."]:
        """Equation 16: the mean of random directions, weighed by what was decided there."""
        count, features = self.queries_of(step), edge[0].numel()
        weighed, plain, decisions = torch.zeros_like(edge), torch.zeros_like(edge), torch.zeros_like(size)
        for first in range(0, count, TOGETHER):
            many = min(TOGETHER, count - first)
            numbers = uniform(edge, many * features, seeds[rows], TRIES + (step << 32) + first)
            numbers = 2 * numbers - 1 if isinstance(self.threat, Linf) else torch.special.ndtri(numbers)
            unit = numbers.to(edge).view(len(edge), many, features)
            unit = (unit / unit.norm(dim=2, keepdim=True)).view(len(edge), many, *edge.shape[1:])
            reach = per_sample(size, unit)
            asked = (edge[:, None] + reach * unit).clamp(*self.bounds)
            unit = (asked - edge[:, None]) / reach.clamp_min(tiny(reach))
            won = decide(asked.flatten(0, 1), rows.repeat_interleave(many)).view(len(edge), many)
            for number in range(many):  # one after the other: the order of a sum must not depend on the batch
                value = 2 * won[:, number].to(edge) - 1
                weighed += per_sample(value, edge) * unit[:, number]
                plain += unit[:, number]
                decisions += value
        baseline = decisions / count
        agreed = per_sample(
            baseline.abs() == 1, edge
        )  # then only that decision is known, and the mean would remove it
        way = torch.where(agreed, weighed, weighed - per_sample(baseline, edge) * plain)
        if isinstance(self.threat, Linf):
            return way.sign()
        return way / per_sample(way.flatten(1).norm(dim=1), way).clamp_min(tiny(way))
