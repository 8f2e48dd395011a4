"""What a style does to a layer: modulated convolutions, adaptive instance normalisation, and inputs of noise."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count

__all__ = ["AdaIN", "ModulatedConv", "NoiseInput"]


def _check(x: Tensor, channels: int, w: Tensor, style_size: int) -> None:
    """Raise ValueError for other shapes: what can be broadcast would be another result, and nobody would know."""
    if x.ndim != 4 or x.shape[1] != channels or w.shape != (len(x), style_size):
        raise ValueError(
            f"expected grids [batch, {channels}, rows, columns] and a style for each, [batch, {style_size}], got the "
            f"shapes {tuple(x.shape)} and {tuple(w.shape)}"
        )


class ModulatedConv(nn.Module):
    r"""A convolution whose weights depend on the sample's style, by one factor for each input channel.

    .. math:: s = A w + b, \qquad w'_{ijk} = s_i\, w_{ijk}, \qquad
        w''_{ijk} = w'_{ijk} \Big/ \sqrt{\textstyle\sum_{i,k} w'^2_{ijk} + \varepsilon}

    (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", section 2.2, equations 1 and 3; i is
    an input channel, j an output channel, k a place in the kernel.) The second step, demodulation, gives each output
    channel the variance that it would have if the input's had variance 1. The factors are taken at the inputs and the
    outputs, so that one convolution with shared weights does for the whole batch what weights of each sample would.

    Args:
        channels_in, channels_out: of the grid.
        style_size: numbers in a style.
        kernel: its side, odd; the grid keeps its size.
        demodulate: without it the last division is left out, as before colours.

    Raises:
        ValueError: where a number is less than 1, or the kernel even.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        style_size: int,
        kernel: int = 3,
        *,
        demodulate: bool = True,
    ) -> None:
        super().__init__()
        fan_in = check_count("channels_in", channels_in) * check_count("kernel", kernel) ** 2
        if kernel % 2 == 0:
            raise ValueError(f"expected an odd kernel, with a middle, got {kernel}")
        self.weight = nn.Parameter(
            torch.randn(check_count("channels_out", channels_out), channels_in, kernel, kernel) / fan_in**0.5
        )
        self.affine = nn.Linear(check_count("style_size", style_size), channels_in)
        nn.init.ones_(self.affine.bias)  # at first every factor is about 1
        self.demodulate = demodulate

    def forward(
        self, x: Float[Tensor, "batch in rows columns"], w: Float[Tensor, "batch style"]
    ) -> Float[Tensor, "batch out rows columns"]:
        """The convolution of each sample with the weights of its style.

        Raises:
            ValueError: where the shapes are others.
        """
        _check(x, self.weight.shape[1], w, self.affine.in_features)
        s = self.affine(w)
        y = F.conv2d(x * s[:, :, None, None], self.weight, padding=self.weight.shape[-1] // 2)
        if self.demodulate:
            weights = self.weight.square().sum(dim=(2, 3))
            if s.dtype in (torch.float16, torch.bfloat16):  # the squares would leave float16's range
                power = (s.float().square()[:, None] * weights.float()).sum(dim=2)
            else:
                power = s.square() @ weights.T
            y = y * (power + 1e-8).rsqrt().to(y.dtype)[:, :, None, None]
        return y


class AdaIN(nn.Module):
    r"""Adaptive instance normalisation: each channel of each sample gets the style's mean and deviation.

    .. math:: \mathrm{AdaIN}(x_i, y) = y_{s, i}\, \frac{x_i - \mu(x_i)}{\sigma(x_i)} + y_{b, i}

    (Huang and Belongie 2017; Karras, Laine and Aila 2019, equation 1.) :math:`\mu` and :math:`\sigma` are taken over
    the grid of a channel of one sample. The first StyleGAN has it after each convolution; the second has
    :class:`ModulatedConv` in its place, since a generator can hide a strong spot from the normalisation, and then
    draws droplets.

    Args:
        channels: of the grid.
        style_size: numbers in a style.

    Raises:
        ValueError: where a number is less than 1.
    """

    def __init__(self, channels: int, style_size: int) -> None:
        super().__init__()
        self.affine = nn.Linear(check_count("style_size", style_size), 2 * check_count("channels", channels))
        nn.init.constant_(self.affine.bias[:channels], 1.0)
        nn.init.zeros_(self.affine.bias[channels:])

    def forward(
        self, x: Float[Tensor, "batch channels rows columns"], w: Float[Tensor, "batch style"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """The grid with the means and deviations of the style.

        Raises:
            ValueError: where the shapes are others.
        """
        _check(x, self.affine.out_features // 2, w, self.affine.in_features)
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, dim=1)
        return scale * F.instance_norm(x) + shift


class NoiseInput(nn.Module):
    """Adds one grid of normal noise to all channels, times a learnt strength that is 0 at first.

    (Karras, Laine and Aila 2019, section 2; one strength for each layer, as in the second StyleGAN.) In training the
    noise is drawn anew for each sample. In eval mode it is one fixed grid, so that a picture depends on its style
    alone; ``generator=`` draws it anew there, too.

    Args:
        side: of the grid.

    Raises:
        ValueError: where the side is less than 1.
    """

    fixed: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))
        count = check_count("side", side)
        fixed = torch.randn(1, 1, count, count, generator=torch.Generator().manual_seed(count))
        self.register_buffer("fixed", fixed, persistent=False)

    def forward(
        self, x: Float[Tensor, "batch channels side side"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch channels side side"]:
        """The grid with noise.

        Raises:
            ValueError: where the grid has another side.
        """
        if x.ndim != 4 or x.shape[2:] != self.fixed.shape[2:]:
            side = self.fixed.shape[2]
            raise ValueError(
                f"expected grids [batch, channels, {side}, {side}], got the shape {tuple(x.shape)}"
            )
        if not self.training and generator is None:
            return x + self.strength * self.fixed
        source = x.device if generator is None else generator.device
        noise = torch.randn(len(x), 1, *x.shape[2:], generator=generator, device=source, dtype=x.dtype)
        return x + self.strength * noise.to(x.device)
