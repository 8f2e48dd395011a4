"""The fast adaptive boundary attack, untargeted and through chosen classes."""

import dataclasses
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification
from advnotes.attacks.parts.boundary import (
    MinimumNormTracker,
    input_jacobian,
    likeliest_wrong,
    logit_gaps,
    warn_of_cost,
)
from advnotes.attacks.parts.hyperplane import distances, shortest_way
from advnotes.checks import check_counts
from advnotes.losses import margin, margin_loss
from advnotes.model_state import Model
from advnotes.seeds import Source, own_seeds
from advnotes.threats import Threat, per_sample, tiny

__all__ = ["FAB", "TargetedFAB"]

#: ``gaps(logits, rows)``: for some samples, the differences of logits that are zero on the boundaries to be looked at.
Gaps = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FAB(NormAttack):
    r"""The nearest adversarial point, by steps along the boundary (Croce and Hein 2020b, Algorithm 1).

    At :math:`x^i` the model is taken as linear. Of the boundaries between the true class :math:`c` and the others it
    takes the nearest, :math:`\arg\min_l |z_l - z_c| / \lVert\nabla z_l - \nabla z_c\rVert_q`, and with the shortest
    ways :math:`\delta, \delta_0` to it from :math:`x^i` and from :math:`x`, in the threat's norm and inside the box,

    .. math::
        x^{i+1} = \Pi_{[l, u]}\bigl((1 - \alpha)(x^i + \eta\delta) + \alpha(x + \eta\delta_0)\bigr), \qquad
        \alpha = \min\Bigl\{\frac{\lVert\delta\rVert}{\lVert\delta\rVert + \lVert\delta_0\rVert},
        \alpha_\mathrm{max}\Bigr\}

    Where that is adversarial, the run goes on from :math:`(1 - \beta)x + \beta x^{i+1}`. It has no step size, and
    does not change when the logits are multiplied. Three steps of a secant search end it (equation 11).

    Args:
        steps: gradients taken in each run, at least 1.
        restarts: how many runs; the second and later ones begin at a random point, at most half as far from ``x`` as
            the nearest adversarial point so far, or as ``threat`` allows.
        alpha_max: the largest share of the way that is taken from ``x``, in [0, 1].
        eta: how far beyond the boundary to go, as a factor of at least 1.
        beta: how much of the perturbation is kept after a success, in (0, 1).

    The other arguments are :class:`NormAttack`'s. With ``targeted``, the boundary is that between ``y`` and the
    likeliest other class, and a point is adversarial where it is taken for ``y``; there :math:`\alpha` is 0 except
    after a success, since at a corner between several classes the pull towards ``x`` would keep the run out for
    ever. Where the nearest point of ``y`` lies in such a corner, the one that is found is farther away.

    A step takes one gradient for each wrong class: from 50 classes on a warning says what that costs.

    Differs from the paper: a random start is drawn from the ball and not from its surface; the secant search looks at
    the likeliest wrong class wherever it is, not at one that it began with.

    Warns:
        ManyClassesWarning: when called, without ``targeted``, where the model has 50 classes or more.

    Raises:
        ValueError: where an argument lies outside its range.
    """

    uses_width: ClassVar[bool] = True

    _: KW_ONLY
    steps: int = 100
    restarts: int = 1
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(steps=self.steps, restarts=self.restarts)
        if not (0 <= self.alpha_max <= 1 and self.eta >= 1 and 0 < self.beta < 1):
            raise ValueError(
                "expected alpha_max in [0, 1], eta of at least 1 and beta in (0, 1), got "
                f"{self.alpha_max}, {self.eta} and {self.beta}"
            )

    @property
    def estimated_passes(self) -> int:
        return self.steps * self.restarts

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        nearest = MinimumNormTracker(
            Classification(model, y, margin_loss, self.targeted), x, self.threat, self.early_stop
        )
        seeds = own_seeds(generator, x) if self.restarts > 1 else None
        last = x.clone()
        for boundary, gaps in enumerate(self.boundaries(model, x, y)):
            for restart in range(self.restarts):
                rows = nearest.unfinished()
                if len(rows) == 0:
                    break
                start = x[rows]
                if restart and seeds is not None:
                    number = boundary * self.restarts + restart
                    start = start + self.nearby(nearest).rows(rows).sample(start, seeds[rows], stream=number)
                self.run(model, nearest, gaps, rows, start.clamp(*self.bounds), last)
        nearest.refine(steps=3)
        return nearest.best(last)

    def nearby(self, nearest: MinimumNormTracker) -> Threat:
        """Where restarts begin: the ball of half the distance that is still to be beaten."""
        lowest, highest = self.bounds
        farthest = self.threat.norm(torch.maximum(nearest.x - lowest, highest - nearest.x))
        eps = torch.as_tensor(self.threat.eps).to(farthest)
        return dataclasses.replace(
            self.threat, eps=torch.minimum(farthest, eps).minimum(nearest.distance) / 2
        )

    def boundaries(self, model: Model, x: Tensor, y: Tensor) -> list[Gaps]:
        """The boundaries that one run after the other looks at."""
        if self.targeted:
            return [partial(_goal_gap, y)]
        others = likeliest_wrong(model(x), y)
        remedy = "TargetedFAB(threat) looks at the 9 likeliest classes with one backward pass a step"
        warn_of_cost("FAB", others.shape[1], self.steps * self.restarts, remedy)
        return [partial(logit_gaps, y, others)]

    def run(
        self, model: Model, nearest: MinimumNormTracker, gaps: Gaps, rows: Tensor, start: Tensor, last: Tensor
    ) -> None:
        """One run for some of the samples, from ``start``; those that are finished leave it."""
        point, pulled = start, torch.full_like(rows, not self.targeted, dtype=torch.bool)
        for _ in range(self.steps):
            gap, normal = input_jacobian(partial(_gaps_at, model, gaps, rows), point)
            normal = nearest.sanitize(rows, normal)
            closest = distances(self.threat, gap, normal).argmin(dim=1)
            each = torch.arange(len(rows), device=rows.device)
            point = self.step(nearest.x[rows], point, gap[each, closest], normal[each, closest], pulled)
            won = nearest.evaluate(rows, point)
            last[rows] = point
            point = torch.where(per_sample(won, point), torch.lerp(nearest.x[rows], point, self.beta), point)
            if self.targeted:
                pulled = won
            if self.early_stop:
                going = ~nearest.inside[rows]
                rows, point, pulled = rows[going], point[going], pulled[going]
                if len(rows) == 0:
                    return

    def step(self, x: Tensor, point: Tensor, gap: Tensor, normal: Tensor, pulled: Tensor) -> Tensor:
        r"""From :math:`x^i` to :math:`x^{i+1}`, for the plane :math:`\{z : g + w^\top(z - x^i) = 0\}`."""
        clean, here = x.flatten(1), point.flatten(1)
        way = shortest_way(self.threat, here, normal, -gap, self.bounds)
        gap_of_x = gap + (normal * (clean - here)).sum(dim=1)
        way_from_x = shortest_way(self.threat, clean, normal, -gap_of_x, self.bounds)
        length, length_from_x = self.threat.norm(way)[:, None], self.threat.norm(way_from_x)[:, None]
        share = length / (length + length_from_x).clamp_min(tiny(length))
        alpha = share.clamp_max(self.alpha_max) * pulled[:, None]
        new = (1 - alpha) * (here + self.eta * way) + alpha * (clean + self.eta * way_from_x)
        return new.clamp(*self.bounds).view_as(point)


