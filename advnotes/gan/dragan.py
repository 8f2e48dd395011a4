"""DRAGAN, Kodali et al. 2017: the discriminator's slope is held near the data, wherever the generator is."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_number
from advnotes.gan.penalty import Penalty
from advnotes.gan.wasserstein import gradient_norm_penalty

__all__ = ["DRAGAN"]


class DRAGAN(Penalty):
    r"""The penalty of the deep regret analytic GAN (Kodali, Abernethy, Hays and Kira 2017).

    .. math::
        \lambda\, \mathbb E_{x,\, \eta} \bigl(\lVert \nabla \ell(x + \eta) \rVert_2 - s\bigr)^2, \qquad
        \eta \sim \mathcal N(0, c^2 I)

    ``GAN(G, D, 64, penalties=[DRAGAN()])`` is the paper's game.

    Args:
        weight: the factor :math:`\lambda`.
        noise: the standard deviation :math:`c`, in the unit of the data.
        slope: the length :math:`s` (k in the paper) that the gradient is to have.
        every, samples: as in :class:`~advnotes.gan.Penalty`.

    Differs from the paper: the slope is the logit's, which stays where the sigmoid's is lost.

    Raises:
        ValueError: where ``weight``, ``noise`` or ``slope`` is negative, ``every`` or ``samples`` less than 1.
    """

    def __init__(
        self,
        weight: float = 10.0,
        *,
        noise: float = 0.5,
        slope: float = 1.0,
        every: int = 1,
        samples: int | None = None,
    ) -> None:
        super().__init__(every=every, samples=samples)
        self.weight = check_number("weight", weight, least=0.0)
        self.noise = check_number("noise", noise, least=0.0)
        self.slope = check_number("slope", slope, least=0.0)

    def term(
        self,
        logit: Callable[[Tensor], Tensor],
        real: Float[Tensor, "part ..."],
        fake: Float[Tensor, "fakes ..."],
    ) -> Float[Tensor, ""]:
        """The penalty around real samples."""
        near = real + self.noise * torch.randn_like(real)
        return self.weight * gradient_norm_penalty(logit, near, self.slope)
