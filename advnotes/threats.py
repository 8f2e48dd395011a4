"""Threats: what an adversary may do to an input. One object per norm, shared by every attack and every game."""

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
from advnotes.seeds import Source, uniform

__all__ = ["L1", "L2", "Linf", "Threat"]

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

    def scaled(self: SomeThreat, factor: float) -> SomeThreat:
        """The same threat with its radius multiplied by ``factor``."""
        return dataclasses.replace(self, eps=self.eps * factor)

    def check_batch(self, count: int) -> None:
        """Refuse a number of radii that does not fit a batch of ``count`` samples.

        Raises:
            ValueError: see above.
        """
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
        is not looked at. A linear function whose value is :math:`c` is brought to 0 by a step of length
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

    @abstractmethod
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


def radius_of(eps: object) -> float | Tensor:
    """One radius as a number or a tensor, or several as a tensor.

    Raises:
        ValueError: where they are none.
    """
    expected = f"eps must be a radius >= 0, or a list or tensor with one for each sample; got {eps!r}"
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
    if isinstance(eps, Tensor) or type(eps) in (int, float):
        return eps
    return values.double().clone() if values.ndim else float(values)


class Linf(Threat):
    r"""Every coordinate may change by at most ``eps``: :math:`\max_i |\delta_i| \le \epsilon`."""

    def norm(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:  # noqa: D102
        return delta.flatten(1).abs().amax(dim=1)

    def dual_norm(self, gradient: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:  # noqa: D102
        return gradient.flatten(1).abs().sum(dim=1)

    def project(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:  # noqa: D102
        radius = self.radius(delta)
        return (
            torch.minimum(torch.maximum(delta, -radius), radius)
            if isinstance(radius, Tensor)
            else (delta.clamp(-radius, radius))
        )

    def back_into(
        self, x: Float[Tensor, "batch ..."], bounds: Bounds | None
    ) -> Callable[[Float[Tensor, "batch ..."]], Float[Tensor, "batch ..."]]:
        """The ball and the range are one box here: one clamp."""
        radius = self.radius(x)
        lowest, highest = x - radius, x + radius
        if bounds is not None:
            lowest, highest = lowest.clamp(*bounds), highest.clamp(*bounds)
        return lambda point: torch.clamp(point, lowest, highest, out=point)

    def sample(  # noqa: D102
        self, x: Float[Tensor, "batch ..."], generator: Source = None, stream: int = 0
    ) -> Float[Tensor, "batch ..."]:
        u = uniform(x, x[0].numel(), generator, stream).view_as(x)
        return ((2 * u - 1) * finite(self.radius(x))).to(x.dtype)

    def steepest(  # noqa: D102
        self,
        gradient: Float[Tensor, "batch ..."],
        point: Float[Tensor, "batch ..."] | None = None,
        bounds: Bounds | None = None,
    ) -> Float[Tensor, "batch ..."]:
        # A blocked coordinate takes nothing from the others here, so the range need not be looked at.
        return gradient.sign()


class L2(Threat):
    r"""Euclidean length of at most ``eps``: :math:`\sqrt{\sum_i \delta_i^2} \le \epsilon`."""

    def norm(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:  # noqa: D102
        return torch.linalg.vector_norm(delta.flatten(1), dim=1)

    def dual_norm(self, gradient: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:  # noqa: D102
        return self.norm(gradient)  # its own dual

    def project(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:  # noqa: D102
        length = per_sample(self.norm(delta), delta)
        inside = length <= self.radius(delta)
        return torch.where(inside, delta, delta * (self.radius(delta) / length.clamp_min(tiny(delta))))

    def sample(  # noqa: D102
        self, x: Float[Tensor, "batch ..."], generator: Source = None, stream: int = 0
    ) -> Float[Tensor, "batch ..."]:
        # A Gaussian's direction is uniform; the d-th root spreads the length over the volume.
        size = x[0].numel()
        u = uniform(x, size + 1, generator, stream)
        normal = torch.special.ndtri(u[:, :size])
        length = u[:, size:] ** (1 / size) / torch.linalg.vector_norm(normal, dim=1, keepdim=True)
        return ((normal * length).view_as(x) * finite(self.radius(x))).to(x.dtype)

    def steepest(  # noqa: D102
        self,
        gradient: Float[Tensor, "batch ..."],
        point: Float[Tensor, "batch ..."] | None = None,
        bounds: Bounds | None = None,
    ) -> Float[Tensor, "batch ..."]:
        gradient = gradient.masked_fill(blocked(gradient, point, bounds), 0)
        # Scaled by the largest entry first: the square of a small gradient would underflow.
        gradient = gradient / per_sample(gradient.flatten(1).abs().amax(dim=1), gradient).clamp_min(
            tiny(gradient)
        )
        return gradient / per_sample(self.norm(gradient), gradient).clamp_min(tiny(gradient))


@dataclass(frozen=True)
class L1(Threat):
    r"""Changes that sum to at most ``eps``: :math:`\sum_i |\delta_i| \le \epsilon`.

    Args:
        eps: the radius.
        share: the share of the coordinates that one step moves. The exact steepest direction moves a single
            coordinate, which takes hundreds of steps to get anywhere; moving the strongest percent of them is
            the sparse step of Tramèr and Boneh 2019 (their section 4.1, with a fixed share).

    Raises:
        ValueError: where ``share`` is not in (0, 1].
    """

    share: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], got {self.share}")

    def norm(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:  # noqa: D102
        return delta.flatten(1).abs().sum(dim=1)

    def dual_norm(self, gradient: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:  # noqa: D102
        return gradient.flatten(1).abs().amax(dim=1)

    def project(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        r"""Soft thresholding :math:`\mathrm{sign}(\delta)(|\delta| - \tau)_+` with the threshold that fits.

        :math:`\tau` is found by sorting each sample's entries (Duchi et al. 2008, figure 1):
        (3, 1, 0) becomes (2, 0, 0) for radius 2.
        """
        # Sums over all coordinates want more than the bits of a half precision.
        size = delta.flatten(1).abs().to(torch.promote_types(delta.dtype, torch.float32))
        radius = torch.as_tensor(self.radius(delta), dtype=size.dtype, device=size.device).reshape(-1, 1)
        ordered = size.sort(dim=1, descending=True).values
        rank = torch.arange(1, size.shape[1] + 1, device=size.device)
        threshold = (ordered.cumsum(dim=1) - radius) / rank
        count = (ordered > threshold).sum(dim=1, keepdim=True).clamp_min(1)
        tau = threshold.gather(1, count - 1)
        projected = torch.where(
            size.sum(dim=1, keepdim=True) <= radius,
            delta.flatten(1),
            delta.flatten(1).sign() * (size - tau).clamp_min(0),
        )
        return projected.to(delta.dtype).view_as(delta)

    def nearest(
        self, point: Float[Tensor, "batch ..."], x: Float[Tensor, "batch ..."], bounds: Bounds
    ) -> Float[Tensor, "batch ..."]:
        r"""The nearest point of the ball and the range, by one threshold (Croce and Hein 2021, proposition 2.1).

        With the way :math:`c_i` that a coordinate can go in the direction of its change :math:`\delta_i`, the result is
        :math:`x_i + \mathrm{sign}(\delta_i)\,\min((|\delta_i| - \tau)_+, c_i)`, :math:`\tau` the lowest number
        :math:`\ge 0` for which the changes sum to at most ``eps``. Cutting off after a projection onto the ball alone
        gives away a part of ``eps``.
        """
        lowest, highest = bounds
        delta = point - x
        size = delta.flatten(1).abs().to(torch.promote_types(delta.dtype, torch.float32))
        way = torch.where(delta > 0, highest - x, x - lowest).flatten(1).to(size)
        radius = torch.as_tensor(self.radius(delta), dtype=size.dtype, device=size.device).reshape(-1, 1)
        # The sum of the changes falls with the threshold and bends at |delta|, where a coordinate begins to move, and
        # at |delta| - way, where it has arrived: walk down the bends until it reaches the radius.
        bends, order = torch.cat([size, (size - way).clamp_min(0)], dim=1).sort(dim=1, descending=True)
        moving = torch.where(order < size.shape[1], 1, -1).cumsum(dim=1)
        steps = torch.cat([torch.zeros_like(bends[:, :1]), moving[:, :-1] * -bends.diff(dim=1)], dim=1)
        total = steps.cumsum(dim=1)
        at = (total < radius).sum(dim=1, keepdim=True).clamp(1, bends.shape[1] - 1)
        over = (total.gather(1, at) - radius).clamp_min(0)
        tau = bends.gather(1, at) + over / moving.gather(1, at - 1).clamp_min(1)
        within = size.minimum(way).sum(dim=1, keepdim=True) <= radius
        moved = (size - tau.masked_fill(within, 0)).clamp_min(0).minimum(way)
        return (x + delta.sign() * moved.to(x.dtype).view_as(x)).clamp(*bounds)

    def sample(  # noqa: D102
        self, x: Float[Tensor, "batch ..."], generator: Source = None, stream: int = 0
    ) -> Float[Tensor, "batch ..."]:
        # d + 1 exponential spacings, normalised, fall uniformly in the simplex; signs spread them over the ball.
        size = x[0].numel()
        u = uniform(x, 2 * size + 1, generator, stream)
        spacing = -u[:, : size + 1].log()
        sign = torch.where(u[:, size + 1 :] < 0.5, -1.0, 1.0).to(u)
        point = (sign * spacing[:, :size] / spacing.sum(dim=1, keepdim=True)).view_as(x)
        return (point * finite(self.radius(x))).to(x.dtype)

    def steepest(  # noqa: D102
        self,
        gradient: Float[Tensor, "batch ..."],
        point: Float[Tensor, "batch ..."] | None = None,
        bounds: Bounds | None = None,
    ) -> Float[Tensor, "batch ..."]:
        flat = gradient.masked_fill(blocked(gradient, point, bounds), 0).flatten(1)
        count = max(1, round(self.share * flat.shape[1]))
        strongest = flat.abs().topk(count, dim=1).indices
        direction = torch.zeros_like(flat).scatter(1, strongest, flat.gather(1, strongest).sign())
        moved = direction.abs().sum(dim=1, keepdim=True).clamp_min(1)
        return (direction / moved).view_as(gradient)


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


def finite(radius: float | Tensor) -> float | Tensor:
    """Refuse to draw from a ball without an edge."""
    if not bool(torch.isfinite(torch.as_tensor(radius)).all()):
        raise ValueError(
            "a random start wants a finite eps: give the threat a radius, or set random_start=False"
        )
    return radius


def tiny(like: Tensor) -> float:
    """The smallest normal number of a tensor's dtype: what to divide by instead of zero."""
    return torch.finfo(like.dtype).tiny
