"""The inputs that an adversary may choose, as bounds need them: a box, a ball, and how low a linear function goes."""

import math

import torch
from torch import Tensor

from advnotes.defences.parts.rounding import Arithmetic, size_of
from advnotes.threats import L1, L2, Bounds, Linf, Threat

__all__ = ["Region", "check_ball", "check_reach"]


def check_reach(threat: Threat, x: Tensor, bounds: Bounds) -> None:
    """Raise ValueError for a radius within which every input can become every other one: then nothing can be proved."""
    width = bounds[1] - bounds[0]
    if not len(x) or not math.isfinite(width):
        return
    farthest = float(threat.norm(torch.full_like(x[:1], width, dtype=torch.float64)))
    largest = float(torch.as_tensor(threat.eps, dtype=torch.float64).max())
    if farthest <= largest < math.inf:
        raise ValueError(
            f"a radius of {largest:g} reaches from every input in [{bounds[0]:g}, {bounds[1]:g}] to every other one, "
            f"of which the farthest is {farthest:g} away: a proof would say that the model has one answer for all "
            "inputs; choose a smaller radius"
        )


def check_ball(threat: Threat) -> None:
    """Raise ValueError for a threat whose ball is not known: a class of somebody's own may allow other inputs."""
    if type(threat) not in (Linf, L2, L1):
        raise ValueError(
            f"there are bounds for Linf, L2 and L1, got {threat!r}: take the smallest of these balls that contains it"
        )


class Region:
    r"""A ball around each sample, cut off at the range of the input, and a little more.

    The little more is what :func:`~advnotes.evaluate` lets an attack have for the rounding of its points: a share of
    :math:`10^{-5}` of the radius, and one rounding of each coordinate.

    Args:
        x: ``[batch, ...]``.
        threat: :class:`~advnotes.Linf`, :class:`~advnotes.L2` or :class:`~advnotes.L1`.
        bounds: the range of the input.

    Attributes:
        lower, upper: the ends of the smallest box around it, in float64.

    Raises:
        ValueError: where the threat is another one, or a radius is infinite.
    """

    def __init__(self, x: Tensor, threat: Threat, bounds: Bounds) -> None:
        check_ball(threat)
        self.threat, self.x = threat, x.double().contiguous()
        eps = torch.as_tensor(threat.eps, dtype=torch.float64, device=x.device)
        if not bool(eps.isfinite().all()):
            raise ValueError(
                f"bounds want a finite radius, got {threat!r}: nothing can be proved of all inputs"
            )
        unit = 2 * torch.finfo(x.dtype).eps * max(map(abs, bounds))
        rounding = threat.norm(torch.full((1, *x.shape[1:]), unit, dtype=torch.float64, device=x.device))
        self.eps = ((1 + 1.1e-5) * eps + rounding).expand(len(x))
        radius = self.eps.view(-1, *[1] * (x.ndim - 1))
        self.lower = (self.x - radius).clamp(bounds[0] - unit, bounds[1] + unit)
        self.upper = (self.x + radius).clamp(bounds[0] - unit, bounds[1] + unit)

    def take(self, rows: Tensor) -> "Region":
        """That of some samples."""
        part = object.__new__(Region)
        part.threat, part.x, part.eps = self.threat, self.x[rows], self.eps[rows]
        part.lower, part.upper = self.lower[rows], self.upper[rows]
        return part

    @property
    def is_box(self) -> bool:
        """Whether it is all of the box."""
        return isinstance(self.threat, Linf)

    def least(self, a: Tensor, constant: Tensor, rows: Tensor, arithmetic: Arithmetic) -> Tensor:
        r"""A lower bound of :math:`a^\top x + c` for each query: that of the box or, where it is higher, of the ball.

        .. math:: \sum_i \min(a_i l_i, a_i u_i) + c, \qquad a^\top x - \epsilon \lVert a\rVert_q + c

        Args:
            a: ``[queries, ...]``.
            constant: ``[queries]``.
            rows: of which sample each query is.
            arithmetic: whose rounding is taken off.
        """
        a, low, high = a.flatten(1), self.lower.flatten(1)[rows], self.upper.flatten(1)[rows]
        size = (a.abs() * size_of(low, high)).sum(dim=1)
        value = (a.clamp(min=0) * low).sum(dim=1) + (a.clamp(max=0) * high).sum(dim=1)
        if not self.is_box:
            x, eps = self.x.flatten(1)[rows], self.eps[rows]
            moved = eps * self.threat.dual_norm(a)
            size = size + (a.abs() * x.abs()).sum(dim=1) + moved
            value = torch.maximum(value, (a * x).sum(dim=1) - moved)
        return value + constant - arithmetic.own(a.shape[1]) * (size + constant.abs()).detach()

    def lowest(self, a: Tensor, rows: Tensor) -> Tensor:
        r"""The corner of the box at which :math:`a^\top x` is least; in a ball the point on the way to it."""
        low, high = self.lower[rows], self.upper[rows]
        if self.is_box:
            return torch.where(a > 0, low, high)
        x = self.x[rows]
        step = self.threat.steepest(-a, x, None) * self.eps[rows].view(-1, *[1] * (a.ndim - 1))
        return (x + step).maximum(low).minimum(high)
