"""Inverse reinforcement learning as a GAN, Finn et al. 2016: a discriminator that holds a cost and its normaliser."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from advnotes.decisions.parts.costs import CostDensity
from advnotes.game import Game, Turns
from advnotes.precision import at_least_float32

__all__ = ["InverseRL"]


class InverseRL(Game):
    r"""A GAN whose discriminator is made of a cost :math:`c`, a number :math:`\log Z`, and the generator's density.

    .. math::
        D(x) &= \frac{\frac1Z e^{-c(x)}}{\frac1Z e^{-c(x)} + q(x)}
            = \sigma\bigl(-c(x) - \log Z - \log q(x)\bigr) \\
        L_D &= \mathbb E_{x \sim p}[-\log D(x)] + \mathbb E_{x \sim q}[-\log(1 - D(x))] \\
        L_G &= \mathbb E_{x \sim q}[\log(1 - D(x)) - \log D(x)]
            = \mathbb E_{x \sim q}[c(x) + \log Z + \log q(x)]

    (Finn, Christiano, Abbeel and Levine 2016, sections 3.1 and 3.2.) The best discriminator is :math:`p / (p + q)`
    for every :math:`q`, with :math:`-c - \log Z = \log p`: the cost need not follow the generator, whose density is
    put in. The generator's loss is the cost less the entropy, so it is a maximum-entropy policy. At rest
    :math:`q = p`, and :math:`D` is 1/2 everywhere.

    Where samples carry a gradient (``rsample``) the generator's loss is differentiated through them, else by the score
    function, with the mean of the batch's other samples as baseline; its value is the loss in both cases.

    Args:
        generator: has ``sample(n)``, which draws samples as the data's from the global generators, and
            ``log_prob(x)``, ``[batch]``, their log-density in nats, such as
            :class:`~advnotes.decisions.Categorical` or :class:`~advnotes.decisions.TabularPolicy`.
        cost: maps samples to one cost each, in nats. For trajectories it adds up the steps.
        log_z: where :math:`\log Z` begins, or a module, as in :class:`CostDensity`. It is learnt with the cost.

    Differs from the paper: none of its results needs trajectories, so samples may be anything. A factor of the density
    that does not depend on the policy (of start and dynamics) may be left out of ``log_prob``, if it is of ``p`` too.

    Raises:
        ValueError: where the generator has no ``sample`` or no ``log_prob``; when called, where one of them does not
            fit the data, or there are fewer than two demonstrations.
    """

    discriminator: CostDensity
    turns: Turns = ("discriminator", "generator")

    def __init__(self, generator: nn.Module, cost: nn.Module, *, log_z: float | nn.Module = 0.0) -> None:
        super().__init__()
        for name in ("sample", "log_prob"):
            if not callable(getattr(generator, name, None)):
                raise ValueError(
                    f"the discriminator is told the generator's density, and {type(generator).__name__} has no {name}: "
                    "give it sample(n) and log_prob(x), as Categorical and TabularPolicy have"
                )
        self.generator = generator
        self.discriminator = CostDensity(cost, log_z)

    def discriminator_loss(self, real: Shaped[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        """Cross-entropy of telling demonstrations from generated samples."""
        with torch.no_grad():  # the generator does not move in this turn
            fake = self.sample_like(real)
            log_q = self.log_prob(real), self.log_prob(fake)
        logits = self.logit(real, log_q[0]), self.logit(fake, log_q[1])
        return F.softplus(-logits[0]).mean() + F.softplus(logits[1]).mean()

    def generator_loss(self, real: Shaped[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        r"""The mean of :math:`c + \log Z + \log q` over generated samples."""
        fake = self.sample_like(real)
        log_q = self.log_prob(fake)
        wish = -self.logit(fake, log_q)
        if fake.requires_grad:
            return wish.mean()
        n, held = len(wish), wish.detach()
        score = (held - held.mean()) * n / (n - 1) * log_q  # each is held against the mean of the others
        return held.mean() + score.mean() - score.detach().mean()

    def logit(
        self, x: Shaped[Tensor, "batch ..."], log_q: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, " batch"]:
        r"""The discriminator's logit :math:`-c(x) - \log Z - \log q(x)` of each sample.

        Args:
            x: samples.
            log_q: their log-density under the generator, where it is known already.
        """
        return self.discriminator(x) - (self.log_prob(x) if log_q is None else log_q)

    def log_prob(self, x: Shaped[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """The generator's log-density of each sample, checked to be one number for each."""
        log_q = self.generator.log_prob(x)  # type: ignore[operator]
        if not isinstance(log_q, Tensor) or log_q.shape != (len(x),):
            got = f"the shape {tuple(log_q.shape)}" if isinstance(log_q, Tensor) else type(log_q).__name__
            raise ValueError(
                f"expected the generator's log_prob to give one number to each of {len(x)} samples, got {got}: add up "
                "the log-probabilities of a sample's parts, log_prob(x).flatten(1).sum(1)"
            )
        return at_least_float32(log_q)

    def sample_like(self, real: Shaped[Tensor, "batch ..."]) -> Shaped[Tensor, "batch ..."]:
        """As many generated samples as there are demonstrations, checked in shape and kind."""
        if real.ndim == 0 or len(real) < 2:
            raise ValueError(
                f"expected a batch of two demonstrations or more, got the shape {tuple(real.shape)}: leave a smaller "
                "last batch out, DataLoader(..., drop_last=True)"
            )
        fake = self.generator.sample(len(real))  # type: ignore[operator]
        if not isinstance(fake, Tensor):
            raise ValueError(f"the generator's sample(n) must return a tensor, got {type(fake).__name__}")
        if (fake.shape, fake.is_floating_point(), fake.device) != (
            real.shape,
            real.is_floating_point(),
            real.device,
        ):
            raise ValueError(
                f"the generator makes samples of shape {tuple(fake.shape)} and {fake.dtype} on {fake.device}, the "
                f"demonstrations have {tuple(real.shape)} and {real.dtype} on {real.device}: bring them to "
                "the generator's"
            )
        return fake
