"""The relativistic pairing GAN, Jolicoeur-Martineau 2018; with R1 and R2 the loss of R3GAN, Huang et al. 2024."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from advnotes.gan.standard import GAN

__all__ = ["RelativisticGAN"]


class RelativisticGAN(GAN):
    r"""A GAN that judges in pairs: is this real sample more real than that generated one?

    .. math::
        L_D &= \mathbb E_{x, z}\, \mathrm{softplus}\bigl(-(\ell(x) - \ell(G(z)))\bigr) \\
        L_G &= \mathbb E_{x, z}\, \mathrm{softplus}\bigl(-(\ell(G(z)) - \ell(x))\bigr)

    (Jolicoeur-Martineau 2018, "relativistic standard GAN", section 4.1; called RpGAN by Sun, Fang and Schwing 2020
    and by Huang, Gokaslan, Kuleshov and Tompkin 2024, equation 2.) Only differences of logits count, so that no single
    threshold can part real from generated samples. The i-th real sample of a batch is paired with the i-th generated
    one; in a conditional game both are of one class.

    R3GAN's loss is ``RelativisticGAN(G, D, 64, penalties=[R1(gamma), R2(gamma)])``, with one gamma for both.

    Differs from the paper: R3GAN's networks are large residual ones of its own; the loss takes any.

    Args:
        generator, discriminator, latent_size, penalties: as in :class:`~advnotes.gan.GAN`. A discriminator without
            normalisation across the batch, by which the two of a pair would not be judged by themselves.

    Raises:
        ValueError: as :class:`~advnotes.gan.GAN`; and when called, where there are not as many generated samples as
            real ones.
    """

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "batch ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the log-probability that the real one of each pair is taken for it."""
        return F.softplus(-self.lead(real, fake, *labels)).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the log-probability that the generated one of each pair is taken for the real one."""
        return F.softplus(self.lead(real, self.generated(real, *labels), *labels)).mean()

    def lead(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, " batch"]:
        r""":math:`\ell(x) - \ell(G(z))`: by how much the real sample of each pair is ahead.

        Raises:
            ValueError: where the two are not equally many.
        """
        if len(fake) != len(real):
            raise ValueError(
                f"pairs need as many generated samples as real ones, got {len(fake)} and {len(real)}: "
                "let the batches have the generator's size"
            )
        return self.logit(real, *labels) - self.logit(fake, *labels)
