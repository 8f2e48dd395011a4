"""Projected gradient ascent inside a threat: the inner maximisation that attacks and games share."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.gradients import has_no_gradient, value_and_gradient, warn_of_masked_gradients
from advnotes.threats import Bounds, Threat, per_sample

__all__ = [
    "Ascent",
    "Objective",
    "RowObjective",
    "ascend",
    "best_of_tries",
]


class Ascent(NamedTuple):
    """Where an ascent ended, for each sample."""

    point: Float[Tensor, "batch ..."]
    loss: Float[Tensor, " batch"]
    won: Bool[Tensor, " batch"]

    def beaten_by(self, other: "Ascent") -> Bool[Tensor, " batch"]:
        """Where another is better: won before not won, then the higher loss."""
        # A loss that is not a number loses against any that is.
        higher = (other.loss > self.loss) | (self.loss.isnan() & ~other.loss.isnan())
        return (other.won & ~self.won) | ((other.won == self.won) & higher)

    def better_of(self, other: "Ascent") -> "Ascent":
        """The better of two for each sample, as :meth:`beaten_by` has it."""
        gain = self.beaten_by(other)
        return Ascent(
            torch.where(per_sample(gain, self.point), other.point, self.point),
            torch.where(gain, other.loss, self.loss),
            self.won | other.won,
        )

    def rows(self, rows: Tensor) -> "Ascent":
        """Some of the samples, by their indices or a mask."""
        return Ascent(self.point[rows], self.loss[rows], self.won[rows])

    def write(self, rows: Tensor, part: "Ascent") -> None:
        """Put the results of some samples into their rows, in place."""
        for whole, values in zip(self, part, strict=True):
            whole[rows] = values


@runtime_checkable
class Objective(Protocol):
    """What an ascent raises."""

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor | None]:
        """The loss of each sample, to be raised, and whether the adversary has reached its aim there.

        The second is None where there is no such thing.
        """


@runtime_checkable
class RowObjective(Objective, Protocol):
    """An objective whose samples do not depend on each other, so that some can be left out."""

    def rows(self, rows: Tensor) -> "RowObjective":
        """The objective of some samples, by their indices or a mask."""


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
    early_stop: bool = False,
) -> Ascent:
    r"""Climb the loss from ``start``, staying inside the threat around ``x`` and inside ``bounds``.

    .. math::
        m_{t+1} = \mu\, m_t + g_t / \bar{|g_t|}, \qquad
        x_{t+1} = \Pi_{[l, u]}\bigl(x + \Pi_\epsilon(x_t + \alpha\, v(m_{t+1}) - x)\bigr)

    with the gradient :math:`g_t`, the threat's steepest direction :math:`v` and its projection :math:`\Pi_\epsilon`
    (Madry et al. 2017, section 2.1; the momentum is Dong et al. 2018, equation 6). Clipping to the range moves
    every coordinate towards ``x``, so the point stays inside the ball.

    Args:
        objective: see :class:`Objective`.
        x: the centre of the ball, within ``bounds``.
        threat: what the adversary may do.
        steps: the number of gradients taken.
        step_size: the length of a step in the threat's norm, in the unit of ``x``; or one for each sample.
        start: where to begin; ``x`` where it is not given.
        momentum: the factor :math:`\mu`; 0 is plain ascent.
        bounds: the range of the input, or None where it has none.
        best: return the best of the points after each step, by :meth:`Ascent.better_of`: one forward pass more, so
            that the last step is evaluated too. Otherwise the last point, unevaluated (its loss is not a number).
        early_stop: a sample that the adversary has won after some step leaves the batch. The same samples are won,
            in less time, at the first such point instead of the best. Wants ``best`` and a :class:`RowObjective`.

    Warns:
        MaskedGradientWarning: where samples that were not won gave a gradient that was zero or not finite at some
            step; it says how many. Without ``best`` only where the objective says who is won, as it does at the points
            before the last.

    Raises:
        ValueError: where the loss does not depend on the point in a differentiable way, or ``early_stop`` lacks
            what it wants.
    """
    total = len(x)
    point, back = x if start is None else start, threat.back_into(x, bounds)
    if isinstance(step_size, Tensor):
        step_size = step_size.to(x).expand(len(x)) if step_size.ndim < 2 else step_size
        step_size = per_sample(step_size, x)
    velocity = torch.zeros_like(x) if momentum else None
    reached: Ascent | None = None
    no_gradient = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    # Where every sample ended, once the first has left the batch, and the rows of those that are still in it.
    ended: Ascent | None = None
    rows = torch.arange(len(x), device=x.device) if early_stop else None
    won: Tensor | None = None

    for step in range(steps):
        loss, won, gradient = value_and_gradient(objective, point)
        no_gradient |= has_no_gradient(gradient)
        if best and step > 0:
            reached = _keep(reached, point, loss, won)
        if rows is not None and reached is not None and bool(reached.won.any()):
            if not isinstance(objective, RowObjective):
                raise ValueError(
                    "early_stop wants an objective with rows(indices), as those of the attacks have: samples that are "
                    "won leave the batch"
                )
            ended = ended or Ascent(*(values.clone() for values in reached))
            ended.write(rows, reached)
            keep = (~reached.won).nonzero().squeeze(1)
            if len(keep) == 0:
                return ended
            rows, x, point, gradient, no_gradient = (
                values[keep] for values in (rows, x, point, gradient, no_gradient)
            )
            velocity = None if velocity is None else velocity[keep]
            step_size = step_size[keep] if isinstance(step_size, Tensor) else step_size
            objective, threat, reached = objective.rows(keep), threat.rows(keep), reached.rows(keep)
            back = threat.back_into(x, bounds)
        with torch.no_grad():
            gradient = gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
            if velocity is not None:
                mean = per_sample(gradient.flatten(1).abs().mean(dim=1), gradient)
                velocity = momentum * velocity + gradient / mean.clamp_min(torch.finfo(mean.dtype).tiny)
                gradient = velocity
            # In place, since a pass over the inputs costs a few percent of a small network's.
            point = back(threat.steepest(gradient, point, bounds).mul_(step_size).add_(point))

    if not best:
        if won is not None:
            warn_of_masked_gradients(no_gradient, won, total, evaluated=False)
        return Ascent(
            point, torch.full_like(point.flatten(1)[:, 0], torch.nan), torch.zeros_like(no_gradient)
        )
    with torch.no_grad():
        reached = _keep(reached, point, *objective(point))
    warn_of_masked_gradients(no_gradient, reached.won, total)
    if ended is None or rows is None:
        return reached
    ended.write(rows, reached)
    return ended


def best_of_tries(
    attempt: Callable[[int, Int[Tensor, " rows"]], Ascent],
    count: int,
    x: Float[Tensor, "batch ..."],
    early_stop: bool,
) -> Ascent:
    """The best that several tries reach, for each sample.

    Args:
        attempt: ``attempt(number, rows)`` is the result of try ``number`` for the samples with the indices ``rows``.
        count: how many tries there are, at least 1.
        x: the batch.
        early_stop: leave the samples that a try has won out of those that follow.
    """
    rows = torch.arange(len(x), device=x.device)
    reached = attempt(0, rows)
    for number in range(1, count):
        if early_stop:
            rows = (~reached.won).nonzero().squeeze(1)
            if len(rows) == 0:
                break
        reached.write(rows, reached.rows(rows).better_of(attempt(number, rows)))
    return reached


def _keep(reached: Ascent | None, point: Tensor, loss: Tensor, won: Tensor | None) -> Ascent:
    if won is None:
        won = torch.zeros_like(loss, dtype=torch.bool)
    now = Ascent(point.detach(), loss, won)
    return now if reached is None else reached.better_of(now)
