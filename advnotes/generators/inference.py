"""ALI, Dumoulin et al. 2016, and BiGAN, Donahue et al. 2016: a GAN that learns to infer its latent vectors."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count
from advnotes.game import Turns
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN, check_real, generate
from advnotes.nets import check_logit_network, one_logit

__all__ = ["BiGAN", "GaussianEncoder", "PairDiscriminator"]


class BiGAN(GAN):
    r"""A GAN of pairs: a sample with the latent vector that the encoder infers, or a latent vector with its sample.

    The discriminator tells :math:`(x, E(x))` from :math:`(G(z), z)`, and encoder and generator, which move at once,
    both want it to be wrong. With its logit :math:`\ell(x, z)`:

    .. math::
        L_D &= \mathbb E_x\, \mathrm{softplus}(-\ell(x, E(x))) + \mathbb E_z\, \mathrm{softplus}(\ell(G(z), z)) \\
        L_E &= \mathbb E_x\, \mathrm{softplus}(\ell(x, E(x))) \\
        L_G &= \mathbb E_z\, \mathrm{softplus}(-\ell(G(z), z))

    :math:`L_E + L_G` is the generator's loss in Algorithm 1 of Dumoulin et al. 2016: the one part does not depend on
    :math:`G`, the other not on :math:`E`. Where the two pairs have the same distribution, and encoder
    and generator are deterministic, each inverts the other (Donahue et al. 2016, theorem 2). No loss asks for it.

    A penalty sees each pair as one row, the sample flattened and the latent vector behind it: ``R1`` and ``R2`` keep
    the discriminator flat in both.

    Args:
        encoder: maps samples to latent vectors, ``[batch, latent_size]``; for ALI's random ones see
            :class:`GaussianEncoder`.
        generator: maps latent vectors to samples.
        discriminator: called as ``discriminator(x, z)``, gives one logit to each pair, no sigmoid at its end;
            :class:`PairDiscriminator` makes one.
        latent_size: the number of latent coordinates, drawn from a standard normal.
        shape: of one sample, such as ``(1, 28, 28)``.
        penalties: as in :class:`~advnotes.gan.GAN`.

    Differs from the papers: BiGAN's latent vectors on MNIST are uniform in [-1, 1]; they are normal here, as ALI's.
    Both papers move all three networks at once; here the discriminator moves first.

    Raises:
        ValueError: as :class:`~advnotes.gan.GAN`; where ``shape`` is no sequence of at least one number, or has one
            less than 1; when called, where samples
            have another shape than ``shape``, or the encoder does not give ``latent_size`` numbers to each.
    """

    turns: Turns = ("discriminator", ("encoder", "generator"))

    def __init__(
        self,
        encoder: nn.Module,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        shape: Sequence[int],
        *,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        self.encoder = encoder
        if not isinstance(shape, Sequence) or len(shape) == 0:
            raise ValueError(
                f"shape must have the sides of one sample, such as (1, 28, 28) or (2,), got {shape!r}"
            )
        self.shape = tuple(check_count("shape", side) for side in shape)

    def discriminator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy of telling inferred pairs from generated ones, and the penalties there."""
        with torch.no_grad():  # the encoder does not move in this turn
            pairs = self.inferred(real)
        return super().discriminator_loss(pairs)

    def encoder_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the log-probability that the discriminator gives to inferred pairs of being generated."""
        return F.softplus(self.logit(self.inferred(real))).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the log-probability that the discriminator gives to generated pairs of being inferred."""
        return super().generator_loss(real)

    def inferred(self, real: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch pair"]:
        """The pairs :math:`(x, E(x))`, a row each."""
        return torch.cat([real.flatten(1), self.encode(real)], dim=1)

    def generated(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, "batch pair"]:
        """As many pairs :math:`(G(z), z)`, a row each."""
        check_real(real)
        z = self.latent(len(real))
        fake = generate(self.generator, z)
        self.check_shape("the generator's samples", fake)
        return torch.cat([fake.flatten(1), z], dim=1)

    def logit(self, x: Float[Tensor, "batch pair"], *labels: Tensor) -> Float[Tensor, " batch"]:
        r"""The discriminator's logit :math:`\ell(x, z)` of each pair."""
        z = x[:, -self.latent_size :]
        return one_logit(
            lambda part: self.discriminator(part, z), x[:, : -self.latent_size].unflatten(1, self.shape)
        )

    def encode(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch latent"]:
        """The latent vector that the encoder infers of each sample; in eval mode for one that normalises batches."""
        check_real(x)
        self.check_shape("samples", x)
        z = call_model(self.encoder, x)
        if z.shape != (len(x), self.latent_size):
            raise ValueError(
                f"the encoder makes the shape {tuple(z.shape)} of {len(x)} samples, expected "
                f"{(len(x), self.latent_size)}: let it end with latent_size outputs, or 2 * latent_size within "
                "GaussianEncoder"
            )
        return z

    def reconstruct(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """:math:`G(E(x))`, which no loss compares with :math:`x`."""
        return generate(self.generator, self.encode(x))

    def check_shape(self, what: str, x: Tensor) -> None:
        """Raise ValueError for samples of another shape than the game's."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"{what} have the shape {tuple(x.shape[1:])} each, this game's are {self.shape}: make it with the "
                "data's shape, and let the generator end with that"
            )


class GaussianEncoder(nn.Module):
    r"""ALI's encoder: latent vectors drawn from a normal distribution that depends on the sample.

    .. math:: z = \mu(x) + \sigma(x)\,\varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1)

    (Dumoulin et al. 2016, section 2.) Gradients reach both.

    Args:
        network: maps samples to :math:`(\mu, \log\sigma)`, side by side in a row ``[batch, 2 * latent_size]``.

    Raises:
        ValueError: when called, where the network does not give a row of an even number to each sample.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch latent"]:
        """Draw a latent vector for each sample."""
        mean, log_sigma = self.halves(x)
        return mean + log_sigma.exp() * torch.randn_like(mean)

    def mean(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch latent"]:
        r"""The middle :math:`\mu(x)` of what is drawn."""
        return self.halves(x)[0]

    def halves(self, x: Float[Tensor, "batch ..."]) -> tuple[Tensor, Tensor]:
        """The mean, and the logarithm of the standard deviation, of each sample's latent vector."""
        both = call_model(self.network, x)
        if both.ndim != 2 or len(both) != len(x) or both.shape[1] % 2:
            raise ValueError(
                f"expected rows of an even number, mean and log of sigma of each of {len(x)} samples, got the shape "
                f"{tuple(both.shape)}: let the network end with 2 * latent_size outputs"
            )
        mean, log_sigma = both.chunk(2, dim=1)
        return mean, log_sigma


class PairDiscriminator(nn.Module):
    """A discriminator of pairs: features of the sample, and the latent vector beside them.

    ``PairDiscriminator(nn.Flatten(), mlp(784 + 16, 256, 1))`` joins the two where they come in.

    Args:
        features: maps samples to rows, such as ``nn.Flatten()`` or :func:`advnotes.nets.conv_features`.
        head: maps the joined rows to one logit each, no sigmoid at its end.

    Raises:
        ValueError: where the head ends with a sigmoid or a softmax; when called, where the features are no rows.
    """

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        check_logit_network("head", head)
        self.features, self.head = features, head

    def forward(
        self, x: Float[Tensor, "batch ..."], z: Float[Tensor, "batch latent"]
    ) -> Float[Tensor, "batch 1"]:
        """The logit of each pair."""
        rows = call_model(self.features, x)
        if rows.ndim != 2 or z.ndim != 2 or len(rows) != len(z):
            raise ValueError(
                f"the features of {len(x)} samples have the shape {tuple(rows.shape)}, the latent vectors "
                f"{tuple(z.shape)}: expected a row of each for every pair; let the features end with nn.Flatten()"
            )
        return call_model(self.head, torch.cat([rows, z], dim=1))
