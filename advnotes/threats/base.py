"""What an adversary may do to an input, whatever the norm."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from advnotes.checks import check_per_sample
from advnotes.seeds import Source

__all__ = ["Bounds", "Threat", "blocked", "check_threat", "per_sample", "radius_of", "tiny"]

#: The lowest and the highest value of an input.
Bounds = tuple[float, float]

SomeThreat = TypeVar("SomeThreat", bound="Threat")


@dataclass(frozen=True)
class Threat(ABC):
    r"""A ball :math:`\{\delta : \lVert\delta\rVert \le \epsilon\}` around each sample of a batch.

    Args:
        eps: the radius in the unit of the input (``8 / 255`` for pixels in [0, 1]): a number for all samples, or
            a tensor, an array or a list with one radius for each. ``inf`` is no limit at all, for attacks that look
            for the nearest adversarial point. A radius for each feature is not supported, and cannot be told from one
            for each sample where there are as many samples as features: let a first layer of the model rescale the
            features so that one radius fits them all (and leaves alone what may not change).

    Raises:
        ValueError: where a radius is no number, is negative, or is not one for each sample.
    """

    eps: float | Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", radius_of(self.eps))

    def rows(self: SomeThreat, rows: Tensor | slice) -> SomeThreat:
        """The threat of some rows of the batch: indices, a mask or a slice."""
        if not isinstance(self.eps, Tensor) or self.eps.ndim == 0:
            return self
        rows = rows.to(self.eps.device) if isinstance(rows, Tensor) else rows
        return dataclasses.replace(self, eps=self.eps[rows])

    def scaled(self: SomeThreat, factor: float | Tensor) -> SomeThreat:
        """The same threat with its radius multiplied by ``factor``, or each sample's by its own."""
        return dataclasses.replace(self, eps=self.eps * factor)

    def check_batch(self, count: int) -> None:
        """Raise ValueError for a number of radii that does not fit a batch of ``count`` samples."""
        check_per_sample("eps", self.eps, count)

    def radius(self, delta: Float[Tensor, "batch ..."]) -> float | Tensor:
        """The radius in a shape that broadcasts over ``delta``."""
        if not isinstance(self.eps, Tensor):
            return self.eps
        if self.eps.ndim == 0:
            return self.eps.to(delta)
        self.check_batch(len(delta))
        return per_sample(self.eps.to(delta), delta)

    @abstractmethod
    def norm(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """The norm of each sample of ``delta``."""

    @abstractmethod
    def dual_norm(self, gradient: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        r"""How much one unit of the threat gains along each sample's gradient, at most.

        .. math:: \lVert g \rVert_q = \max_{\lVert v \rVert_p \le 1} g^\top v, \qquad 1/p + 1/q = 1

        The sum of the gradient's sizes for ``Linf``, its length for ``L2``, its largest entry for ``L1``; the radius
        is not used. A linear function whose value is :math:`c` is brought to 0 by a step of length
        :math:`|c| / \lVert g\rVert_q`, and by none that is shorter.

        Differentiable; where a sample's gradient is zero, the derivative is zero too.
        """

    @abstractmethod
    def project(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The Euclidean projection of each sample onto its ball: the nearest point inside."""

    def nearest(
        self, point: Float[Tensor, "batch ..."], x: Float[Tensor, "batch ..."], bounds: Bounds
    ) -> Float[Tensor, "batch ..."]:
        """A point of the ball around ``x`` and of the range, for each sample: the nearest one in Linf and L1.

        In L2 it is the projection onto the ball and then onto the range, which is inside both, but not the nearest.
        """
        return (x + self.project(point - x)).clamp(*bounds)

    def back_into(
        self, x: Float[Tensor, "batch ..."], bounds: Bounds | None
    ) -> Callable[[Float[Tensor, "batch ..."]], Float[Tensor, "batch ..."]]:
        """What brings the ends of steps back: a function that projects onto the ball around ``x``, then the range.

        What depends on ``x`` alone is computed once. The function may write its result into its argument.
        """

        def back(point: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
            point = x + self.project(point - x)
            return point if bounds is None else point.clamp(*bounds)

        return back

    def sample(
        self, x: Float[Tensor, "batch ..."], generator: Source = None, stream: int = 0
    ) -> Float[Tensor, "batch ..."]:
        """A perturbation drawn uniformly from the ball, for each sample of ``x``.

        Args:
            x: a batch, for its shape, dtype and device.
            generator: see :data:`advnotes.seeds.Source`.
            stream: which of the independent draws of a per-sample seed to take (the number of the restart).

        Raises:
            ValueError: where a radius is infinite.
        """
        point, radius = self.unit_sample(x, generator, stream), self.radius(x)
        if not bool(torch.as_tensor(radius).isfinite().all()):
            raise ValueError(
                "a random start wants a finite eps: give the threat a radius, or set random_start=False"
            )
        return (point * radius).to(x.dtype)

    @abstractmethod
    def unit_sample(self, x: Tensor, generator: Source, stream: int) -> Tensor:
        """The same for a radius of 1, in the precision in which it is drawn."""

    @abstractmethod
    def steepest(
        self,
        gradient: Float[Tensor, "batch ..."],
        point: Float[Tensor, "batch ..."] | None = None,
        bounds: Bounds | None = None,
    ) -> Float[Tensor, "batch ..."]:
        r"""The direction of norm 1 that gains most, :math:`\arg\max_{\lVert v\rVert \le 1} g^\top v`.

        Args:
            gradient: finite; where a sample's gradient is zero, its direction is zero.
            point, bounds: where the step starts and the range of the input. A coordinate that the range stops
                from moving takes no share of the direction.
        """


def radius_of(eps: object) -> int | float | Tensor:
    """One radius as a number or a tensor, or several as a tensor.

    Raises:
        ValueError: where they are none.
    """
    expected = f"eps must be one radius >= 0, or a list or tensor with one for each sample; got {eps!r}"
    try:
        values = torch.as_tensor(np.asarray(eps) if isinstance(eps, (list, tuple)) else eps)
    except (TypeError, ValueError, RuntimeError):
        advice = ": without quotes" if isinstance(eps, str) else ""
        raise ValueError(f"{expected}{advice}") from None
    if values.dtype == torch.bool or values.is_complex():
        raise ValueError(expected)
    if values.ndim > 1:
        raise ValueError(
            f"{expected}, of shape {tuple(values.shape)}: for one radius for each feature, let a first layer of the "
            "model rescale the features so that one eps fits them all"
        )
    if not bool((values >= 0).all()):
        raise ValueError(expected)
    if isinstance(eps, Tensor) or (isinstance(eps, (int, float)) and type(eps) in (int, float)):
        return eps
    return values.double().clone() if values.ndim else float(values)


def check_threat(threat: object) -> None:
    """Refuse a bare number and the like.

    Raises:
        ValueError: where ``threat`` is none.
    """
    if not isinstance(threat, Threat):
        raise ValueError(f"expected a threat such as Linf(8 / 255), got {threat!r}")


def per_sample(
    values: Shaped[Tensor, " batch"], like: Shaped[Tensor, "batch ..."]
) -> Shaped[Tensor, "batch ..."]:
    """One value for each sample, shaped to broadcast over ``like``."""
    return values.view(-1, *[1] * (like.ndim - 1))


def blocked(
    gradient: Float[Tensor, "batch ..."], point: Float[Tensor, "batch ..."] | None, bounds: Bounds | None
) -> Bool[Tensor, "..."]:
    """Where a step along ``gradient`` would leave the range at once."""
    if point is None or bounds is None:
        return torch.zeros((), dtype=torch.bool, device=gradient.device)
    lowest, highest = bounds
    return ((point <= lowest) & (gradient < 0)) | ((point >= highest) & (gradient > 0))


def tiny(like: Tensor) -> float:
    """The smallest normal number of a tensor's dtype: what to divide by instead of zero."""
    return torch.finfo(like.dtype).tiny
