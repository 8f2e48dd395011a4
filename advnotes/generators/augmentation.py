"""DAGAN, Antoniou, Storkey and Edwards 2017: how things of one class differ, learnt where there are many classes."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_floating, check_inputs
from advnotes.gan.standard import GAN, check_generated, check_real, generate
from advnotes.nets import one_logit

__all__ = ["DAGAN", "Beside", "pairs_of_a_class"]


class DAGAN(GAN):
    r"""A GAN that is given a sample and makes another one of its class (Antoniou et al. 2017, section 4).

    With two samples :math:`x, x'` of one class, whichever that is:

    .. math::
        L_D &= \mathbb E_{x, x'}\, \mathrm{softplus}(-\ell(x', x))
        + \mathbb E_{x, z}\, \mathrm{softplus}(\ell(G(z, x), x)) \\
        L_G &= \mathbb E_{x, z}\, \mathrm{softplus}(-\ell(G(z, x), x))

    A batch is ``(x', x)``, as :func:`pairs_of_a_class` draws them. No label goes into a network, so that samples of a
    class that was not in the training can be given as well. Any other GAN of this package (but the unrolled one)
    becomes such a one by inheriting from both: ``class PairingDAGAN(DAGAN, RelativisticGAN)``.

    Differs from the paper: the loss is a :class:`~advnotes.gan.GAN`'s; inherit from ``WGANGP`` too for the paper's. The
    paper's generator is an autoencoder with skips; any will do, such as :class:`~advnotes.generators.Bend`.

    Args:
        generator: maps latent vectors ``[batch, latent_size]`` and samples to samples.
        discriminator: maps samples, and those that were given, to one logit each; no sigmoid at its end.
        latent_size: the number of latent coordinates, drawn from a standard normal.
        options: of the GAN that it is, such as ``penalties``.

    Raises:
        ValueError: where a number is out of range or the discriminator ends with a sigmoid; when called, where samples
            or logits are not as expected, or the two of a pair differ in shape.
    """

    def logit(self, x: Float[Tensor, "batch ..."], *given: Tensor) -> Float[Tensor, " batch"]:
        r"""The discriminator's logit :math:`\ell(x', x)` of each sample, beside the one that was given."""
        return one_logit(lambda x: self.discriminator(x, *given), x)

    def generated(self, real: Float[Tensor, "batch ..."], *given: Tensor) -> Float[Tensor, "batch ..."]:
        """One more of each class, for the samples ``given``."""
        if len(given) != 1 or given[0].shape != real.shape:
            shapes = [tuple(part.shape) for part in (real, *given)]
            raise ValueError(
                f"expected batches (x', x) of pairs of one class, as pairs_of_a_class draws them, got {shapes}"
            )
        check_real(real)
        fake = self.more(given[0])
        check_generated(fake, real)
        return fake

    def more(
        self, x: Float[Tensor, "batch ..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch ..."]:
        """Another sample of the class of each of ``x``, on the generating network's device."""
        check_floating(x)
        latent = self.latent(len(x), generator)
        return generate(lambda z: self.generator(z, x.to(latent.device)), latent)

    def sample(
        self, n: int, generator: torch.Generator | None = None, *, labels: Tensor | int | None = None
    ) -> Float[Tensor, "n ..."]:
        """Refused: this game makes nothing without a sample to begin with.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{type(self).__name__} makes a sample from another one: call more(x)")


class Beside(nn.Module):
    """A network of two inputs, flattened and put side by side: the discriminator of a :class:`DAGAN`.

    ``Beside(mlp(2 * 784, 256, 1))`` judges pairs of digits.

    Args:
        network: maps the joined rows to whatever it makes of them.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Float[Tensor, "batch ..."], second: Float[Tensor, "batch ..."]) -> Tensor:
        """What the network makes of each two."""
        return call_model(self.network, torch.cat([first.flatten(1), second.flatten(1)], dim=1))


def pairs_of_a_class(
    x: Float[Tensor, "rows ..."], y: Int[Tensor, " rows"]
) -> Callable[..., tuple[Tensor, Tensor]]:
    """What draws pairs of two different samples of one class, for ``Stream(pairs_of_a_class(x, y), 64, steps)``.

    The first of a pair is uniform over all rows, the second over the others of its class.

    Args:
        x: the samples.
        y: their classes.

    Returns:
        A function of the number of pairs and, where wanted, ``generator=``; it returns ``(x', x)``.

    Raises:
        ValueError: where there are not as many classes as samples, or a class has one sample only.
    """
    check_inputs(x, y, None)
    classes, y, counts = y.unique(return_inverse=True, return_counts=True)  # however large the numbers are
    order = y.argsort(stable=True)
    if 1 in counts.tolist():
        alone = int(classes[counts.tolist().index(1)])
        raise ValueError(f"a pair wants two samples of a class, but class {alone} has one: leave it out")
    first, place = counts.cumsum(0) - counts, torch.empty_like(order)
    place[order] = torch.arange(len(y), device=y.device)  # where each row stands when classes are sorted

    def draw(n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        where = "cpu" if generator is None else generator.device
        rows = torch.randint(len(y), (n,), generator=generator, device=where).to(y.device)
        share = torch.rand(n, generator=generator, device=where, dtype=torch.float64).to(y.device)
        begin, count = first[y[rows]], counts[y[rows]]
        step = 1 + (share * (count - 1)).long().clamp_max(count - 2)  # never 0: never the same row
        return x[order[begin + (place[rows] - begin + step) % count]], x[rows]

    return draw
