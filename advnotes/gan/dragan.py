"""DRAGAN, Kodali et al. 2017: the discriminator's slope is held near the data, wherever the generator is."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_floating, check_number
from advnotes.gan.standard import GAN
from advnotes.gan.wasserstein import gradient_norm_penalty
from advnotes.nets import check_logit_network

__all__ = ["DRAGAN"]


class DRAGAN(GAN):
    r"""Deep regret analytic GAN (Kodali, Abernethy, Hays and Kira 2017).

    .. math::
        L_D' = L_D + \lambda\, \mathbb E_{x,\, \eta} \bigl(\lVert \nabla \ell(x + \eta) \rVert_2 - s\bigr)^2, \qquad
        \eta \sim \mathcal N(0, c^2 I)

    Args:
        generator, discriminator, latent_size: as in :class:`~advnotes.gan.standard.GAN`; a discriminator without
            normalisation across the batch.
        weight: the penalty's :math:`\lambda`.
        noise: the standard deviation :math:`c`, in the unit of the data.
        slope: the length :math:`s` (k in the paper) that the gradient is to have.

    Differs from the paper: the slope is the logit's, which stays where the sigmoid's is lost.

    Raises:
        ValueError: where ``weight``, ``noise`` or ``slope`` is negative, or the discriminator has batch normalisation.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        weight: float = 10.0,
        noise: float = 0.5,
        slope: float = 1.0,
    ) -> None:
        super().__init__(generator, discriminator, latent_size)
        check_logit_network("discriminator", discriminator, penalised=True)
        self.weight = check_number("weight", weight, least=0.0)
        self.noise = check_number("noise", noise, least=0.0)
        self.slope = check_number("slope", slope, least=0.0)

    def discriminator_loss(self, real: Float[Tensor, "batch ..."], *_: Tensor) -> Float[Tensor, ""]:
        """The GAN's loss, and the penalty around real samples."""
        check_floating(real)
        near = real + self.noise * torch.randn_like(real)
        loss = super().discriminator_loss(real)
        return loss + self.weight * gradient_norm_penalty(self.discriminator, near, self.slope)
