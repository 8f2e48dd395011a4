"""Wasserstein GANs: Arjovsky et al. 2017, by clipping, and Gulrajani et al. 2017, by a gradient penalty."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN, check_penalties
from advnotes.nets import input_gradients

__all__ = ["WGAN", "WGANGP", "SlopePenalty", "gradient_norm_penalty"]


def gradient_norm_penalty(
    discriminator: Callable[[Tensor], Tensor], x: Float[Tensor, "batch ..."], slope: float = 1.0
) -> Float[Tensor, ""]:
    r"""How far the length of the discriminator's gradient at each sample is from ``slope``.

    .. math:: \mathbb E_x \bigl(\lVert \nabla_x \ell(x) \rVert_2 - s\bigr)^2

    (Gulrajani et al. 2017, equation 3, without its factor lambda.) The length is taken of each sample by itself and
    over all of its coordinates; ``slope`` has the unit of one over the input's. Differentiable in the
    discriminator's parameters, for one without normalisation across the batch; a slope of exactly 0 gives no
    gradient.
    """
    return (torch.linalg.vector_norm(input_gradients(discriminator, x), dim=1) - slope).square().mean()


class SlopePenalty(Penalty):
    r"""The discriminator's slope between real and generated samples is held at ``slope``.

    .. math:: \lambda\, \mathbb E_{\hat x} \bigl(\lVert \nabla \ell(\hat x) \rVert_2 - s\bigr)^2, \qquad
        \hat x = u\,x + (1 - u)\,G(z)

    with one :math:`u`, uniform on [0, 1], for each sample (Gulrajani et al. 2017, equation 3).

    Args:
        weight: the factor :math:`\lambda`.
        slope: the length :math:`s` that the gradient is to have, in the unit of one over the input's.
        every, samples: as in :class:`~advnotes.gan.Penalty`.

    Raises:
        ValueError: where ``weight`` or ``slope`` is negative, ``every`` or ``samples`` less than 1.
    """

    def __init__(
        self, weight: float = 10.0, *, slope: float = 1.0, every: int = 1, samples: int | None = None
    ) -> None:
        super().__init__(every=every, samples=samples)
        self.weight = check_number("weight", weight, least=0.0)
        self.slope = check_number("slope", slope, least=0.0)

    def term(
        self,
        logit: Callable[[Tensor], Tensor],
        real: Float[Tensor, "part ..."],
        fake: Float[Tensor, "fakes ..."],
    ) -> Float[Tensor, ""]:
        """The penalty somewhere on the segment from each generated sample to a real one.

        Raises:
            ValueError: where the two are not equally many.
        """
        if len(fake) != len(real):
            raise ValueError(
                f"expected as many generated samples as real ones, between which the points lie, got {len(fake)} and "
                f"{len(real)}: let the batches have the generator's size, or pass samples= of the smaller one"
            )
        share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
        between = share * real + (1 - share) * fake
        return self.weight * gradient_norm_penalty(logit, between, self.slope)


class _Critic(GAN):
    r"""Both forms: :math:`L_D = \mathbb E\,\ell(G(z)) - \mathbb E\,\ell(x)`, :math:`L_G = -\mathbb E\,\ell(G(z))`."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        moves: int,
        penalties: Penalty | Sequence[nn.Module],
    ) -> None:
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        self.turns = ("discriminator",) * check_count("moves", moves) + ("generator",)

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the difference that the critic sees: its mean value of generated samples minus that of real ones."""
        return self.logit(fake, *labels).mean() - self.logit(real, *labels).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the critic's mean value of generated samples."""
        return -self.logit(self.generated(real, *labels), *labels).mean()


class WGAN(_Critic):
    r"""Wasserstein GAN, Algorithm 1 of Arjovsky, Chintala and Bottou 2017.

    A critic :math:`\ell` whose slope is bounded, here by keeping each of its weights within :math:`[-c, c]`:

    .. math::
        L_D = \mathbb E_z\, \ell(G(z)) - \mathbb E_x\, \ell(x), \qquad L_G = -\mathbb E_z\, \ell(G(z))

    Minus the critic's loss is, at its best, a multiple of the distance :math:`W_1(p, q)`.

    Args:
        generator, latent_size: as in :class:`~advnotes.gan.standard.GAN`.
        discriminator: the critic: one unbounded number for each sample. Its weights are clipped in place before
            each use in a loss, so after the game they may be one step beyond.
        clip: the bound :math:`c`.
        moves: of the critic in each round, ``n_critic`` in the paper.
        penalties: as in :class:`~advnotes.gan.standard.GAN`.

    Raises:
        ValueError: where ``clip`` is not positive or ``moves`` less than 1.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        clip: float = 0.01,
        moves: int = 5,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(generator, discriminator, latent_size, moves=moves, penalties=penalties)
        self.clip = check_number("clip", clip, above=0.0)

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the difference that the clipped critic sees."""
        self.clamp()
        return super().discriminator_objective(real, fake, *labels)

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the clipped critic's mean value of generated samples."""
        self.clamp()
        return super().generator_loss(real, *labels)

    @torch.no_grad()
    def clamp(self) -> None:
        """Put every weight of the critic back into its interval."""
        for parameter in self.discriminator.parameters():
            parameter.clamp_(-self.clip, self.clip)


class WGANGP(_Critic):
    r"""Wasserstein GAN with gradient penalty, Algorithm 1 of Gulrajani et al. 2017: no clipping.

    .. math::
        L_D = \mathbb E_z\, \ell(G(z)) - \mathbb E_x\, \ell(x)
        + \lambda\, \mathbb E_{\hat x} \bigl(\lVert \nabla \ell(\hat x) \rVert_2 - 1\bigr)^2

    with the points of :class:`SlopePenalty`.

    Args:
        generator, discriminator, latent_size: as in :class:`WGAN`; a critic without normalisation across the batch.
        weight: the penalty's :math:`\lambda`.
        moves: of the critic in each round.
        penalties: more of them.

    Raises:
        ValueError: where ``weight`` is negative, ``moves`` less than 1, or the critic has batch normalisation.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        weight: float = 10.0,
        moves: int = 5,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        penalties = [SlopePenalty(weight), *check_penalties(penalties)]
        super().__init__(generator, discriminator, latent_size, moves=moves, penalties=penalties)
