"""The energy-based GAN of Zhao et al. 2016: a discriminator that gives energies in place of probabilities."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_number
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN, LARGER
from advnotes.precision import at_least_float32

__all__ = ["EBGAN", "Autoencoder", "pulling_away"]


class Autoencoder(nn.Module):
    r"""A discriminator whose energy is how badly it rebuilds a sample.

    .. math:: D(x) = \tfrac1d \lVert \mathrm{Dec}(\mathrm{Enc}(x)) - x \rVert_2^2

    over the :math:`d` coordinates of a sample, so in the data's unit squared. The energy's gradient goes through the
    sample as input and as target. Differs from the paper: its equation 13 is the length itself.

    Args:
        encoder: maps samples to representations, ``[batch, ...]``.
        decoder: maps representations to samples.

    Raises:
        ValueError: when called, where what is rebuilt has not the samples' shape.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """The energy of each sample."""
        rebuilt = call_model(self.decoder, call_model(self.encoder, x))
        if rebuilt.shape != x.shape:
            raise ValueError(
                f"the decoder gives the shape {tuple(rebuilt.shape)}, the samples have {tuple(x.shape)}: let it end "
                "with theirs"
            )
        return at_least_float32(rebuilt - x).square().flatten(1).mean(dim=1)


def pulling_away(codes: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
    r"""The mean squared cosine between the representations of two *different* samples.

    .. math:: f_{PT}(S) = \frac{1}{N(N-1)} \sum_i \sum_{j \ne i}
        \Bigl(\frac{S_i^\top S_j}{\lVert S_i\rVert\, \lVert S_j\rVert}\Bigr)^2

    (Zhao, Mathieu and LeCun 2016, equation 14.) Codes that are 0 have no direction and count as at right angles.

    Raises:
        ValueError: where there are fewer than two samples.
    """
    n = len(codes)
    if n < 2:
        raise ValueError(f"expected two samples or more, which make pairs, got {n}: {LARGER}")
    directions = F.normalize(at_least_float32(codes).flatten(1), dim=1)
    squared = (directions @ directions.T).square()
    return (squared.sum() - squared.diagonal().sum()) / (n * (n - 1))


class EBGAN(GAN):
    r"""A GAN whose discriminator is an energy: low at real samples, at least :math:`m` at generated ones.

    .. math::
        L_D &= \mathbb E_x\, D(x) + \mathbb E_z\, [m - D(G(z))]^+ \\
        L_G &= \mathbb E_z\, D(G(z)) + w\, f_{PT}\bigl(\mathrm{Enc}(G(z))\bigr)

    (Zhao, Mathieu and LeCun 2016, equations 1, 2 and 14; :math:`[a]^+ = \max(a, 0)` of each sample by itself.)

    Args:
        generator, latent_size, penalties: as in :class:`~advnotes.gan.standard.GAN`.
        discriminator: maps samples to one energy each, in the logit's place, such as an :class:`Autoencoder`.
        margin: :math:`m`, in the unit of the energy. At 0 the discriminator does not look at generated samples.
        pull_away: :math:`w`, the weight of :func:`pulling_away`, in the paper 0.1; 0 needs no ``encoder``.

    Raises:
        ValueError: where ``margin`` or ``pull_away`` is negative, or there is no ``encoder`` to be pulled apart.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        margin: float,
        pull_away: float = 0.1,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        self.margin = check_number("margin", margin, least=0.0)
        self.pull_away = check_number("pull_away", pull_away, least=0.0)
        if self.pull_away > 0 and "encoder" not in dict(discriminator.named_children()):
            raise ValueError(
                "pull_away acts on what the discriminator's encoder gives, and "
                f"{type(discriminator).__name__} has no module of that name: use Autoencoder, or pull_away=0"
            )

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """The energy of real samples, and what generated ones lack to the margin."""
        return self.logit(real, *labels).mean() + F.relu(self.margin - self.logit(fake, *labels)).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """The energy of generated samples, and how alike their representations are."""
        fake = self.generated(real, *labels)
        loss = self.logit(fake, *labels).mean()
        if self.pull_away > 0:
            loss = loss + self.pull_away * pulling_away(
                call_model(self.discriminator.get_submodule("encoder"), fake)
            )
        return loss
