"""The hinge GAN of Lim and Ye 2017."""

from jaxtyping import Float
from torch import Tensor

from advnotes.gan.standard import GAN

__all__ = ["HingeGAN"]


class HingeGAN(GAN):
    r"""A support vector machine for a discriminator (Lim and Ye 2017, Geometric GAN, section 3).

    .. math::
        L_D = \mathbb E_x \max(0, 1 - \ell(x)) + \mathbb E_z \max(0, 1 + \ell(G(z))), \qquad
        L_G = -\mathbb E_z\, \ell(G(z))

    The discriminator learns from the samples within its margin alone. Its best answer is the sign of :math:`p - q`
    and no density ratio, so that nothing of :mod:`advnotes.gan.divergences` applies. Every generated sample is pushed
    along :math:`\nabla\ell` with the same weight.

    Arguments and errors are those of :class:`~advnotes.gan.standard.GAN`.
    """

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """What real samples lack to a logit of 1, and generated ones to -1."""
        on_real, on_fake = self.logit(real, *labels), self.logit(fake, *labels)
        return (1 - on_real).clamp_min(0).mean() + (1 + on_fake).clamp_min(0).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the mean logit of generated samples."""
        return -self.logit(self.generated(real, *labels), *labels).mean()
