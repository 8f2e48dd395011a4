"""Pictures made smaller and larger: bicubic interpolation, and the residual network that SRGAN trains."""

import math

import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from advnotes.checks import check_count, check_floating

__all__ = ["SRResNet", "enlarge", "shrink"]


class SRResNet(nn.Module):
    r"""A residual network that makes pictures ``factor`` times as wide and high (Ledig et al. 2016, figure 4).

    It works at the small size. At its end a convolution makes four numbers for each place and channel, and
    ``nn.PixelShuffle`` lays them out as 2×2 pixels (Shi et al. 2016); each such step doubles the side.

    Args:
        channels: at the small size.
        blocks: residual blocks, of two convolutions each.
        factor: 2, 4, 8 and so on.
        fine: channels after each doubling; None: as many as ``channels``.
        kernel: the odd side of the first and the last convolution's kernel.

    Differs from the paper: what the network makes is added to the picture that :func:`enlarge` makes, so that an
    untrained network enlarges plainly; and there is no batch normalisation (Lim et al. 2017).

    Raises:
        ValueError: where a number is less than 1, ``factor`` is no power of 2 from 2 on, or ``kernel`` is even.
    """

    def __init__(
        self,
        channels: int = 64,
        blocks: int = 16,
        factor: int = 4,
        *,
        fine: int | None = None,
        kernel: int = 9,
    ) -> None:
        super().__init__()
        check_count("channels", channels)
        check_count("blocks", blocks)
        check_count("factor", factor, least=2)
        fine = check_count("fine", channels if fine is None else fine)
        if factor & (factor - 1):
            raise ValueError(f"factor must be a power of 2, got {factor}")
        if check_count("kernel", kernel) % 2 == 0:
            raise ValueError(f"kernel must be odd, got {kernel}")
        self.factor = factor
        self.first = nn.Sequential(nn.Conv2d(3, channels, kernel, padding=kernel // 2), nn.PReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.PReLU(),
                nn.Conv2d(channels, channels, 3, padding=1),
            )
            for _ in range(blocks)
        )
        self.together = nn.Conv2d(channels, channels, 3, padding=1)
        up: list[nn.Module] = []
        wide = channels
        for _ in range(int(math.log2(factor))):
            up += [nn.Conv2d(wide, 4 * fine, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
            wide = fine
        last = nn.Conv2d(wide, 3, kernel, padding=kernel // 2)
        nn.init.zeros_(last.weight)  # at first it adds nothing
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.up = nn.Sequential(*up, last)

    def forward(self, small: Float[Tensor, "batch 3 rows columns"]) -> Float[Tensor, "batch 3 height width"]:
        """Enlarged pictures; values may leave [0, 1] a little."""
        start = x = self.first(small - 0.5)
        for block in self.blocks:
            x = x + block(x)
        return enlarge(small, self.factor) + self.up(start + self.together(x))


def shrink(
    x: Num[Tensor, "batch channels height width"], factor: int = 4
) -> Float[Tensor, "batch channels rows columns"]:
    """Pictures in [0, 1] at a ``factor``-th of their sides: bicubic with a widened kernel, as Pillow does it.

    What lies outside [0, 1] is cut off: bring pictures in [-1, 1] or [0, 255] to [0, 1] first.

    Raises:
        ValueError: where the sides cannot be divided by ``factor``, or pictures are not floating point.
    """
    check_floating(x)
    check_count("factor", factor)
    if x.ndim != 4 or x.shape[2] % factor or x.shape[3] % factor:
        raise ValueError(
            f"expected pictures [batch, channels, height, width] whose sides can be divided by {factor}, got shape "
            f"{tuple(x.shape)}: cut them"
        )
    size = (x.shape[2] // factor, x.shape[3] // factor)
    return F.interpolate(x, size=size, mode="bicubic", antialias=True).clamp(0, 1)


def enlarge(x: Num[Tensor, "batch ..."], factor: int = 4) -> Float[Tensor, "batch channels height width"]:
    """Pictures in [0, 1] made ``factor`` times as wide and high by bicubic interpolation, as Pillow does it.

    What lies outside [0, 1] is cut off, as by :func:`shrink`.

    Raises:
        ValueError: where pictures are not floating point or not a batch.
    """
    check_floating(x)
    check_count("factor", factor)
    if x.ndim != 4:
        raise ValueError(
            f"expected pictures [batch, channels, rows, columns], got shape {tuple(x.shape)}: x[None] for one"
        )
    size = (x.shape[2] * factor, x.shape[3] * factor)
    return F.interpolate(x, size=size, mode="bicubic", antialias=True).clamp(0, 1)
