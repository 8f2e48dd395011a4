"""Linf: every coordinate may change by so much."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.seeds import Source, uniform
from advnotes.threats.base import Bounds, Threat

__all__ = ["Linf"]


class Linf(Threat):
    r"""Every coordinate may change by at most ``eps``: :math:`\max_i |\delta_i| \le \epsilon`."""

    def norm(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        return delta.flatten(1).abs().amax(dim=1)

    def dual_norm(self, gradient: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        return gradient.flatten(1).abs().sum(dim=1)

    def project(self, delta: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
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

    def unit_sample(self, x: Tensor, generator: Source, stream: int) -> Tensor:
        return 2 * uniform(x, x[0].numel(), generator, stream).view_as(x) - 1

    def steepest(
        self,
        gradient: Float[Tensor, "batch ..."],
        point: Float[Tensor, "batch ..."] | None = None,
        bounds: Bounds | None = None,
    ) -> Float[Tensor, "batch ..."]:
        # A blocked coordinate takes nothing from the others here, so the range need not be looked at.
        return gradient.sign()
