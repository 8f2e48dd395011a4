"""One-sided label smoothing of Salimans et al. 2016: a discriminator that never becomes certain of real samples."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.gan.standard import GAN

__all__ = ["LabelSmoothingGAN"]


class LabelSmoothingGAN(GAN):
    r"""A GAN whose discriminator is told that a real sample is real with probability :math:`\alpha < 1`.

    .. math:: L_D = \mathbb E_x \bigl[\alpha\, \mathrm{softplus}(-\ell(x)) + (1 - \alpha)\, \mathrm{softplus}(\ell(x))
        \bigr] + \mathbb E_z\, \mathrm{softplus}(\ell(G(z)))

    (Salimans et al. 2016, section 3.4.) The best discriminator is :math:`D = \alpha p / (p + q)`, whose logit never
    exceeds :math:`\log \frac{\alpha}{1 - \alpha}`, which is log 9 for :math:`\alpha = 0.9`. It is *one-sided*:
    generated samples keep the label 0. With a label :math:`\beta > 0` for them the best one would be
    :math:`(\alpha p + \beta q) / (p + q)`, which rises where the generator puts its samples, however bad they are.
    There is therefore no argument for it.

    Args:
        generator, discriminator, latent_size, penalties: as in :class:`~advnotes.gan.GAN`.
        real: the label :math:`\alpha` of real samples, above 0.5; 1 is the plain GAN.

    Raises:
        ValueError: as :class:`~advnotes.gan.GAN`, and where ``real`` is not above 0.5 and at most 1.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        real: float = 0.9,
        **options: object,
    ) -> None:
        super().__init__(generator, discriminator, latent_size, **options)  # type: ignore[arg-type]
        self.real = check_number("real", real, above=0.5, most=1.0)

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """Cross-entropy with the labels ``self.real`` and 0."""
        on_real, on_fake = self.logit(real, *labels), self.logit(fake, *labels)
        # softplus(l) = softplus(-l) + l
        return F.softplus(-on_real).mean() + (1 - self.real) * on_real.mean() + F.softplus(on_fake).mean()
