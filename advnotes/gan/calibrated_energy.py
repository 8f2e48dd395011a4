"""Calibrated energy-based GANs of Dai et al. 2017: a discriminator that ends as the energy of the data."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN, LARGER
from advnotes.precision import at_least_float32

__all__ = ["CalibratedGAN", "HalfSquaredNorm", "NegativeEntropy", "knn_entropy"]


def knn_entropy(samples: Float[Tensor, "batch ..."], neighbours: int = 1) -> Float[Tensor, ""]:
    r"""The entropy of the density that samples were drawn from, in nats, by their k-th nearest neighbours.

    .. math:: \hat H = \frac dn \sum_i \log r_{i,k} + \log V_d + \psi(n) - \psi(k)

    with the distance :math:`r_{i,k}` from sample :math:`i` to its :math:`k`-th neighbour, the volume :math:`V_d` of the
    unit ball, and the digamma function :math:`\psi` (Kozachenko and Leonenko 1987). It asks for few coordinates: in
    many, all neighbours are far. The gradient goes through both ends of a distance; samples in one place get none.

    Raises:
        ValueError: where there are not more samples than neighbours, or ``neighbours`` is less than 1.
    """
    k, x = check_count("neighbours", neighbours), at_least_float32(samples).flatten(1)
    n, d = x.shape
    if n <= k:
        raise ValueError(f"expected more than {k} samples for that neighbour, got {n}: {LARGER}")
    with torch.no_grad():
        apart = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(math.inf)
        near = apart.topk(k, largest=False).indices[:, -1]
    squares = (x - x[near]).square().sum(dim=1).clamp_min(torch.finfo(x.dtype).tiny)
    ball = 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d + 1)
    psi = torch.special.digamma(torch.tensor([n, k], dtype=torch.float64, device="cpu")).tolist()
    return 0.5 * d * squares.log().mean() + (ball + psi[0] - psi[1])


@dataclass(frozen=True)
class NegativeEntropy:
    r""":math:`K(q) = -w\,H(q)` by :func:`knn_entropy`: the energy ends as :math:`-w \log p` plus a constant."""

    neighbours: int = 10
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_count("neighbours", self.neighbours)
        check_number("weight", self.weight, least=0.0)

    def __call__(self, samples: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        return -self.weight * knn_entropy(samples, self.neighbours)


@dataclass(frozen=True)
class HalfSquaredNorm:
    r""":math:`K(q) = \tfrac12 \int q^2`: the energy ends as :math:`-p` plus a constant.

    It is taken of :math:`q` blurred by a normal density of standard deviation ``bandwidth``, over pairs of samples.
    """

    bandwidth: float

    def __post_init__(self) -> None:
        check_number("bandwidth", self.bandwidth, above=0.0)

    def __call__(self, samples: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        x = at_least_float32(samples).flatten(1)
        if len(x) < 2:
            raise ValueError(f"expected two samples or more, which make pairs, got {len(x)}: {LARGER}")
        squares, spread = torch.pdist(x).square(), 4 * self.bandwidth**2
        return 0.5 * torch.exp(-squares / spread - 0.5 * x.shape[1] * math.log(math.pi * spread)).mean()


class CalibratedGAN(GAN):
    r"""The game :math:`\max_c \min_q\; \mathbb E_q\, c - \mathbb E_p\, c + K(q)` of energy and generator.

    .. math::
        L_D = \mathbb E_x\, c(x) - \mathbb E_z\, c(G(z)), \qquad L_G = \mathbb E_z\, c(G(z)) + K(G)

    (Dai, Almahairi, Bachman, Hovy and Courville 2017, equation 1.) Where nobody can gain, :math:`q = p` and
    :math:`c = -K'(p)` plus a constant (proposition 3.1): the convex :math:`K` decides what the discriminator remembers
    of the data. A constant one lets it forget all but their support.

    Differs from the paper: its equation 11 takes unit steps away from neighbours, not the entropy's gradient.

    Args:
        generator, latent_size, penalties: as in :class:`~advnotes.gan.standard.GAN`.
        discriminator: maps samples to one energy :math:`c` each, of either sign.
        convex: :math:`K`, from generated samples to a number, such as :class:`NegativeEntropy`; None is a constant.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        convex: Callable[[Tensor], Tensor] | None = NegativeEntropy(),
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        self.convex = convex

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """The energy of real samples, less that of generated ones."""
        return self.logit(real, *labels).mean() - self.logit(fake, *labels).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """The energy of generated samples, and K."""
        fake = self.generated(real, *labels)
        loss = self.logit(fake, *labels).mean()
        return loss if self.convex is None else loss + self.convex(fake)
