"""The GAN of Goodfellow et al. 2014, in its minimax and its non-saturating form."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_floating
from advnotes.game import Game, Turns
from advnotes.gan.penalty import Penalty
from advnotes.nets import check_logit_network, one_logit

__all__ = ["GAN", "MinimaxGAN", "check_generated"]

#: What helps where a batch is too small for a game.
LARGER = "take larger batches, and leave a smaller last one out, DataLoader(..., drop_last=True)"


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
        penalties: what the discriminator pays beside its loss, such as ``[R1(gamma=1.0)]``; they add up.

    A GAN with another wish is a subclass with its own :meth:`discriminator_objective` and ``generator_loss``; it takes
    penalties as this one does, and :class:`~advnotes.gan.ConditionalGAN` makes it conditional.

    Raises:
        ValueError: where ``latent_size`` is less than 1, the discriminator ends with a sigmoid, or a penalised one has
            batch normalisation; when called, where it does not give one logit to each sample, or generated samples
            have not the data's shape.
    """

    turns: Turns = ("discriminator", "generator")

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()
        listed = check_penalties(penalties)
        check_logit_network("discriminator", discriminator, penalised=len(listed) > 0)
        self.generator = generator
        self.discriminator = discriminator
        self.penalties = nn.ModuleList(listed)
        self.latent_size = check_count("latent_size", latent_size)

    def discriminator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """The objective at real and generated samples, and the penalties there."""
        with torch.no_grad():  # the generator does not move in this turn
            fake = self.generated(real, *labels)
        loss = self.discriminator_objective(real, fake, *labels)
        for penalty in self.penalties:
            loss = loss + penalty(self.logit, real, fake, *labels)
        return loss

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """Cross-entropy of telling real samples from generated ones."""
        return F.softplus(-self.logit(real, *labels)).mean() + F.softplus(self.logit(fake, *labels)).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """Minus the log-probability that the discriminator gives to generated samples of being real."""
        return F.softplus(-self.logit(self.generated(real, *labels), *labels)).mean()

    def logit(self, x: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, " batch"]:
        r"""The discriminator's logit :math:`\ell(x) = \log D(x) - \log(1 - D(x))` of each sample.

        Labels in the batch are ignored here, as a conditional game does not.
        """
        return one_logit(self.discriminator, x)

    def settings(self) -> dict[str, str]:
        """As :meth:`advnotes.Game.settings`, with the penalties."""
        return super().settings() | {"penalties": ", ".join(map(repr, self.penalties))}

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        *,
        labels: Tensor | int | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Generate ``n`` samples, on the generating network's device.

        Raises:
            ValueError: where labels are given: this game has no classes; or the generator does not make one sample of
                each latent vector.
        """
        self.refuse_labels(labels)
        return generate(self.generator, self.latent(n, generator))

    def refuse_labels(self, labels: Tensor | int | None) -> None:
        """Raise ValueError where a class is asked for: this game has none."""
        if labels is not None:
            raise ValueError(
                f"{type(self).__name__} cannot be asked for a class, got labels: play a ConditionalGAN, whose networks "
                "are given the class"
            )

    def generated(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, "generated ..."]:
        """As many generated samples as there are real ones (all that a cloud of particles has), checked in shape.

        Raises:
            ValueError: where they have another, or the real samples are not floating point or none.
        """
        check_real(real)
        fake = self.sample(len(real))
        check_generated(fake, real)
        return fake

    def latent(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n latent"]:
        """Draw ``n`` latent vectors, from ``generator`` on whatever device it is, for the network on its own."""
        check_count("n", n, least=0)
        like = next(self.generator.parameters(), torch.empty(0))
        source = like.device if generator is None else generator.device
        latent = torch.randn(n, self.latent_size, generator=generator, device=source, dtype=like.dtype)
        return latent.to(like.device)


class MinimaxGAN(GAN):
    r"""The zero-sum form, equation 1 of the paper: the generator minimises :math:`\mathbb E_z \log(1 - D(G(z)))`.

    While the discriminator wins, :math:`D(G(z)) \approx 0` and the gradient vanishes: chapter "Generative
    adversarial networks" measures where.
    """

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        r""":math:`-\mathbb E_z\, \mathrm{softplus}(\ell(G(z)))`, which is :math:`\mathbb E_z \log(1 - D(G(z)))`."""
        return -F.softplus(self.logit(self.generated(real, *labels), *labels)).mean()


def generate(
    network: Callable[[Tensor], Tensor], latent: Float[Tensor, "n latent"]
) -> Float[Tensor, "n ..."]:
    """What a generator makes of latent vectors; raise ValueError where that is not one sample of each."""
    try:
        samples = call_model(network, latent)
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ValueError(
            f"the generator fails on latent vectors of shape {tuple(latent.shape)} ({error}): it must map these (in a "
            "conditional game with their classes) to samples; one that begins with convolutions wants "
            f"nn.Unflatten(1, ({latent.shape[1]}, 1, 1)) in front"
        ) from error
    if samples.ndim == 0 or len(samples) != len(latent):
        raise ValueError(
            f"the generator makes the shape {tuple(samples.shape)} of {len(latent)} latent vectors: one sample of each "
            "is wanted; a view or reshape in it that mixes up the batch?"
        )
    return samples


def check_real(real: Tensor) -> None:
    """Raise ValueError for real samples that are not floating point, or none, over which a mean is no number."""
    check_floating(real)
    if real.ndim == 0 or len(real) == 0:
        raise ValueError(f"expected a batch of real samples, got the shape {tuple(real.shape)}: leave it out")


def check_generated(fake: Tensor, real: Tensor) -> None:
    """Raise ValueError for generated samples of another shape than the data's, which losses might broadcast."""
    if fake.shape[1:] != real.shape[1:]:
        shape = tuple(real.shape[1:])
        raise ValueError(
            f"generated samples have the shape {tuple(fake.shape[1:])}, the data's {shape}: let the generator end with "
            f"that shape, such as by nn.Unflatten(1, {shape}), or bring the data to the generator's"
        )


def check_penalties(penalties: Penalty | Sequence[nn.Module]) -> list[Penalty]:
    """The penalties as a list, one by itself too; raise ValueError for what is none."""
    listed = [penalties] if isinstance(penalties, Penalty) else penalties
    found = [penalty for penalty in listed if isinstance(penalty, Penalty)]
    if len(found) < len(listed):
        odd = next(penalty for penalty in listed if not isinstance(penalty, Penalty))
        raise ValueError(f"expected penalties such as [R1(gamma=1.0)], got {odd!r}")
    return found
