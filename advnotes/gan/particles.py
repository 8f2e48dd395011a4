"""Particles in place of a generator (Durr et al. 2022): all that is left of the network is how it ties its outputs."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN

__all__ = ["ParticleGAN", "Particles"]


class Particles(nn.Module):
    r""":math:`N` points that move as the outputs of a wide network do: each push is felt by all.

    Under gradient flow a network's outputs :math:`x_i` move by their neural tangent kernel
    :math:`\Gamma_{ij}`, and between any two of many random latent vectors a wide network has nearly the same one:

    .. math:: \dot x_i = \sum_j \Gamma_{ij}\, \nabla\ell(x_j), \qquad
        \Gamma = (1 - c)\, I + \tfrac{c}{N}\, \mathbf 1 \mathbf 1^\top

    (Durr, Mroueh, Tu and Wang 2022; their universal kernel, here scaled so that the centre of
    mass moves at the same speed whatever :math:`c` is.) Gradient descent on the parameter :attr:`pull` with
    :math:`x = x_0 + \Gamma^{1/2} w` is exactly that motion, so any optimizer without a memory will do.

    Args:
        start: where the particles begin, :math:`x_0`.
        coupling: :math:`c` in [0, 1]: 0 is a cloud of independent points, 1 a rigid one, which can only be moved
            as a whole.

    Raises:
        ValueError: where there are no particles or ``coupling`` is outside [0, 1].
    """

    start: Tensor

    def __init__(self, start: Float[Tensor, "particles coordinates"], coupling: float) -> None:
        super().__init__()
        if len(start) == 0:
            raise ValueError(f"expected one particle or more, got start of shape {tuple(start.shape)}")
        check_number("coupling", coupling, least=0.0, most=1.0)
        self.register_buffer("start", start.detach().clone())
        self.pull = nn.Parameter(torch.zeros_like(start))
        self.coupling = coupling

    def forward(self) -> Float[Tensor, "particles coordinates"]:
        """Where the particles are."""
        together = self.pull.mean(dim=0)  # the kernel's eigenvalue is 1 there, and 1 - c on all differences
        return self.start + together + (1 - self.coupling) ** 0.5 * (self.pull - together)

    def kernel(self) -> Float[Tensor, "particles particles"]:
        r""":math:`\Gamma`, for the eye."""
        n = len(self.start)
        return (1 - self.coupling) * torch.eye(n).to(self.start) + self.coupling / n


class ParticleGAN(GAN):
    r"""The non-saturating GAN whose generator is :class:`Particles`.

    Each particle is one sample, so that :math:`L_G = \sum_i \mathrm{softplus}(-\ell(x_i))`: a sum, not a mean, so
    that a particle's speed does not depend on how many there are. Batches of real samples may have any size.

    Args:
        generator: the particles.
        discriminator: maps samples to one logit each.
        penalties: as in :class:`~advnotes.gan.GAN`; one that needs as many generated samples as real ones
            (``SlopePenalty``) wants batches of as many samples as there are particles.

    Raises:
        ValueError: where ``generator`` is no :class:`Particles`.
    """

    generator: Particles

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, *, penalties: Penalty | Sequence[nn.Module] = ()
    ) -> None:
        if not isinstance(generator, Particles):
            raise ValueError(f"expected Particles for a generator, got {type(generator).__name__}")
        super().__init__(generator, discriminator, latent_size=1, penalties=penalties)

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the log-probability of being real, summed over the particles."""
        return super().generator_loss(real) * len(self.generator.start)

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        *,
        labels: Tensor | int | None = None,
    ) -> Float[Tensor, "particles ..."]:
        """All particles, however many are asked for: nothing is drawn.

        Raises:
            ValueError: where labels are given: particles have no classes.
        """
        self.refuse_labels(labels)
        return self.generator()
