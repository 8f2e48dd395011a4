"""The least squares GAN of Mao et al. 2016."""

from jaxtyping import Float
from torch import Tensor

from advnotes.gan.standard import GAN

__all__ = ["LSGAN"]


class LSGAN(GAN):
    r"""Least squares in place of cross-entropy (Mao, Li, Xie, Lau, Wang and Smolley 2016, equation 9).

    With the discriminator's number :math:`d(x)`, which is to be 1 at real and 0 at generated samples:

    .. math::
        L_D = \tfrac12 \mathbb E_x (d(x) - 1)^2 + \tfrac12 \mathbb E_z\, d(G(z))^2, \qquad
        L_G = \tfrac12 \mathbb E_z (d(G(z)) - 1)^2

    The best discriminator is :math:`d = p / (p + q)` itself, without a sigmoid. A generated sample is pushed along
    :math:`\nabla d` in proportion to how far it is from 1, also where a sigmoid would be flat. In this game
    :meth:`logit` is :math:`d`, not a logit.

    Arguments and errors are those of :class:`~advnotes.gan.standard.GAN`.
    """

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """Squared distance from 1 at real samples and from 0 at generated ones."""
        on_real, on_fake = self.logit(real, *labels), self.logit(fake, *labels)
        return ((on_real - 1).square().mean() + on_fake.square().mean()) / 2

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Squared distance from 1 at generated samples."""
        return (self.logit(self.generated(real, *labels), *labels) - 1).square().mean() / 2
