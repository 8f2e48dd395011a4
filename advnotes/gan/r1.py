"""The R1 and R2 gradient penalties of Mescheder et al. 2018."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_number
from advnotes.gan.penalty import Penalty
from advnotes.nets import input_gradients

__all__ = ["R1", "R2", "r1_penalty"]


def r1_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Float[Tensor, "batch ..."]
) -> Float[Tensor, ""]:
    r"""Half the mean squared length of the gradient of the discriminator's logit at real samples.

    .. math:: R_1 = \tfrac12\, \mathbb E_x \lVert \nabla_x \ell(x) \rVert_2^2

    (Mescheder, Geiger and Nowozin 2018, equation 9, without its factor gamma.) The length is taken of each sample
    by itself, and has the unit of one over the input's: a discriminator that spreads [0, 1] over [-1, 1] inside
    has twice the gradient of one that is handed [-1, 1], so a quarter of the gamma does the same.

    Differentiable in the discriminator's parameters, for one without normalisation across the batch.
    """
    return 0.5 * input_gradients(discriminator, real).square().sum(dim=1).mean()


class R1(Penalty):
    r"""The discriminator is kept flat at real samples: :math:`\gamma R_1`, see :func:`r1_penalty`.

    The penalty makes the training converge near the equilibrium, where the plain game circles it:
    ``GAN(G, D, 64, penalties=[R1(gamma=0.25)])``.

    Args:
        gamma: the strength, in the unit of the discriminator's input squared: a quarter of a paper's value where the
            paper's images lie in [-1, 1] and these in [0, 1].
        every, samples: as in :class:`~advnotes.gan.Penalty`.

    Raises:
        ValueError: where ``gamma`` is negative, ``every`` or ``samples`` less than 1.
    """

    def __init__(self, gamma: float = 1.0, *, every: int = 1, samples: int | None = None) -> None:
        super().__init__(every=every, samples=samples)
        self.gamma = check_number("gamma", gamma, least=0.0)

    def term(
        self,
        logit: Callable[[Tensor], Tensor],
        real: Float[Tensor, "part ..."],
        fake: Float[Tensor, "fakes ..."],
    ) -> Float[Tensor, ""]:
        r""":math:`\gamma R_1` at the real samples."""
        return self.gamma * r1_penalty(logit, real)


class R2(R1):
    r"""The same at generated samples instead.

    .. math:: R_2 = \tfrac12\, \mathbb E_z \lVert \nabla_x \ell(G(z)) \rVert_2^2

    (Mescheder et al. 2018, equation 10.) They are those of the loss, and the generator's parameters get no gradient
    from them. The arguments are :class:`R1`'s.
    """

    def term(
        self,
        logit: Callable[[Tensor], Tensor],
        real: Float[Tensor, "part ..."],
        fake: Float[Tensor, "fakes ..."],
    ) -> Float[Tensor, ""]:
        r""":math:`\gamma R_2` at the generated samples."""
        return super().term(logit, fake, real)
