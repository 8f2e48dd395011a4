"""How alike two pictures are, pixel by pixel (PSNR) and by their local structure (SSIM)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor

from advnotes.checks import check_floating, check_number, check_range, check_same_kind

__all__ = ["psnr", "ssim"]


def psnr(x: Num[Tensor, "batch ..."], y: Num[Tensor, "others ..."]) -> Float[Tensor, " batch"]:
    r"""The peak signal-to-noise ratio of each pair, in decibels: :math:`-10 \log_{10} \mathrm{MSE}`.

    Ten decibels more are a tenth of the mean squared error; equal pictures have infinitely many.

    Args:
        x, y: pictures in [0, 1], so that the peak is 1. Those of 16 bits are compared with 32.

    Raises:
        ValueError: where they are not floating point, not within [0, 1], not of one shape, or none.
    """
    x, y = _checked(x, y)
    return -10 * (x - y).square().flatten(1).mean(dim=1).log10()


def ssim(
    x: Num[Tensor, "batch ..."],
    y: Num[Tensor, "others ..."],
    sigma: float = 1.5,
) -> Float[Tensor, " batch"]:
    r"""The structural similarity of each pair, from -1 to 1 for equal pictures (Wang et al. 2004, equation 13).

    .. math::
        \frac{(2\mu_x\mu_y + 0.01^2)(2\sigma_{xy} + 0.03^2)}
        {(\mu_x^2 + \mu_y^2 + 0.01^2)(\sigma_x^2 + \sigma_y^2 + 0.03^2)}

    with means, variances and covariances in a Gaussian window, the mean over all channels and all places where the
    window fits.

    Args:
        x, y: pictures in [0, 1]. Those of 16 bits are compared with 32.
        sigma: the window's standard deviation in pixels; it is cut at 3.5 of these: 11×11 pixels for 1.5.

    Raises:
        ValueError: where pictures are not floating point, not within [0, 1], not of one shape, none, or smaller
            than the window, or ``sigma`` is not positive.
    """
    check_number("sigma", sigma, above=0.0)
    x, y = _checked(x, y)
    radius = int(3.5 * sigma + 0.5)
    side = 2 * radius + 1
    if x.ndim != 4 or min(x.shape[2:]) < side:
        raise ValueError(
            f"expected pictures [batch, channels, height, width] of {side}×{side} pixels or more, got shape "
            f"{tuple(x.shape)}"
        )
    steps = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    window = (-0.5 * (steps / sigma) ** 2).exp()
    window = window / window.sum()

    def local(values: Tensor) -> Tensor:
        rows = values.flatten(0, 1)[:, None]
        return F.conv2d(F.conv2d(rows, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))

    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    both = local(x * y) - mean_x * mean_y
    like = (2 * mean_x * mean_y + 0.01**2) * (2 * both + 0.03**2)
    parts = like / ((mean_x**2 + mean_y**2 + 0.01**2) * (var_x + var_y + 0.03**2))
    return parts.view(len(x), -1).mean(dim=1)


def _checked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both, of at least 32 bits: with 16 small differences vanish when they are squared."""
    for pictures in (x, y):
        check_floating(pictures)
        if pictures.ndim < 2 or pictures.numel() == 0:
            raise ValueError(
                f"expected a batch of pictures, got shape {tuple(pictures.shape)}: x[None] for one"
            )
        check_range(pictures, (0.0, 1.0), mend="clamp what a network makes")
    check_same_kind("y", y, "x", x)
    if x.shape != y.shape:
        raise ValueError(f"expected as many pictures in x as in y, got {len(x)} and {len(y)}")
    wide = torch.promote_types(x.dtype, torch.float32)
    return x.to(wide), y.to(wide)
