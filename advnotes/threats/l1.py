"""L1: the changes may sum to so much."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.seeds import Source, uniform
from advnotes.threats.base import Bounds, Threat, blocked

__all__ = ["L1"]


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

    def norm(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        return delta.flatten(1).abs().sum(dim=1)

    def dual_norm(self, gradient: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
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

    def unit_sample(self, x: Tensor, generator: Source, stream: int) -> Tensor:
        # d + 1 exponential spacings, normalised, fall uniformly in the simplex; signs spread them over the ball.
        size = x[0].numel()
        u = uniform(x, 2 * size + 1, generator, stream)
        spacing = -u[:, : size + 1].log()
        sign = torch.where(u[:, size + 1 :] < 0.5, -1.0, 1.0).to(u)
        return (sign * spacing[:, :size] / spacing.sum(dim=1, keepdim=True)).view_as(x)

    def steepest(
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
