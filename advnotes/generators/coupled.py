"""Coupled GANs, Liu and Tuzel 2016: pairs of pictures from two heaps in which no picture has a partner."""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.game import Game, Turns
from advnotes.gan.standard import check_generated, check_real, generate
from advnotes.generators.parts.tied import Tied
from advnotes.nets import check_logit_network, one_logit

__all__ = ["CoupledGAN"]


class CoupledGAN(Game):
    r"""Coupled GANs (Liu and Tuzel 2016), non-saturating.

    Each domain has a generator :math:`g_i` and a discriminator with the logit :math:`\ell_i`. All generators are given
    the same :math:`z`, and no discriminator sees a pair:

    .. math::
        L_D &= \sum_i \mathbb E_{x_i}\, \mathrm{softplus}(-\ell_i(x_i))
        + \mathbb E_z\, \mathrm{softplus}(\ell_i(g_i(z))) \\
        L_G &= \sum_i \mathbb E_z\, \mathrm{softplus}(-\ell_i(g_i(z)))

    What makes :math:`(g_1(z), g_2(z))` a pair is that the generators have their first layers in common, which decide
    what is shown, and their last ones for themselves, which decide how it looks. The discriminators have their last
    layers in common. Where nothing is tied, these are GANs played side by side.

    A batch is ``(x_1, x_2)``: a batch of each domain, drawn independently. The domains may differ in shape.

    Differs from the paper: the generators' loss is the non-saturating one, as in the authors' code, in place of
    the minimax one; and there may be more than two domains.

    Args:
        generators: map latent vectors ``[batch, latent_size]`` to samples of each domain; ``tie([G1, G2], first=6)``.
        discriminators: map samples of each domain to one logit each, no sigmoid at the end; ``tie([D1, D2], last=2)``.
        latent_size: the number of latent coordinates, drawn from a standard normal.

    Raises:
        ValueError: where the two are not :class:`Tied` networks of as many domains, ``latent_size`` is less than 1, or
            a discriminator ends with a sigmoid; when called, where there is not a batch for each domain, generated
            samples have not its shape, or there is not one logit for each sample.
    """

    turns: Turns = ("discriminator", "generator")
    generator: Tied
    discriminator: Tied

    def __init__(self, generators: nn.Module, discriminators: nn.Module, latent_size: int) -> None:
        super().__init__()
        if not isinstance(generators, Tied) or not isinstance(discriminators, Tied):
            raise ValueError(
                "expected generators and discriminators such as Tied([N1, N2]), got "
                f"{type(generators).__name__} and {type(discriminators).__name__}"
            )
        if len(generators) != len(discriminators):
            raise ValueError(
                f"expected a discriminator for each generator, got {len(discriminators)} for {len(generators)}"
            )
        for i in range(len(discriminators)):
            check_logit_network(
                f"discriminator {i}", nn.Sequential(discriminators.own[i], discriminators.last)
            )
        self.generator, self.discriminator = generators, discriminators
        self.latent_size = check_count("latent_size", latent_size)

    def discriminator_loss(self, *real: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """Cross-entropy of telling real samples from generated ones, summed over the domains."""
        with torch.no_grad():  # the generators do not move in this turn
            fake = self.generated(*real)
        pairs = zip(self.logits(*real), self.logits(*fake), strict=True)
        return torch.stack([F.softplus(-a).mean() + F.softplus(b).mean() for a, b in pairs]).sum()

    def generator_loss(self, *real: Float[Tensor, "..."]) -> Float[Tensor, ""]:
        """Minus the log-probability of being taken for real, summed over the domains."""
        return torch.stack([F.softplus(-a).mean() for a in self.logits(*self.generated(*real))]).sum()

    def logits(self, *x: Float[Tensor, "..."]) -> tuple[Float[Tensor, " _"], ...]:
        r"""Each discriminator's logits :math:`\ell_i(x_i)` of samples of its domain."""
        return tuple(
            one_logit(partial(self.discriminator.network, i), x_i)
            for i, x_i in enumerate(self.each_domain(x))
        )

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Float[Tensor, "n ..."], ...]:
        """Generate ``n`` samples of each domain, on the networks' device; equal rows are of the same latent vector.

        Raises:
            ValueError: where a generator does not make one sample of each latent vector.
        """
        check_count("n", n, least=0)
        like = next(self.generator.parameters(), torch.empty(0))
        source = like.device if generator is None else generator.device
        z = torch.randn(n, self.latent_size, generator=generator, device=source, dtype=like.dtype).to(
            like.device
        )
        common = generate(self.generator.first, z)
        return tuple(generate(partial(self.generator.end, i), common) for i in range(len(self.generator)))

    def generated(self, *real: Float[Tensor, "..."]) -> tuple[Float[Tensor, "..."], ...]:
        """As many pairs as the larger batch of real samples has, checked to have the domains' shapes."""
        for x in self.each_domain(real):
            check_real(x)
        fake = self.sample(max(map(len, real)))
        for made, x in zip(fake, real, strict=True):
            check_generated(made, x)
        return fake

    def each_domain(self, x: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The same, checked to be one batch for each domain."""
        if len(x) != len(self.discriminator):
            raise ValueError(
                f"expected batches (x_1, x_2) of each of {len(self.discriminator)} domains, got {len(x)} tensors: "
                "leave labels out; advnotes.data.Pairs makes such batches of two loaders"
            )
        return x
