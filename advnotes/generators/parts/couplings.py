"""The layers of flows: NICE (Dinh, Krueger and Bengio 2014) and RealNVP (Dinh, Sohl-Dickstein and Bengio 2016)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_number, check_range

__all__ = ["AdditiveCoupling", "AffineCoupling", "Logit", "Scaling"]


class AdditiveCoupling(nn.Module):
    r"""NICE's layer, equation 8: :math:`y_1 = x_1,\; y_2 = x_2 + m(x_1)`, which keeps volumes.

    Args:
        network: maps the half of the coordinates that stays to as many shifts: an even number ``[batch, size / 2]``.
        odd: the coordinates 1, 3, 5, ... stay, in place of 0, 2, 4, ...

    Raises:
        ValueError: when called, for an odd number of coordinates or another shape of shifts.
    """

    def __init__(self, network: nn.Module, *, odd: bool = False) -> None:
        super().__init__()
        self.network, self.odd = network, bool(odd)

    def forward(self, x: Float[Tensor, "batch size"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        """Towards the latent vector, with the logarithm of the Jacobian's determinant."""
        kept, moved = self.halves(x)
        return self.join(kept, moved + self.of(kept, 1)), x.new_zeros(len(x))

    def inverse(self, y: Float[Tensor, "batch size"]) -> Float[Tensor, "batch size"]:
        """Back to the data."""
        kept, moved = self.halves(y)
        return self.join(kept, moved - self.of(kept, 1))

    def halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The coordinates that stay, and those that are moved."""
        if x.ndim != 2 or x.shape[1] % 2:
            raise ValueError(f"a coupling wants [batch, size] with an even size, got {tuple(x.shape)}")
        return x[:, int(self.odd) :: 2], x[:, 1 - int(self.odd) :: 2]

    def join(self, kept: Tensor, moved: Tensor) -> Tensor:
        """The two halves as one row again."""
        pair = (moved, kept) if self.odd else (kept, moved)
        return torch.stack(pair, dim=2).flatten(1)

    def of(self, kept: Tensor, numbers: int) -> Tensor:
        """What the network makes of the half that stays: so many numbers for each coordinate of the other."""
        out = call_model(self.network, kept)
        if out.shape != (len(kept), numbers * kept.shape[1]):
            raise ValueError(
                f"the coupling's network gives the shape {tuple(out.shape)}, wanted ({len(kept)}, "
                f"{numbers * kept.shape[1]}): {numbers} for each of the other half's coordinates"
            )
        return out


class AffineCoupling(AdditiveCoupling):
    r"""RealNVP's layer, equation 5: :math:`y_2 = x_2 \odot e^{s(x_1)} + t(x_1)`.

    The logarithm of the determinant is the sum of :math:`s` (equation 6). Its ``network`` gives all :math:`s`, then all
    :math:`t`. Differs from the paper: :math:`s` is bounded by 2 through a tanh, in place of a learnt scale.
    """

    def forward(self, x: Float[Tensor, "batch size"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        kept, moved = self.halves(x)
        s, t = self.scale_and_shift(kept)
        return self.join(kept, moved * s.exp() + t), s.sum(dim=1)

    def inverse(self, y: Float[Tensor, "batch size"]) -> Float[Tensor, "batch size"]:
        kept, moved = self.halves(y)
        s, t = self.scale_and_shift(kept)
        return self.join(kept, (moved - t) * (-s).exp())

    def scale_and_shift(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """:math:`s`, within 2 of 0, and :math:`t`."""
        s, t = self.of(kept, 2).chunk(2, dim=1)
        return 2 * torch.tanh(s / 2), t


class Scaling(nn.Module):
    r"""NICE's last layer, section 3.3: each coordinate times :math:`e^{s_i}`.

    Raises:
        ValueError: when called, for another number of coordinates.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(check_count("size", size)))

    def forward(self, x: Float[Tensor, "batch size"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        if x.ndim != 2 or x.shape[1] != len(self.log_scale):
            raise ValueError(
                f"expected [batch, {len(self.log_scale)}], got {tuple(x.shape)}: Scaling(x.shape[1])?"
            )
        return x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

    def inverse(self, y: Float[Tensor, "batch size"]) -> Float[Tensor, "batch size"]:
        """Back to the data."""
        return y * (-self.log_scale).exp()


class Logit(nn.Module):
    r"""RealNVP's first layer for pixels, section 4.1: :math:`\mathrm{logit}(\alpha + (1 - 2\alpha)\, x)`.

    Differs from the paper, which has :math:`1 - \alpha` and reaches infinity at 1.

    Raises:
        ValueError: when called, where a pixel is not within [0, 1].
    """

    def __init__(self, alpha: float = 0.05) -> None:
        super().__init__()
        self.alpha = check_number("alpha", alpha, above=0.0, most=0.499)

    def forward(self, x: Float[Tensor, "batch size"]) -> tuple[Tensor, Float[Tensor, " batch"]]:
        if x.numel():
            check_range(x, (0.0, 1.0), "leave Logit out")
        inner = self.alpha + (1 - 2 * self.alpha) * x
        y = torch.logit(inner)
        slope = (
            math.log(1 - 2 * self.alpha) + F.softplus(y) + F.softplus(-y)
        )  # d logit(p) / dp = 1 / (p (1 - p))
        return y, slope.sum(dim=1)

    def inverse(self, y: Float[Tensor, "batch size"]) -> Float[Tensor, "batch size"]:
        """Back to the data."""
        return (y.sigmoid() - self.alpha) / (1 - 2 * self.alpha)
