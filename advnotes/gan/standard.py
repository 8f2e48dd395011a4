"""The GAN of Goodfellow et al. 2014, in its minimax and its non-saturating form."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_floating
from advnotes.game import Game, Turns
from advnotes.nets import check_logit_network, one_logit

__all__ = ["GAN", "MinimaxGAN", "check_generated"]


class GAN(Game):
    r"""Generative adversarial networks, Algorithm 1 of Goodfellow et al. 2014, non-saturating.

    The discriminator's logit is :math:`\ell(x)`, so that :math:`D = \sigma(\ell)`,
    :math:`-\log D = \mathrm{softplus}(-\ell)` and :math:`-\log(1 - D) = \mathrm{softplus}(\ell)`:

    .. math::
        L_D &= \mathbb E_x\, \mathrm{softplus}(-\ell(x)) + \mathbb E_z\, \mathrm{softplus}(\ell(G(z))) \\
        L_G &= \mathbb E_z\, \mathrm{softplus}(-\ell(G(z)))

    The generator's loss is the one that section 3 of the paper trains with, whose gradient does not vanish while
    the discriminator wins; the game is therefore not zero-sum. :class:`MinimaxGAN` is.

    Args:
        generator: maps latent vectors ``[batch, latent_size]`` to samples.
        discriminator: maps samples to one logit each, ``[batch, 1]`` or ``[batch]``: no sigmoid at its end.
        latent_size: the number of latent coordinates, drawn from a standard normal.

    Raises:
        ValueError: where ``latent_size`` is less than 1, or the discriminator ends with a sigmoid; when called, where
            it does not give one logit to each sample, or generated samples have not the data's shape.
    """

    turns: Turns = ("discriminator", "generator")

    def __init__(self, generator: nn.Module, discriminator: nn.Module, latent_size: int) -> None:
        super().__init__()
        check_logit_network("discriminator", discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.latent_size = check_count("latent_size", latent_size)

    def discriminator_loss(self, real: Float[Tensor, "batch ..."], *_: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy of telling real samples from generated ones; labels in the batch are ignored."""
        with torch.no_grad():  # the generator does not move in this turn
            fake = self.generated(real)
        return F.softplus(-self.logit(real)).mean() + F.softplus(self.logit(fake)).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *_: Tensor) -> Float[Tensor, ""]:
        """Minus the log-probability that the discriminator gives to generated samples of being real."""
        return F.softplus(-self.logit(self.generated(real))).mean()

    def logit(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        r"""The discriminator's logit :math:`\ell(x) = \log D(x) - \log(1 - D(x))` of each sample."""
        return one_logit(self.discriminator, x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n ..."]:
        """Generate ``n`` samples, on the generating network's device."""
        latent = self.latent(n, generator)
        try:
            return call_model(self.generator, latent)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise ValueError(
                f"the generator fails on latent vectors of shape {tuple(latent.shape)} ({error}): it must map these to "
                f"samples; one that begins with convolutions wants nn.Unflatten(1, ({self.latent_size}, 1, 1)) in front"
            ) from error

    def generated(self, real: Float[Tensor, "batch ..."]) -> Float[Tensor, "generated ..."]:
        """As many generated samples as there are real ones (all that a cloud of particles has), checked in shape.

        Raises:
            ValueError: where they have another, or the real samples are not floating point.
        """
        check_floating(real)
        fake = self.sample(len(real))
        check_generated(fake, real)
        return fake

    def latent(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n latent"]:
        """Draw ``n`` latent vectors, from ``generator`` on whatever device it is, for the network on its own."""
        like = next(self.generator.parameters())
        source = like.device if generator is None else generator.device
        latent = torch.randn(n, self.latent_size, generator=generator, device=source, dtype=like.dtype)
        return latent.to(like.device)


class MinimaxGAN(GAN):
    r"""The zero-sum form, equation 1 of the paper: the generator minimises :math:`\mathbb E_z \log(1 - D(G(z)))`.

    While the discriminator wins, :math:`D(G(z)) \approx 0` and the gradient vanishes: chapter "Generative
    adversarial networks" measures where.
    """

    def generator_loss(self, real: Float[Tensor, "batch ..."], *_: Tensor) -> Float[Tensor, ""]:
        r""":math:`-\mathbb E_z\, \mathrm{softplus}(\ell(G(z)))`, which is :math:`\mathbb E_z \log(1 - D(G(z)))`."""
        return -F.softplus(self.logit(self.generated(real))).mean()


def check_generated(fake: Tensor, real: Tensor) -> None:
    """Raise ValueError for generated samples of another shape than the data's, which losses might broadcast."""
    if fake.shape[1:] != real.shape[1:]:
        shape = tuple(real.shape[1:])
        raise ValueError(
            f"generated samples have the shape {tuple(fake.shape[1:])}, the data's {shape}: let the generator end with "
            f"that shape, such as by nn.Unflatten(1, {shape}), or bring the data to the generator's"
        )
