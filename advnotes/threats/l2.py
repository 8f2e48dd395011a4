"""L2: the change may have so much length."""

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.seeds import Source, uniform
from advnotes.threats.base import Bounds, Threat, blocked, per_sample, tiny

__all__ = ["L2"]


class L2(Threat):
    r"""Euclidean length of at most ``eps``: :math:`\sqrt{\sum_i \delta_i^2} \le \epsilon`."""

    def norm(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        return torch.linalg.vector_norm(delta.flatten(1), dim=1)

    def dual_norm(self, gradient: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        return self.norm(gradient)  # its own dual

    def project(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        length = per_sample(self.norm(delta), delta)
        inside = length <= self.radius(delta)
        return torch.where(inside, delta, delta * (self.radius(delta) / length.clamp_min(tiny(delta))))

    def unit_sample(self, x: Tensor, generator: Source, stream: int) -> Tensor:
        # A Gaussian's direction is uniform; the d-th root spreads the length over the volume.
        size = x[0].numel()
        u = uniform(x, size + 1, generator, stream)
        normal = torch.special.ndtri(u[:, :size])
        length = u[:, size:] ** (1 / size) / torch.linalg.vector_norm(normal, dim=1, keepdim=True)
        return (normal * length).view_as(x)

    def steepest(
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
