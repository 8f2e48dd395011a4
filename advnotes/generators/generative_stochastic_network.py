"""Generative stochastic networks (Bengio et al. 2014): a denoiser whose noise and repair, in turns, draw samples."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_floating, check_number, check_range
from advnotes.game import Game, Turns
from advnotes.gan.standard import check_real
from advnotes.rng import bernoulli

__all__ = ["GSN"]


class GSN(Game):
    r"""A network learns to repair; repairing what is spoilt again and again is a chain that ends in the data.

    .. math:: \tilde x \sim C(\tilde x \mid x), \qquad x' \sim p_\theta(x \mid \tilde x), \qquad
        L = -\mathbb E \sum_{k=1}^{K} \log p_\theta(x \mid \tilde x_k)

    Noise :math:`C` puts a coin's flip in the place of some coordinates. If :math:`p_\theta(x \mid \tilde x)` is the
    true one, the chain's distribution is that of the data (theorem 1): nothing is normalised or inverted. The loss is
    taken on :math:`K` steps of the chain that begin at the data, so that the network learns to walk back from where the
    chain goes wrong (Bengio, Yao, Alain and Vincent 2013).

    Differs from the paper: the state is the picture alone, without hidden units, and pixels are independent given
    :math:`\tilde x`.

    Args:
        denoiser: maps samples in [0, 1], ``[batch, ...]``, to a logit for each coordinate.
        noise: the share of coordinates that a coin decides, above 0, at most 1.
        walkback: :math:`K`; 1 is a denoising autoencoder.

    Raises:
        ValueError: where a number is out of its range; when called, where samples are not in [0, 1], or the denoiser
            does not keep their shape.
    """

    turns: Turns = ("denoiser",)

    def __init__(self, denoiser: nn.Module, noise: float = 0.4, walkback: int = 3) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.noise = check_number("noise", noise, above=0.0, most=1.0)
        self.walkback = check_count("walkback", walkback)

    def denoiser_loss(self, real: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        """Nats for each coordinate and step of the walk."""
        check_real(real)
        check_range(real, (0.0, 1.0), "divide by the largest value")
        state, losses = real, []
        for _ in range(self.walkback):
            logits = self.repair(self.spoil(state))
            losses.append(F.binary_cross_entropy_with_logits(logits, real))
            state = bernoulli(logits.detach().sigmoid())
        return torch.stack(losses).mean()

    def spoil(
        self, x: Float[Tensor, "batch ..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch ..."]:
        """:math:`C`: each coordinate is replaced by 0 or 1, equally likely, with the probability ``noise``."""
        coin = bernoulli(torch.full_like(x, 0.5), generator)
        return torch.where(bernoulli(torch.full_like(x, self.noise), generator).bool(), coin, x)

    def repair(self, spoilt: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The log-odds of each coordinate.

        Raises:
            ValueError: where the denoiser does not keep the samples' shape.
        """
        logits = call_model(self.denoiser, spoilt)
        if logits.shape != spoilt.shape:
            raise ValueError(
                f"the denoiser gives the shape {tuple(logits.shape)}, the samples have {tuple(spoilt.shape)}: let it "
                "end with theirs"
            )
        return logits

    @torch.no_grad()
    def sample(
        self, start: Float[Tensor, "n ..."], steps: int = 100, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n ..."]:
        """A chain from each row of ``start``, be it noise; the last step's probabilities, in [0, 1].

        Raises:
            ValueError: where ``steps`` is less than 1, or ``start`` is not within [0, 1].
        """
        check_floating(start)
        if start.numel():
            check_range(start, (0.0, 1.0), "start at coins, torch.rand(n, size).round()")
        state = probabilities = start
        for _ in range(check_count("steps", steps)):
            probabilities = self.repair(self.spoil(state, generator)).sigmoid()
            state = bernoulli(probabilities, generator)
        return probabilities
