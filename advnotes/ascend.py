"""Projected gradient ascent inside a threat: the inner maximisation that attacks and games share."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from advnotes.threats import Bounds, Threat, per_sample

__all__ = ["Ascent", "MaskedGradientWarning", "Objective", "ascend"]


class MaskedGradientWarning(UserWarning):
    """Some samples gave the attack no gradient to climb, so that it says little about them."""


class Ascent(NamedTuple):
    """Where an ascent ended, for each sample."""

    point: Float[Tensor, "batch ..."]
    loss: Float[Tensor, " batch"]
    won: Bool[Tensor, " batch"]

    def better_of(self, other: "Ascent") -> "Ascent":
        """The better of two for each sample: won before not won, then the higher loss."""
        gain = (other.won & ~self.won) | ((other.won == self.won) & (other.loss > self.loss))
        # A loss that is not a number loses against any that is.
        gain |= self.loss.isnan() & ~other.loss.isnan()
        return Ascent(
            torch.where(per_sample(gain, self.point), other.point, self.point),
            torch.where(gain, other.loss, self.loss),
            self.won | other.won,
        )


#: ``objective(point)``: the loss of each sample, to be raised, and whether the adversary has reached its aim
#: there (``None`` where there is no such thing).
Objective = Callable[[Tensor], tuple[Tensor, Tensor | None]]


def ascend(
    objective: Objective,
    x: Float[Tensor, "batch ..."],
    threat: Threat,
    *,
    steps: int,
    step_size: float | Tensor,
    start: Float[Tensor, "batch ..."] | None = None,
    momentum: float = 0.0,
    bounds: Bounds | None = (0.0, 1.0),
    best: bool = True,
) -> Ascent:
    r"""Climb the loss from ``start``, staying inside the threat around ``x`` and inside ``bounds``.

    .. math::
        m_{t+1} = \mu\, m_t + g_t / \bar{|g_t|}, \qquad
        x_{t+1} = \Pi_{[l, u]}\bigl(x + \Pi_\epsilon(x_t + \alpha\, v(m_{t+1}) - x)\bigr)

    with the gradient :math:`g_t`, the threat's steepest direction :math:`v` and its projection :math:`\Pi_\epsilon`
    (Madry et al. 2017, section 2.1; the momentum is Dong et al. 2018, equation 6). Clipping to the range moves
    every coordinate towards ``x``, so the point stays inside the ball.

    Args:
        objective: see :data:`Objective`.
        x: the centre of the ball, within ``bounds``.
        threat: what the adversary may do.
        steps: the number of gradients taken.
        step_size: the length of a step in the threat's norm, in the unit of ``x``; or one for each sample.
        start: where to begin; ``x`` where it is not given.
        momentum: the factor :math:`\mu`; 0 is plain ascent.
        bounds: the range of the input, or None where it has none.
        best: return the best of the points after each step, by :meth:`Ascent.better_of`: one forward pass more, so
            that the last step is evaluated too. Otherwise the last point, unevaluated (its loss is not a number).

    Warns:
        MaskedGradientWarning: with ``best``, where samples that were not won gave a gradient that was zero or not
            finite at some step; it says how many.

    Raises:
        ValueError: where the loss does not depend on the point in a differentiable way.
    """
    point = x if start is None else start
    if isinstance(step_size, Tensor):
        step_size = step_size.to(x)
        step_size = per_sample(step_size, x) if step_size.ndim == 1 else step_size
    velocity = torch.zeros_like(x) if momentum else None
    reached: Ascent | None = None
    blind = torch.zeros(len(x), dtype=torch.bool, device=x.device)

    for step in range(steps):
        point = point.detach().requires_grad_()
        with torch.enable_grad():
            loss, won = objective(point)
            # The loss may also have a graph that leads to the model's parameters and not to the point.
            gradient = (
                torch.autograd.grad(loss.sum(), point, allow_unused=True)[0] if loss.requires_grad else None
            )
            if gradient is None:
                raise ValueError(
                    "the loss does not depend on the input in a differentiable way (a detach, a rounding or a "
                    "conversion to NumPy in the model?); attack the model without that step, or with a "
                    "differentiable stand-in for it"
                )
        with torch.no_grad():
            if best:
                if step > 0:
                    reached = _keep(reached, point, loss, won)
                largest = gradient.flatten(1).abs().amax(dim=1)
                blind |= ~((largest > 0) & largest.isfinite())
            gradient = gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
            if velocity is not None:
                mean = per_sample(gradient.flatten(1).abs().mean(dim=1), gradient)
                velocity = momentum * velocity + gradient / mean.clamp_min(torch.finfo(mean.dtype).tiny)
                gradient = velocity
            step_to = point + step_size * threat.steepest(gradient, point, bounds)
            point = x + threat.project(step_to - x)
            if bounds is not None:
                point = point.clamp(*bounds)

    point = point.detach()
    if not best:
        return Ascent(point, torch.full_like(point.flatten(1)[:, 0], torch.nan), torch.zeros_like(blind))
    with torch.no_grad():
        reached = _keep(reached, point, *objective(point))
    missed = int((blind & ~reached.won).sum())
    if missed:
        warnings.warn(
            f"{missed} of {len(x)} samples gave a gradient that was zero or not finite at some step and were not "
            "fooled: masked gradients, which do not mean robustness. Try a margin loss, more restarts, or an "
            "attack without gradients.",
            MaskedGradientWarning,
            stacklevel=2,
        )
    return reached


def _keep(reached: Ascent | None, point: Tensor, loss: Tensor, won: Tensor | None) -> Ascent:
    if won is None:
        won = torch.zeros_like(loss, dtype=torch.bool)
    now = Ascent(point.detach(), loss.detach(), won)
    return now if reached is None else reached.better_of(now)
