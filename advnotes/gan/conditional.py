"""The conditional GAN of Mirza and Osindero 2014: generator and discriminator both know the class."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_inputs, check_label_range
from advnotes.gan.standard import GAN, check_generated, check_real, generate
from advnotes.nets import one_logit

__all__ = ["ConditionalGAN", "Conditioned"]


class Conditioned(nn.Module):
    """A network that is given the class beside its input, as a one-hot vector behind the flattened input.

    Args:
        network: maps ``[batch, features + classes]`` to whatever it makes.
        classes: how many classes there are, at least 2.

    Raises:
        ValueError: where there are fewer classes.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network, self.classes = network, check_count("classes", classes, least=2)

    def forward(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Tensor:
        """What the network makes of inputs of the classes ``y``."""
        known = F.one_hot(y, self.classes).to(x.dtype)
        return call_model(self.network, torch.cat([x.flatten(1), known], dim=1))


class ConditionalGAN(GAN):
    r"""A GAN that is asked for a class (Mirza and Osindero 2014, equation 2), non-saturating.

    .. math::
        L_D &= \mathbb E_{x, y}\, \mathrm{softplus}(-\ell(x, y))
        + \mathbb E_{z, y}\, \mathrm{softplus}(\ell(G(z, y), y)) \\
        L_G &= \mathbb E_{z, y}\, \mathrm{softplus}(-\ell(G(z, y), y))

    A batch is ``(x, y)``; what is generated in a turn has the classes of that batch. Any other GAN of this package
    (but the unrolled one) becomes conditional by inheriting from both: ``class ConditionalWGAN(ConditionalGAN, WGAN)``.

    Differs from the paper: the generator's loss is the non-saturating one, as in :class:`~advnotes.gan.GAN`.

    Args:
        generator: maps latent vectors ``[batch, latent_size]`` and classes ``[batch]`` to samples, as a
            :class:`Conditioned` network does.
        discriminator: maps samples and their classes to one logit each; no sigmoid at its end.
        latent_size: the number of latent coordinates, drawn from a standard normal.
        classes: how many classes there are, numbered from 0.
        options: of the GAN that it is, such as ``penalties``.

    Raises:
        ValueError: where a number is out of range or the discriminator ends with a sigmoid; when called, where inputs,
            labels or logits are not as expected.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        classes: int,
        **options: Any,
    ) -> None:
        super().__init__(generator, discriminator, latent_size, **options)
        self.classes = check_count("classes", classes, least=2)

    def logit(self, x: Float[Tensor, "batch ..."], *labels: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        r"""The discriminator's logit :math:`\ell(x, y)` of each sample."""
        return one_logit(lambda x: self.discriminator(x, *labels), x)

    def sample(
        self, n: int, generator: torch.Generator | None = None, *, labels: Tensor | int | None = None
    ) -> Float[Tensor, "n ..."]:
        """Generate ``n`` samples, on the generating network's device.

        Args:
            n: how many.
            generator: draws the latent vectors, and the classes where there are none.
            labels: the class of each sample, ``[n]`` int64, or one for all; None draws them uniformly.

        Raises:
            ValueError: where the labels are not ``n`` class numbers below ``classes``, or the generator does not make
                one sample of each latent vector.
        """
        latent = self.latent(n, generator)
        if labels is None:
            where = latent.device if generator is None else generator.device
            labels = torch.randint(self.classes, (n,), generator=generator, device=where)
        elif not isinstance(labels, Tensor):
            labels = torch.full((n,), check_count("labels that are no tensor", labels, least=0))
        y = labels.to(latent.device)
        self.check_classes(latent, y)
        return generate(lambda z: self.generator(z, y), latent)

    def generated(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, "batch ..."]:
        """As many generated samples as there are real ones, of the same classes, checked to have their shape."""
        if len(labels) != 1:
            raise ValueError(
                f"expected batches (x, y) of samples and their classes, got {1 + len(labels)} tensors"
            )
        check_real(real)
        self.check_classes(real, labels[0])
        fake = self.sample(len(real), labels=labels[0])
        check_generated(fake, real)
        return fake

    def check_classes(self, x: Tensor, y: Tensor) -> None:
        """Raise ValueError for what are not the classes of the samples ``x``."""
        check_inputs(x, y, None)
        check_label_range(y, self.classes)
