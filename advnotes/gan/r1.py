"""The R1 and R2 gradient penalties of Mescheder et al. 2018."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.counter import add_one, number_of
from advnotes.gan.standard import GAN
from advnotes.nets import check_logit_network, input_gradients

__all__ = ["R1GAN", "R2GAN", "r1_penalty"]


def r1_penalty(discriminator: nn.Module, real: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
    r"""Half the mean squared length of the gradient of the discriminator's logit at real samples.

    .. math:: R_1 = \tfrac12\, \mathbb E_x \lVert \nabla_x \ell(x) \rVert_2^2

    (Mescheder, Geiger and Nowozin 2018, equation 9, without its factor gamma.) The length is taken of each sample
    by itself, and has the unit of one over the input's: a discriminator that spreads [0, 1] over [-1, 1] inside
    has twice the gradient of one that is handed [-1, 1], so a quarter of the gamma does the same.

    Differentiable in the discriminator's parameters, for one without normalisation across the batch.
    """
    return 0.5 * input_gradients(discriminator, real).square().sum(dim=1).mean()


class R1GAN(GAN):
    r"""The non-saturating GAN whose discriminator is kept flat at real samples: :math:`L_D + \gamma R_1`.

    The penalty makes the training converge near the equilibrium, where the plain game circles it.

    Args:
        generator, discriminator, latent_size: as in :class:`~advnotes.gan.standard.GAN`; where gamma is above 0, a
            discriminator without normalisation across the batch.
        gamma: the strength of the penalty, in the unit of the discriminator's input squared: a quarter of a
            paper's value where the paper's images lie in [-1, 1] and these in [0, 1].
        every: in training the penalty is taken in one of ``every`` turns and weighs as much more in it (lazy
            regularisation: Karras et al. 2020, StyleGAN2, section 3.1). In eval mode every call takes it.
        samples: on how many samples of the batch it is taken; all where it is not given.

    Raises:
        ValueError: where ``gamma`` is negative, ``every`` or ``samples`` less than 1, or a penalised discriminator has
            batch normalisation.
    """

    moves: Tensor

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        gamma: float = 1.0,
        every: int = 1,
        samples: int | None = None,
    ) -> None:
        super().__init__(generator, discriminator, latent_size)
        check_logit_network("discriminator", discriminator, penalised=gamma > 0)
        self.gamma = check_number("gamma", gamma, least=0.0)
        self.every = check_count("every", every)
        self.samples = None if samples is None else check_count("samples", samples)
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    def discriminator_loss(self, real: Float[Tensor, "batch ..."], *_: Tensor) -> Float[Tensor, ""]:
        """The GAN's loss, with the penalty where this turn takes it."""
        loss = super().discriminator_loss(real)
        every = self.every if self.training else 1  # what is measured between the moves must not count as one
        if every == 1 or number_of(self.moves) % every == 0:
            loss = loss + every * self.gamma * r1_penalty(self.discriminator, self.penalty_points(real))
        if self.training:
            add_one(self.moves)
        return loss

    def penalty_points(self, real: Float[Tensor, "batch ..."]) -> Float[Tensor, "part ..."]:
        """The samples at which the penalty is taken."""
        return real[: self.samples]


class R2GAN(R1GAN):
    r"""The same with the penalty at generated samples instead.

    .. math:: R_2 = \tfrac12\, \mathbb E_z \lVert \nabla_x \ell(G(z)) \rVert_2^2

    (Mescheder et al. 2018, equation 10.) They are drawn afresh; the generator's parameters get no gradient from
    them. The arguments are :class:`R1GAN`'s.
    """

    def penalty_points(self, real: Float[Tensor, "batch ..."]) -> Float[Tensor, "part ..."]:
        """As many generated samples."""
        with torch.no_grad():
            return self.sample(len(real[: self.samples]))
