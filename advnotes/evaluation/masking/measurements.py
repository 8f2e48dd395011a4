"""Measurements on a model for the diagnosis of masked gradients: each a number or two, none a judgement."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.attack import Classification
from advnotes.losses import Loss, margin_loss
from advnotes.model_state import Model
from advnotes.seeds import uniform
from advnotes.threats import Bounds, Threat, per_sample

__all__ = [
    "Case",
    "Slopes",
    "batch_change",
    "disagreement",
    "input_change",
    "jump",
    "repeat_change",
    "slopes",
    "twins",
]

#: Half the distance of a finite difference, as a share of the input's range. The smallest disagreement counts:
#: rounding errors spoil the short one, curvature the long one, and steps as fine as the long one are as good as none.
DISTANCES = (1e-3, 4e-3)

#: Random directions for each sample, a median over all of them.
DIRECTIONS = 4


@dataclass(frozen=True)
class Case:
    """A model and the samples that it is examined on.

    Args:
        model: maps inputs to logits, in eval mode.
        x, y: inputs within ``bounds`` and their classes.
        threat: what the adversary may do.
        bounds: the range of the input.
        seeds: one for each sample.
    """

    model: Model
    x: Float[Tensor, "batch ..."]
    y: Int[Tensor, " batch"]
    threat: Threat
    bounds: Bounds
    seeds: Int[Tensor, " batch"]

    def inside(self, margin: float) -> Float[Tensor, "batch ..."]:
        """A random point of each sample's ball, at least ``margin`` from the ends of the range."""
        lowest, highest = self.bounds
        point = self.x + self.threat.sample(self.x, self.seeds)
        return point.clamp(lowest + margin, highest - margin)

    def noise(self) -> Float[Tensor, "batch ..."]:
        """An input without any content for each sample: uniform over the range."""
        lowest, highest = self.bounds
        u = uniform(self.x, self.x[0].numel(), self.seeds, stream=1).view_as(self.x)
        return lowest + (highest - lowest) * u.to(self.x.dtype)


@dataclass(frozen=True)
class Slopes:
    """What gradients look like, over all samples at the input and at a random point of the ball.

    Args:
        zero: the share of the gradients that are zero in every coordinate.
        broken: the share that are not finite in some coordinate.
        coordinates: the mean share of the coordinates where the gradient is zero or not finite.
    """

    zero: float
    broken: float
    coordinates: float


def slopes(case: Case, loss: Loss) -> Slopes:
    """Look at the gradients of a loss.

    Raises:
        ValueError, RuntimeError: where the model gives none; the message says how it failed.
    """
    gradients = torch.cat([_gradient(case, point, loss) for point in (case.x, case.inside(0.0))])
    flat = gradients.flatten(1)
    finite, moving = flat.isfinite(), flat != 0
    return Slopes(
        zero=(~moving.any(dim=1)).double().mean().item(),
        broken=(~finite.all(dim=1)).double().mean().item(),
        coordinates=(~(finite & moving)).double().mean().item(),
    )


def disagreement(case: Case) -> tuple[float, bool]:
    r"""How far autograd is from finite differences along random directions of signs :math:`v`.

    .. math:: \frac{|d - g^\top v|}{|d| + |g^\top v|}, \qquad
        d = \frac{L(x + h v) - L(x - h v)}{2 h}

    with the margin loss :math:`L`, at random points of the ball. It is 0 where they agree, and 1 where one of them is
    zero and the other is not or where they differ in sign.

    Returns:
        The median over samples and directions at the better of the two distances ``h``, and whether the loss changes
        at all along more than half of them.
    """
    lowest, highest = case.bounds
    medians, changes = [], []
    for number, distance in enumerate(DISTANCES):
        h = distance * (highest - lowest)
        point = case.inside(h)
        gradient = _gradient(case, point, margin_loss).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        ratios, changed = [], []
        for direction in range(DIRECTIONS):
            stream = 2 + number * DIRECTIONS + direction
            u = uniform(case.x, case.x[0].numel(), case.seeds, stream).view_as(case.x)
            v = torch.where(u < 0.5, -1.0, 1.0).to(case.x)
            up, down = (margin_loss(_logits(case, point + sign * h * v), case.y) for sign in (1, -1))
            difference = (up - down) / (2 * h)
            slope = (gradient * v).flatten(1).sum(dim=1)
            size = (difference.abs() + slope.abs()).clamp_min(torch.finfo(slope.dtype).tiny)
            ratios.append((difference - slope).abs() / size)
            changed.append(difference != 0)
        medians.append(torch.cat(ratios).nanmedian().item())
        changes.append(torch.cat(changed).double().mean().item() > 0.5)
    return min(medians), any(changes)


def repeat_change(case: Case) -> float:
    """The largest change of a logit when the same inputs come again, relative to the logits' spread."""
    first, second = _logits(case, case.x), _logits(case, case.x)
    return _change(first, second)


def batch_change(case: Case) -> float:
    """The largest change of a logit when half of the batch is left out, relative to the logits' spread."""
    half = max(1, len(case.x) // 2)
    return _change(_logits(case, case.x)[:half], _logits(case, case.x[:half]))


def input_change(case: Case) -> float:
    """The largest difference of a logit between any two inputs, pure noise among them, relative to the spread."""
    both = torch.cat([_logits(case, case.x), _logits(case, case.noise())])
    return _change(both, both[:1].expand_as(both))


def twins(logits: Float[Tensor, "batch classes"]) -> float:
    """The share of the samples whose logits are the commonest row, equal to the last bit; 0 where no two are."""
    counts = torch.unique(logits, dim=0, return_counts=True)[1]
    commonest = int(counts.max())
    return commonest / len(logits) if commonest > 1 else 0.0


def jump(case: Case, ends: Float[Tensor, "batch ..."], logits: Float[Tensor, "batch classes"]) -> float:
    """How suddenly the commonest row of ``logits``, those at ``ends``, is reached on straight lines from the inputs.

    Each line is bisected to a thousandth of it.

    Returns:
        The change of the logits within that thousandth, as a share of their change over the whole line: the median
        over the samples that end there.
    """
    values, places, counts = torch.unique(logits, dim=0, return_inverse=True, return_counts=True)
    commonest = int(counts.argmax())
    rows = (places == commonest).nonzero().squeeze(1)
    x, way, there = case.x[rows], ends[rows] - case.x[rows], values[commonest]
    low, high = torch.zeros_like(rows, dtype=x.dtype), torch.ones_like(rows, dtype=x.dtype)

    def at(share: Tensor) -> Tensor:
        return _logits(case, x + per_sample(share, x) * way)

    for _ in range(10):
        middle = (low + high) / 2
        reached = (at(middle) == there).all(dim=1)
        low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
    step, whole = (at(high) - at(low)).abs().amax(dim=1), (there - at(low * 0)).abs().amax(dim=1)
    return (step / whole.clamp_min(torch.finfo(x.dtype).tiny)).median().item()


def _logits(case: Case, point: Tensor) -> Tensor:
    with torch.no_grad():
        return case.model(point)


def _gradient(case: Case, point: Tensor, loss: Loss) -> Tensor:
    from advnotes.ascend import slope

    gradient = slope(Classification(case.model, case.y, loss), point)[2]
    assert gradient is not None
    return gradient


def _change(one: Tensor, other: Tensor) -> float:
    spread = (one.amax(dim=1) - one.amin(dim=1)).median().clamp_min(torch.finfo(one.dtype).tiny)
    change = (one - other).abs().max() / spread
    return change.nan_to_num(nan=0.0).item()
