"""PixelCNN, van den Oord, Kalchbrenner and Kavukcuoglu 2016, for pictures in black and white: pixel after pixel."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_floating
from advnotes.game import Game, Turns
from advnotes.gan.standard import check_real

__all__ = ["CausalNetwork", "MaskedConv2d", "PixelCNN"]


class MaskedConv2d(nn.Conv2d):
    """A convolution that sees no later pixel: those above, and those to the left in the same row (section 3.4).

    Args:
        inputs, outputs: numbers of channels.
        side: of the kernel, an odd number.
        mask: "A" sees not even the pixel itself, as the first layer must; "B" does, as the later ones may.

    Raises:
        ValueError: where the side is even, or the mask is another.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, side: int, mask: Literal["A", "B"]) -> None:
        if check_count("side", side) % 2 == 0:
            raise ValueError(f"side must be odd, so that the kernel has a middle, got {side}")
        if mask not in ("A", "B"):
            raise ValueError(f"mask must be 'A' or 'B', got {mask!r}")
        super().__init__(inputs, outputs, side, padding=side // 2)
        middle = side * (side // 2) + side // 2
        seen = torch.arange(side * side) < middle + (mask == "B")
        self.around = side // 2
        self.register_buffer("mask", seen.view(side, side).float())

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Tensor:
        """The picture's convolution, with zeros around it."""
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.around)

    def at_one(self, patch: Float[Tensor, "batch inputs side side"]) -> Float[Tensor, "batch outputs 1 1"]:
        """The output at the middle of a patch."""
        return F.conv2d(patch, self.weight * self.mask, self.bias)


class CausalNetwork(nn.Module):
    r"""Logits for each pixel that depend on earlier pixels only: a first layer with mask A, then residual blocks.

    A block adds :math:`W\,\mathrm{relu}(\mathrm{conv}_{3 \times 3}(\mathrm{relu}(h)))`, with mask B.

    Args:
        channels: in each hidden layer.
        blocks: how many blocks.
        first: the side of the first kernel, the paper's 7.
    """

    def __init__(self, channels: int = 32, blocks: int = 3, first: int = 7) -> None:
        super().__init__()
        check_count("channels", channels)
        self.first = MaskedConv2d(1, channels, first, "A")
        count = range(check_count("blocks", blocks, least=0))
        self.convs = nn.ModuleList(MaskedConv2d(channels, channels, 3, "B") for _ in count)
        self.mixes = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in count)
        self.last = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
        """The logit of each pixel, given those before it."""
        h = self.first(x - 0.5)  # outside the picture it is grey
        for conv, mix in zip(self.convs, self.mixes, strict=True):
            h = h + mix(F.relu(conv(F.relu(h))))
        return self.last(F.relu(h))

    def layers(self) -> list[MaskedConv2d]:
        """The layers that look at neighbours."""
        return [layer for layer in (self.first, *self.convs) if isinstance(layer, MaskedConv2d)]

    def draw(self, noise: Float[Tensor, "n height width"]) -> Float[Tensor, "n 1 height width"]:
        """Pictures, pixel after pixel: a pixel is white where its noise in [0, 1) is below its probability.

        What a layer said at earlier pixels is kept, so that each pixel costs one pass over one pixel.
        """
        n, height, width = noise.shape
        layers, around = self.layers(), self.first.around
        kept = [
            noise.new_zeros(n, c.in_channels, height + c.around * 2, width + c.around * 2) for c in layers
        ]
        for i in range(height):
            for j in range(width):
                h = self._one(0, kept[0], i, j)
                for k, mix in enumerate(self.mixes, start=1):
                    kept[k][:, :, i + 1, j + 1] = F.relu(h)[:, :, 0, 0]
                    h = h + mix(F.relu(self._one(k, kept[k], i, j)))
                white = noise[:, i, j] < self.last(F.relu(h)).sigmoid().flatten()
                kept[0][:, 0, i + around, j + around] = white.to(noise) - 0.5
        return kept[0][:, :, around : around + height, around : around + width] + 0.5

    def _one(self, k: int, kept: Tensor, i: int, j: int) -> Tensor:
        layer = self.layers()[k]
        side = 2 * layer.around + 1
        return layer.at_one(kept[:, :, i : i + side, j : j + side])


class PixelCNN(Game):
    r"""A picture's probability as a product, one factor for each pixel, equation 1.

    .. math:: p(x) = \prod_{i} p(x_i \mid x_1, \dots, x_{i-1})

    Exact, and of one pass where the picture is known. To draw one takes as many passes as it has pixels, since each
    needs those before it. A game with one player, which ``play`` trains.

    Args:
        network: maps pictures ``[batch, 1, height, width]`` to the logit of each pixel, and must not look ahead.
        height, width: of the pictures that are drawn.

    Raises:
        ValueError: where a side is less than 1; when called, where pixels are not 0 or 1.

    Differs from the paper: one channel of two values, and no gates or nested bottlenecks.
    """

    turns: Turns = ("network",)

    def __init__(self, network: CausalNetwork, height: int, width: int) -> None:
        super().__init__()
        self.network = network
        self.height, self.width = check_count("height", height), check_count("width", width)

    def network_loss(self, x: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, ""]:
        """Minus the mean log-probability, in nats."""
        check_real(x)
        return -self.log_likelihood(x).mean()

    def log_likelihood(self, x: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, " batch"]:
        """The exact log-probability of each picture, in nats."""
        check_floating(x)
        if x.ndim != 4 or x.shape[1] != 1 or not bool(((x == 0) | (x == 1)).all()):
            raise ValueError(
                f"expected pictures [batch, 1, height, width] of zeros and ones, got the shape {tuple(x.shape)} with "
                f"values up to {float(x.max()) if x.numel() else 0:g}: round them, (x > 0.5).float()"
            )
        logits = call_model(self.network, x)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(dim=1)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 1 height width"]:
        """Draw ``n`` pictures: ``height * width`` passes."""
        like = next(self.network.parameters())
        source = like.device if generator is None else generator.device
        size = (check_count("n", n, least=0), self.height, self.width)
        noise = torch.rand(size, generator=generator, device=source, dtype=like.dtype)
        return self.network.draw(noise.to(like.device))
