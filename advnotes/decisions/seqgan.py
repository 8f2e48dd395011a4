"""SeqGAN, Yu, Zhang, Wang and Yu 2016: a GAN whose generator writes tokens, and learns by policy gradient."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from advnotes.checks import call_model, check_count
from advnotes.decisions.parts.sequences import check_sequences
from advnotes.decisions.parts.writer import LSTMWriter
from advnotes.game import Game, Turns
from advnotes.model_state import attacked
from advnotes.nets import check_logit_network
from advnotes.precision import at_least_float32

__all__ = ["MaximumLikelihood", "SeqGAN"]


class MaximumLikelihood(Game):
    r"""A writer that learns sequences by heart, :math:`L_G = -\mathbb E_x \frac1T \sum_t \log G(x_t \mid x_{<t})`.

    What SeqGAN begins with, and what it is to be compared with.

    Args:
        generator: an :class:`LSTMWriter`, or a subclass.

    Raises:
        ValueError: when called, where sequences are not the writer's.
    """

    turns: Turns = ("generator",)

    def __init__(self, generator: LSTMWriter) -> None:
        super().__init__()
        self.generator = generator

    def generator_loss(self, real: Int64[Tensor, "n length"]) -> Float[Tensor, ""]:
        """Minus the mean log-probability of a token given those before it, in nats."""
        return -self.generator.log_prob(real).mean()


class SeqGAN(Game):
    r"""A discriminator of whole sequences, and a writer that is rewarded for each token by what may come of it.

    The discriminator's loss is the cross-entropy of telling real sequences from written ones (equation 5), with the
    logit :math:`\ell` and :math:`D = \sigma(\ell)`:

    .. math:: L_D = \mathbb E_x\, \mathrm{softplus}(-\ell(x)) + \mathbb E_{y \sim G}\, \mathrm{softplus}(\ell(y))

    The value of a token is the mean answer of :math:`D` to ``rollouts`` completions by :math:`G` (equation 4),

    .. math:: Q(y_{<t}, y_t) = \mathbb E_{y_{>t} \sim G}\, D(y_1, \dots, y_T), \qquad Q(y_{<T}, y_T) = D(y)

    and the writer's loss has the gradient of REINFORCE (Williams 1992; equation 7):

    .. math:: L_G = -\mathbb E_{y \sim G} \sum_{t=1}^{T} A_t \log G(y_t \mid y_{<t})

    with advantages :math:`A_t`, the values in place :math:`t` of a batch, shifted and scaled to mean 0 and standard
    deviation 1. Override :meth:`rewards` for others, :meth:`advantages` for the paper's own :math:`A_t = Q`.

    Args:
        generator: an :class:`LSTMWriter`, or a subclass; begin with one trained by :class:`MaximumLikelihood`.
        discriminator: maps sequences ``[n, length]`` of token numbers to one logit each, no sigmoid at its end, such as
            :class:`SequenceCritic`.
        rollouts: completions of each prefix, the paper's 16.

    Differs from the paper: advantages are standardised, where the paper takes the values themselves; rollouts are the
    writer's own, not those of a copy that lags behind; each player moves once in a round.

    Raises:
        ValueError: where ``rollouts`` is less than 1 or the discriminator ends with a sigmoid; when called, where
            sequences are not the writer's or fewer than two, or the discriminator does not give one logit to each.
    """

    turns: Turns = ("discriminator", "generator")

    def __init__(self, generator: LSTMWriter, discriminator: nn.Module, *, rollouts: int = 16) -> None:
        super().__init__()
        check_logit_network("discriminator", discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.rollouts = check_count("rollouts", rollouts)

    def discriminator_loss(self, real: Int64[Tensor, "n length"]) -> Float[Tensor, ""]:
        """Cross-entropy of telling real sequences from as many written ones."""
        self._check(real)
        written = self.generator.sample(len(real))
        return F.softplus(-self.logit(real)).mean() + F.softplus(self.logit(written)).mean()

    def generator_loss(self, real: Int64[Tensor, "n length"]) -> Float[Tensor, ""]:
        """REINFORCE on as many sequences as the batch has; of ``real`` only their number counts."""
        self._check(real)
        if len(real) < 2:
            raise ValueError(
                "the advantage of a sequence is over the others of its batch, got a batch of 1: take 2 or more"
            )
        written = self.generator.sample(len(real))
        return self.policy_loss(written, self.advantages(self.rewards(written)))

    def policy_loss(
        self, written: Int64[Tensor, "n length"], advantages: Float[Tensor, "n length"]
    ) -> Float[Tensor, ""]:
        """The surrogate whose gradient is that of equation 7, for sequences that :math:`G` wrote.

        Raises:
            ValueError: where there is not one advantage for each token.
        """
        if advantages.shape != written.shape:
            raise ValueError(
                f"expected an advantage for each token, of shape {tuple(written.shape)}, got the shape "
                f"{tuple(advantages.shape)}: advantages[:, None].expand_as(written) for one of each sequence"
            )
        return -(advantages * self.generator.log_prob(written)).sum(dim=1).mean()

    @torch.no_grad()
    def rewards(self, written: Int64[Tensor, "n length"]) -> Float[Tensor, "n length"]:
        """The value of each token of each sequence, from 0 to 1: the mean of :math:`D` over rollouts, equation 4.

        The discriminator judges in eval mode: without dropout, and without counting what it sees.
        """
        ends = self.generator.rollouts(written, self.rollouts)
        with attacked(self.discriminator):
            if not len(ends):  # sequences of one token have no proper prefix
                return torch.sigmoid(self.logit(written))[:, None]
            rolled = torch.sigmoid(self.logit(ends.flatten(0, 2))).view(ends.shape[:3]).mean(dim=1)
            return torch.cat([rolled, torch.sigmoid(self.logit(written))[None]]).T

    def advantages(self, rewards: Float[Tensor, "n length"]) -> Float[Tensor, "n length"]:
        """Rewards of mean 0 and standard deviation 1 in each place; of less, where they differ by less than 0.0001."""
        spread = rewards.std(dim=0, correction=0)
        return (rewards - rewards.mean(dim=0)) / (spread + 1e-4)

    def logit(self, x: Int64[Tensor, "n length"]) -> Float[Tensor, " n"]:
        """The discriminator's logit of each sequence."""
        logits = call_model(self.discriminator, x)
        if logits.numel() != len(x):
            raise ValueError(
                f"expected one logit for each of {len(x)} sequences, got the shape {tuple(logits.shape)}: end the "
                "discriminator with one output"
            )
        return at_least_float32(logits.flatten())

    def sample(
        self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0
    ) -> Int64[Tensor, "n length"]:
        """Write ``n`` sequences, as :meth:`LSTMWriter.sample`."""
        return self.generator.sample(n, generator, temperature)

    def _check(self, real: Tensor) -> None:
        check_sequences(real, self.generator.tokens, self.generator.length)
