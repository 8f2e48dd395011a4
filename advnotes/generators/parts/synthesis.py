"""The second half of StyleGAN's generator: from a constant grid to a picture, by layers that are told a style."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.generators.parts.modulation import ModulatedConv, NoiseInput

__all__ = ["StyleLayer", "Synthesis"]

SMALLEST = 4  # the side of the learnt constant


class StyleLayer(nn.Module):
    """A layer that is told the style: convolution with it, noise, bias, and a leaky ReLU.

    (Karras et al. 2020, figure 2d.)

    Args:
        channels_in, channels_out, style_size: as in :class:`ModulatedConv`.
        side: of the grid that comes out.
        up: whether the grid that comes in has half of that side; it is enlarged bilinearly.
    """

    def __init__(
        self, channels_in: int, channels_out: int, style_size: int, side: int, *, up: bool = True
    ) -> None:
        super().__init__()
        self.up = up
        self.conv = ModulatedConv(channels_in, channels_out, style_size)
        self.noise = NoiseInput(side)
        self.bias = nn.Parameter(torch.zeros(channels_out, 1, 1))

    def forward(
        self,
        x: Float[Tensor, "batch in rows columns"],
        w: Float[Tensor, "batch style"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch out side side"]:
        """The next grid."""
        if self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
        return 2**0.5 * F.leaky_relu(self.noise(self.conv(x, w), generator) + self.bias, 0.2)


class Synthesis(nn.Module):
    """From styles to pictures: a learnt constant grid, then layers of twice the side each, and colours at the end.

    (Karras, Laine and Aila 2019, section 2.) Every layer is told a style, the colours too, so there are ``layers`` of
    them: 5 for pictures of 32×32.

    Args:
        shape: of a picture: channels, side, side; the side 4 times a power of 2.
        style_size: numbers in a style.
        width: channels at half of the side; there are twice as many at a quarter, and so on.

    Raises:
        ValueError: where the shape is another, or a number is less than 1.
    """

    def __init__(
        self, shape: tuple[int, int, int] = (3, 32, 32), style_size: int = 64, width: int = 24
    ) -> None:
        super().__init__()
        doublings = _doublings(shape)
        channels = [check_count("width", width) * 2**k for k in range(doublings - 1, -1, -1)]
        channels.append(-(-width // 2))
        self.constant = nn.Parameter(torch.randn(channels[0], SMALLEST, SMALLEST))
        first = StyleLayer(channels[0], channels[0], style_size, SMALLEST, up=False)
        others = [
            StyleLayer(coarse, fine, style_size, SMALLEST * 2 ** (k + 1))
            for k, (coarse, fine) in enumerate(pairwise(channels))
        ]
        self.grow = nn.ModuleList([first, *others])
        self.colours = ModulatedConv(channels[-1], shape[0], style_size, kernel=1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(shape[0], 1, 1))
        self.style_size = style_size

    @property
    def layers(self) -> int:
        """How many layers are told a style."""
        return len(self.grow) + 1

    def forward(self, w: Float[Tensor, "batch ..."], generator: torch.Generator | None = None) -> Tensor:
        """Pictures in [0, 1].

        Args:
            w: a style ``[batch, style_size]`` for all layers, or one for each, ``[batch, layers, style_size]``.
            generator: draws the noise; None: as :class:`NoiseInput` says.

        Raises:
            ValueError: where the styles have another shape.
        """
        styles = self.for_layers(w)
        x = self.first_grid(styles[0])
        for layer, style in zip(self.grow, styles, strict=False):
            x = layer(x, style, generator)
        return torch.sigmoid(self.colours(x, styles[-1]) + self.bias)

    def first_grid(self, w: Float[Tensor, "batch style"]) -> Float[Tensor, "batch channels 4 4"]:
        """The learnt constant, for each sample."""
        return self.constant.expand(len(w), -1, -1, -1)

    def for_layers(self, w: Float[Tensor, "batch ..."]) -> tuple[Tensor, ...]:
        """The style of each layer; raise ValueError for what is none."""
        if w.ndim == 2 and w.shape[1] == self.style_size:
            return (w,) * self.layers
        if w.ndim == 3 and w.shape[1:] == (self.layers, self.style_size):
            return w.unbind(dim=1)
        raise ValueError(
            f"expected styles [batch, {self.style_size}], or one for each layer, [batch, {self.layers}, "
            f"{self.style_size}], got the shape {tuple(w.shape)}: make them of latent vectors by the mapping"
        )


def _doublings(shape: tuple[int, int, int]) -> int:
    """How often the side of the constant is doubled; raise ValueError where it does not come out."""
    side = shape[1] if len(shape) == 3 and shape[1] == shape[2] and shape[0] > 0 else 0
    if side < 2 * SMALLEST or side % SMALLEST or (side // SMALLEST) & (side // SMALLEST - 1):
        raise ValueError(
            f"expected the shape (channels, side, side) with a side of {SMALLEST} times 2, 4, 8 ..., got {shape}"
        )
    return (side // SMALLEST).bit_length() - 1
