"""Carlini and Wagner's attack in L2: distance and class in one objective, weighed by a binary search."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification
from advnotes.attacks.parts.boundary import MinimumNormTracker
from advnotes.checks import check_counts, check_number
from advnotes.gradients import value_and_gradient
from advnotes.losses import margin_loss
from advnotes.model_state import Model
from advnotes.seeds import Source
from advnotes.threats import L2, per_sample

__all__ = ["CarliniWagner"]

#: How much of the range the change of variables uses for ``x``: at its ends the slope of tanh would be zero.
SHRINK = 0.99


@dataclass(frozen=True)
class CarliniWagner(NormAttack):
    r"""The least change in L2 that is adversarial with some confidence (Carlini and Wagner 2017, section VI.A).

    .. math::
        \min_w \; \lVert\delta\rVert_2^2 + c\,\max\Bigl(z_y - \max_{i \neq y} z_i,\; -\kappa\Bigr), \qquad
        \delta = \tfrac{u - l}{2}\,(\tanh w - \tanh w_0)

    by Adam, where the tanh keeps every pixel in :math:`[l, u]`; with ``targeted`` the difference of logits is turned
    round. Their loss :math:`f_6`. Each sample has its own :math:`c`, which is multiplied by 10 until the class
    changes and then halved in between.

    Args:
        steps: Adam's steps for each :math:`c`, at least 1.
        searches: values of :math:`c` that are tried, at least 1.
        step_size: Adam's, in units of :math:`w`. For an ordinary network ``steps=200, step_size=0.05`` comes within
            a few percent of the defaults in a fifth of the time; for one that hides its gradients it does not.
        confidence: :math:`\kappa \ge 0`, how far in logits the wrong class must be ahead for a point to count.
        initial_c: the first :math:`c`, for distances in units of the range of the input.

    The other arguments are :class:`NormAttack`'s.

    Differs from the paper: :math:`w_0` stands for ``x`` drawn in by a hundredth, since at the ends of the range tanh
    is flat and black or white pixels would hardly move; :math:`\delta` is measured from there and added to ``x``
    itself. Early abort is for each sample, not for the batch: a sample leaves a search when a tenth of the steps
    has not lowered its objective by a ten-thousandth.

    Raises:
        ValueError: for a norm other than L2, or where an argument lies outside its range.
    """

    uses_width: ClassVar[bool] = True

    _: KW_ONLY
    steps: int = 1000
    searches: int = 9
    step_size: float = 0.01
    confidence: float = 0.0
    initial_c: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.threat, L2):
            raise ValueError(
                f"CarliniWagner is for L2, got {type(self.threat).__name__}: for the nearest point in Linf or L1 use "
                "FAB, in Linf also DeepFool"
            )
        check_counts(steps=self.steps, searches=self.searches)
        check_number("step_size", self.step_size, above=0.0)
        check_number("initial_c", self.initial_c, above=0.0)
        check_number("confidence", self.confidence, least=0.0)

    @property
    def estimated_passes(self) -> int:
        return self.steps * self.searches

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        aim = Confident(model, y, margin_loss, self.targeted)
        aim.confidence = self.confidence
        nearest, last = MinimumNormTracker(aim, x, self.threat, self.early_stop), x.clone()
        c = torch.full_like(nearest.distance, self.initial_c)
        lowest, highest = torch.zeros_like(c), torch.full_like(c, torch.inf)
        for _ in range(self.searches):
            rows = nearest.unfinished()
            if len(rows) == 0:
                break
            reached = self.descend(nearest, rows, c, last)
            highest = torch.where(reached, c, highest)
            lowest = torch.where(reached, lowest, c)
            c = torch.where(highest.isfinite(), (lowest + highest) / 2, 10 * c)
        return nearest.best(last)

    def descend(
        self, nearest: MinimumNormTracker, rows: Tensor, c: Tensor, last: Tensor
    ) -> Bool[Tensor, " batch"]:
        """Minimise the objective for some samples, and say which became adversarial on the way."""
        lowest, highest = self.bounds
        half = (highest - lowest) / 2
        reached = torch.zeros_like(nearest.no_gradient)
        start = (nearest.x[rows] - lowest) / half - 1
        w = start_w = torch.atanh(SHRINK * start)
        mean, square, previous = torch.zeros_like(w), torch.zeros_like(w), torch.full_like(c[rows], torch.inf)
        for step in range(self.steps):
            delta = w.tanh() - start_w.tanh()
            point = (nearest.x[rows] + half * delta).clamp(*self.bounds)
            loss, won, gradient = value_and_gradient(nearest.objective.rows(rows), point)
            assert won is not None  # a classification always says
            nearest.update(rows, point, loss, won)
            last[rows], reached[rows] = point, reached[rows] | won
            short = (self.confidence - loss).clamp_min(0)
            total = delta.flatten(1).square().sum(dim=1) / 4 + c[rows] * short
            # Adam (Kingma and Ba 2014, Algorithm 1) on the gradient with respect to w, by the chain rule.
            gradient = nearest.sanitize(rows, gradient) * per_sample(c[rows] * (short > 0), w)
            gradient = (delta / 2 - half * gradient) * (1 - w.tanh().square())
            mean, square = torch.lerp(gradient, mean, 0.9), torch.lerp(gradient.square(), square, 0.999)
            size = (square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
            w = w - self.step_size * mean / (1 - 0.9 ** (step + 1)) / size

            going = ~nearest.inside[rows] if self.early_stop else torch.ones_like(won)
            if step % max(self.steps // 10, 1) == 0:
                going &= total <= 0.9999 * previous
                previous = total
            if not bool(going.all()):
                rows, w, start_w, mean, square, previous = (
                    values[going] for values in (rows, w, start_w, mean, square, previous)
                )
                if len(rows) == 0:
                    return reached
        point = (nearest.x[rows] + half * (w.tanh() - start_w.tanh())).clamp(*self.bounds)
        last[rows], reached[rows] = point, reached[rows] | nearest.evaluate(rows, point)
        return reached


class Confident(Classification):
    """The aim to be ahead by some confidence, in logits."""

    confidence = 0.0

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor]:
        loss, won = super().__call__(point)
        return loss, won & (loss >= self.confidence)
