"""Measurements on a model for the diagnosis of masked gradients: each a number or two, without a judgement."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.objective import Classification
from advnotes.gradients import NotDifferentiableError, value_and_gradient
from advnotes.losses import Loss, cross_entropy, margin_loss
from advnotes.model_state import Model
from advnotes.seeds import uniform
from advnotes.threats import Bounds, Threat, per_sample

__all__ = [
    "Case",
    "GradientStatistics",
    "batch_change",
    "disagreement",
    "equal_rows",
    "gradient_statistics",
    "input_change",
    "jump",
    "no_gradient",
    "repeat_change",
    "saturated",
    "why_no_gradient",
]

#: Half the distance of a finite difference, as a share of the input's range. The smallest disagreement counts:
#: rounding errors spoil the short one, curvature the long one, and steps as fine as the long one are as good as none.
DISTANCES = (1e-3, 4e-3)

#: What torch says of an operation without a derivative.
NO_DERIVATIVE = ("derivative for", "implement either the backward")

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

    def logits(self, point: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The model's logits at a point, without a graph."""
        with torch.no_grad():
            logits: Tensor = self.model(point)
        return logits

    def noise(self) -> Float[Tensor, "batch ..."]:
        """An input without any content for each sample: uniform over the range."""
        lowest, highest = self.bounds
        u = uniform(self.x, self.x[0].numel(), self.seeds, stream=1).view_as(self.x)
        return lowest + (highest - lowest) * u.to(self.x.dtype)


@dataclass(frozen=True)
class GradientStatistics:
    """What gradients look like, over all samples at the input and at a random point of the ball.

    Args:
        zero: the share of the gradients that are zero in every coordinate.
        non_finite: the share that are not finite in some coordinate.
        coordinates: the mean share of the coordinates where the gradient is zero or not finite.
    """

    zero: float
    non_finite: float
    coordinates: float


def gradient_statistics(case: Case, loss: Loss) -> GradientStatistics:
    """How many gradients of a loss are zero or not finite."""
    gradients = torch.cat([_gradient(case, point, loss) for point in (case.x, case.inside(0.0))])
    flat = gradients.flatten(1)
    finite, moving = flat.isfinite(), flat != 0
    return GradientStatistics(
        zero=(~moving.any(dim=1)).double().mean().item(),
        non_finite=(~finite.all(dim=1)).double().mean().item(),
        coordinates=(~(finite & moving)).double().mean().item(),
    )


def saturated(case: Case) -> float:
    """The share of the inputs whose cross-entropy is exactly 0."""
    return (cross_entropy(case.logits(case.x), case.y) == 0).double().mean().item()


def why_no_gradient(case: Case) -> str | None:
    """Why the margin has no gradient with respect to the input; None where it has one.

    Raises:
        RuntimeError: where the backward pass fails with another error, with its remedy where that is known.
    """
    try:
        _gradient(case, case.x, margin_loss)
    except (ValueError, RuntimeError) as error:
        why = no_gradient(error)
        if why is None:
            raise
        return why
    return None


def no_gradient(error: Exception) -> str | None:
    """The first sentence of an error which says that a model is not differentiable; None of any other error."""
    text = str(error)
    if isinstance(error, NotDifferentiableError) or any(part in text for part in NO_DERIVATIVE):
        return text.splitlines()[0].split(";")[0].rstrip(".")
    return None


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
            up, down = (margin_loss(case.logits(point + sign * h * v), case.y) for sign in (1, -1))
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
    first, second = case.logits(case.x), case.logits(case.x)
    return _change(first, second)


def batch_change(case: Case) -> float:
    """The largest change of a logit when half of the batch is left out, relative to the logits' spread."""
    half = max(1, len(case.x) // 2)
    return _change(case.logits(case.x)[:half], case.logits(case.x[:half]))


def input_change(case: Case) -> float:
    """The largest difference of a logit between any two inputs, pure noise among them, relative to the spread."""
    both = torch.cat([case.logits(case.x), case.logits(case.noise())])
    return _change(both, both[:1].expand_as(both))


def equal_rows(logits: Float[Tensor, "batch classes"]) -> float:
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
        return case.logits(x + per_sample(share, x) * way)

    for _ in range(10):
        middle = (low + high) / 2
        reached = (at(middle) == there).all(dim=1)
        low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
    step, whole = (at(high) - at(low)).abs().amax(dim=1), (there - at(low * 0)).abs().amax(dim=1)
    return (step / whole.clamp_min(torch.finfo(x.dtype).tiny)).median().item()


def _gradient(case: Case, point: Tensor, loss: Loss) -> Tensor:
    return value_and_gradient(Classification(case.model, case.y, loss), point)[2]


def _change(one: Tensor, other: Tensor) -> float:
    spread = (one.amax(dim=1) - one.amin(dim=1)).median().clamp_min(torch.finfo(one.dtype).tiny)
    # Equal infinities do not differ; a number and what is not one do.
    difference = (one - other).abs().masked_fill(one == other, 0.0).nan_to_num(nan=torch.inf)
    return (difference.max() / spread).nan_to_num(nan=torch.inf).item()