@dataclass(frozen=True)
class TargetedFAB(FAB):
    """FAB-T: one run for the boundary with each of the likeliest wrong classes (Croce and Hein 2020a, section 4).

    A step wants one gradient, where :class:`FAB` wants one for every class: for many classes much the cheaper, and
    often the stronger. A point is adversarial where it is taken for any wrong class.

    Args:
        targets: how many of the wrong classes, the likeliest at ``x`` first; all of them, where the model has fewer.

    The other arguments are :class:`FAB`'s.

    Raises:
        ValueError: where an argument lies outside its range, or with ``targeted``.
    """

    _: KW_ONLY
    targets: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(targets=self.targets)
        if self.targeted:
            raise ValueError(
                "TargetedFAB chooses the classes to reach by itself, the likeliest wrong ones; to reach one that you "
                "choose, use FAB(threat, targeted=True)"
            )

    @property
    def estimated_passes(self) -> int:
        return self.steps * self.restarts * self.targets

    @property
    def name(self) -> str:
        """What tables call it."""
        return "FAB-T"

    def boundaries(self, model: Model, x: Tensor, y: Tensor) -> list[Gaps]:
        """The boundaries with the likeliest wrong classes, one at a time."""
        return [
            partial(logit_gaps, y, one) for one in likeliest_wrong(model(x), y, self.targets).split(1, dim=1)
        ]


def _gaps_at(model: Model, gaps: Gaps, rows: Tensor, point: Tensor) -> Tensor:
    return gaps(model(point), rows)


def _goal_gap(y: Tensor, logits: Tensor, rows: Tensor) -> Tensor:
    """How far the class to reach is ahead of every other one."""
    return margin(logits, y[rows])[:, None]
