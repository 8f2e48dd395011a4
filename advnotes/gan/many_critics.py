"""Generative multi-adversarial networks, Durugkar et al. 2016: one generator before a jury of discriminators."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.gan.jury import Jury, Regulated, critic_weights
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import MinimaxGAN

__all__ = ["GMAN", "GMANStar"]


class GMAN(MinimaxGAN):
    r"""A generator that faces a jury, with the zero-sum loss (Durugkar, Gemp and Mahadevan 2016, section 4.1).

    .. math:: L_G = \sum_i w_i V_i, \qquad V_i = \mathbb E_z \log\bigl(1 - D_i(G(z))\bigr), \qquad
        w_i = \frac{e^{\lambda V_i}}{\sum_j e^{\lambda V_j}}

    With :math:`\lambda = 0` that is the mean over the critics, with a large one the critic that sees through the
    generator best. :math:`L_D` is the mean of the critics' own losses and penalties: plain gradient descent moves each
    one ``n``-th as far as it would go alone, Adam as far.

    Args:
        generator, latent_size, penalties: as in :class:`~advnotes.gan.GAN`.
        discriminator: the critics, as :class:`~advnotes.gan.Jury`.
        strictness: :math:`\lambda`, at least 0, in one over the unit of :math:`V`, which is nats.

    Differs from the paper: the weights leave out the part of :math:`V_i` that belongs to real samples, as in the
    authors' code; of the paper's three means only the arithmetic one is here.

    Raises:
        ValueError: where ``discriminator`` is no jury, or ``strictness`` is negative or not finite.
    """

    discriminator: Jury

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        strictness: float = 0.0,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        if not isinstance(discriminator, Jury):
            raise ValueError(f"expected a Jury([D1, D2]), got {type(discriminator).__name__}")
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        self.strictness = check_number("strictness", strictness, least=0.0)

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """The weighted mean of the critics' verdicts on generated samples."""
        logits = self.logit(self.generated(real, *labels), *labels)
        return self.pooled(self.discriminator.verdicts(-F.softplus(logits)))

    def pooled(self, verdicts: Float[Tensor, "critics ..."]) -> Float[Tensor, "..."]:
        """What the generator makes of the verdicts; the gradient goes through the weights as well."""
        return (critic_weights(verdicts, self.strictness) * verdicts).sum(dim=0)


class GMANStar(GMAN):
    r"""GMAN*: the generator chooses the strictness, and is rewarded for it by :math:`c\,\lambda` (section 4.4).

    .. math:: L_G = \sum_i w_i V_i - c\,\lambda, \qquad
        \frac{\partial L_G}{\partial \lambda} = \sum_i w_i V_i^2 - \Bigl(\sum_i w_i V_i\Bigr)^2 - c

    So :math:`\lambda` grows while the weighted variance of the verdicts is below :math:`c`: while the critics agree.

    Args:
        generator: the network in :class:`Regulated`; its optimizer moves :math:`\lambda` too.
        discriminator, latent_size, penalties: as in :class:`GMAN`.
        reward: :math:`c`, at least 0, in nats squared; the paper's is 0.001.

    Raises:
        ValueError: where ``generator`` is not regulated, or ``reward`` is negative or not finite.
    """

    generator: Regulated

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        reward: float = 0.001,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        if not isinstance(generator, Regulated):
            raise ValueError(f"expected a generator in Regulated(G), got {type(generator).__name__}")
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        self.reward = check_number("reward", reward, least=0.0)

    def pooled(self, verdicts: Float[Tensor, "critics ..."]) -> Float[Tensor, "..."]:
        """As in GMAN with the strictness of the moment, less the reward for it."""
        strictness = self.generator.log_strictness.exp()
        return (critic_weights(verdicts, strictness) * verdicts).sum(dim=0) - self.reward * strictness
