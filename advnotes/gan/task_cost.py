"""The task-specific cost of Creswell and Bharath 2016: real and generated samples do not count alike."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN

__all__ = ["TaskCostGAN"]


class TaskCostGAN(GAN):
    r"""A GAN whose discriminator weighs real samples by :math:`\pi` and generated ones by :math:`1 - \pi`.

    .. math::
        L_D &= \pi\, \mathbb E_x\, \mathrm{softplus}(-\ell(x))
        + (1 - \pi)\, \mathbb E_z\, \mathrm{softplus}(\ell(G(z))) \\
        D^\star &= \frac{\pi p}{\pi p + (1 - \pi) q}

    (Creswell and Bharath 2016; the generator's loss is :class:`~advnotes.gan.GAN`'s, as in the authors' code.) With
    :math:`m = \pi p + (1 - \pi) q`, a perfect discriminator's :math:`L_D` is a constant less

    .. math:: \mathrm{JSD}_\pi = \pi\, \mathrm{KL}(p, m) + (1 - \pi)\, \mathrm{KL}(q, m)

    which, over its size, tends to :math:`\mathrm{KL}(p, q)` for :math:`\pi \to 0` and to :math:`\mathrm{KL}(q, p)` for
    :math:`\pi \to 1`. That is what a *zero-sum* generator descends:
    ``class ZeroSum(TaskCostGAN, MinimaxGAN): pass``. The non-saturating one here has other limits: the gradient of
    :math:`\mathrm{KL}(q, p)` for :math:`\pi \to 0`, and of :math:`\chi^2(q, p)` for :math:`\pi \to 1`.

    Args:
        generator, discriminator, latent_size, penalties: as in :class:`~advnotes.gan.GAN`.
        pi: the weight :math:`\pi` of real samples, between 0 and 1; 1/2 is half the loss of ``GAN``.

    Raises:
        ValueError: where ``pi`` is not between 0 and 1, or is one of them.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        pi: float = 0.5,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        self.pi = check_number("pi", pi, above=0.0, most=1.0)
        if self.pi == 1:
            raise ValueError("pi must be below 1, got 1: with it generated samples would not count")

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """The weighted cross-entropy."""
        on_real = self.pi * F.softplus(-self.logit(real, *labels))
        return on_real.mean() + ((1 - self.pi) * F.softplus(self.logit(fake, *labels))).mean()
