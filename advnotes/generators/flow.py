"""Densities by a change of variables: NICE (Dinh et al. 2014) and RealNVP (Dinh et al. 2016)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count, check_floating
from advnotes.game import Game, Turns
from advnotes.gan.standard import check_real

__all__ = ["Flow", "dequantise"]


class Flow(Game):
    r"""A density by a change of variables: layers that can be inverted, and a standard normal at their end.

    .. math:: \log p(x) = \log N(f(x); 0, I) + \log \lvert \det \partial f(x) / \partial x \rvert

    (NICE, equation 3; RealNVP, equation 3.) Exact, of one pass, and so is a sample, :math:`f^{-1}(z)`. A latent vector
    has as many coordinates as the data. A game with one player, which ``play`` trains.

    Args:
        layers: each with ``forward(x) -> (y, log_determinant)`` and ``inverse(y)``.
        shape: of one sample.

    Raises:
        ValueError: where there is no layer; when called, where samples have another shape.
    """

    turns: Turns = ("layers",)

    def __init__(self, layers: Sequence[nn.Module], shape: Sequence[int]) -> None:
        super().__init__()
        if not layers:
            raise ValueError("a flow wants at least one layer, got none")
        self.layers = nn.ModuleList(layers)
        self.shape = tuple(check_count("a side", side) for side in shape)

    def layers_loss(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        """Minus the mean log-density, in nats: it may be negative."""
        check_real(x)
        return -self.log_density(x).mean()

    def log_density(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """The exact log-density of each sample, in nats; it depends on the unit of the data."""
        z, log_det = self.to_latent(x)
        return log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)

    def to_latent(
        self, x: Float[Tensor, "batch ..."]
    ) -> tuple[Float[Tensor, "batch size"], Float[Tensor, " batch"]]:
        """:math:`f(x)` and the logarithm of its Jacobian's determinant."""
        check_floating(x)
        if x.shape[1:] != self.shape:
            raise ValueError(f"expected samples of the shape {self.shape}, got {tuple(x.shape[1:])}")
        z, total = x.flatten(1), x.new_zeros(len(x))
        for layer in self.layers:
            z, log_det = layer(z)
            total = total + log_det
        return z, total

    def from_latent(self, z: Float[Tensor, "batch size"]) -> Float[Tensor, "batch ..."]:
        """:math:`f^{-1}(z)`."""
        for layer in reversed(self.layers):
            z = layer.inverse(z)  # type: ignore[operator]
        return z.unflatten(1, self.shape)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n ..."]:
        """Draw ``n`` samples: one pass backwards."""
        like = next(self.layers.parameters(), torch.empty(0))
        source = like.device if generator is None else generator.device
        size = (check_count("n", n, least=0), math.prod(self.shape))
        return self.from_latent(
            torch.randn(size, generator=generator, device=source, dtype=like.dtype).to(like.device)
        )


def dequantise(
    x: Float[Tensor, "batch ..."], levels: int, generator: torch.Generator | None = None
) -> Float[Tensor, "batch ..."]:
    r"""Pixels of ``levels`` equidistant values in [0, 1], spread evenly over cells of the width :math:`1 / L`.

    With ``d`` pixels, :math:`\log P(x) \ge \mathbb E \log p(y) - d \log L` bounds that of the discrete picture
    (RealNVP, section 4.1; Theis et al. 2015, section 3.1).

    Raises:
        ValueError: where a pixel has another value, or the numbers are too coarse to lie within a cell.
    """
    check_floating(x)
    eps = torch.finfo(x.dtype).eps
    if check_count("levels", levels, least=2) * eps > 1 / 64:
        raise ValueError(f"{x.dtype} is too coarse for cells of the width 1 / {levels}: x.float()")
    at = x * (levels - 1)
    if not bool(((at - at.round()).abs() <= max(1e-3, levels * eps)).all() & ((x >= 0) & (x <= 1)).all()):
        raise ValueError(
            f"expected {levels} equidistant values from 0 to 1: for bytes pass x.float() / 255 and levels=256"
        )
    source = x.device if generator is None else generator.device
    noise = torch.rand(x.shape, generator=generator, device=source, dtype=x.dtype).to(x.device)
    return (x * (levels - 1) + noise) / levels
