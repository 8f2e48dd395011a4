"""Guided cost learning as a GAN, Finn et al. 2016: the normaliser is estimated from samples in every turn."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from advnotes.decisions.inverse_rl import InverseRL

__all__ = ["GuidedCostLearning", "balanced_log_z"]


class GuidedCostLearning(InverseRL):
    r"""The same game, with :math:`Z` estimated anew in each turn from the mixture :math:`\mu = \frac12 (p + q)`.

    .. math:: Z = \mathbb E_{x \sim \mu}\Bigl[\frac{e^{-c(x)}}{\tilde\mu(x)}\Bigr], \qquad
        \tilde\mu = \tfrac12 \bigl(\tfrac1Z e^{-c} + q\bigr)

    (Finn et al. 2016, section 3.2.) This :math:`Z` is the one with the least :math:`L_D`, and the gradient of
    :math:`L_D` in the cost is there the importance-sampled gradient of maximum-entropy inverse reinforcement learning,
    :math:`\mathbb E_p \nabla c - \frac1Z \mathbb E_\mu[e^{-c} \nabla c / \tilde\mu]`. The last estimate is kept in
    ``discriminator.log_z``, which no optimizer moves.

    Args:
        generator, cost: as in :class:`InverseRL`.
    """

    def __init__(self, generator: nn.Module, cost: nn.Module) -> None:
        super().__init__(generator, cost)
        self.kept.requires_grad_(False)

    @property
    def kept(self) -> nn.Parameter:
        r"""The last estimate of :math:`\log Z`."""
        log_z = self.discriminator.log_z
        assert isinstance(log_z, nn.Parameter)
        return log_z

    def discriminator_loss(self, real: Shaped[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        """Cross-entropy of telling demonstrations from generated samples, at the best Z for this batch."""
        with torch.no_grad():
            fake = self.sample_like(real)
            log_q = torch.cat([self.log_prob(real), self.log_prob(fake)])
        cost = self.discriminator.costs(torch.cat([real, fake]))
        log_z = balanced_log_z(cost.detach(), log_q)
        if self.training:
            self.kept.data.copy_(log_z)
        logit = -cost - log_z - log_q
        return F.softplus(-logit[: len(real)]).mean() + F.softplus(logit[len(real) :]).mean()


def balanced_log_z(cost: Float[Tensor, " n"], log_q: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""The :math:`\log Z` at which the mean of :math:`D` over samples of the mixture is 1/2, in nats.

    .. math:: \frac1n \sum_i \sigma\bigl(-c(x_i) - \log Z - \log q(x_i)\bigr) = \tfrac12

    That is the paper's importance-sampled :math:`Z`, with :math:`\tilde\mu` written out: it stands on both sides there.
    The mean falls in :math:`\log Z`, so there is one solution; it is found by halving an interval.

    Args:
        cost, log_q: of ``n`` samples, half of them demonstrations, half drawn from :math:`q`.

    Raises:
        ValueError: where there is no sample, the two are not equally many, or one is not finite.
    """
    if cost.ndim != 1 or cost.shape != log_q.shape or len(cost) == 0:
        raise ValueError(
            f"expected a cost and a log_q for each sample, got the shapes {tuple(cost.shape)} and {tuple(log_q.shape)}"
        )
    ratio = -(cost.double() + log_q.double())
    if not bool(ratio.isfinite().all()):
        raise ValueError("cost and log_q must be finite: a sample that q never makes has no ratio to it")
    low, high = ratio.min(), ratio.max()
    for _ in range(64):
        middle = (low + high) / 2
        above = torch.sigmoid(ratio - middle).mean() > 0.5
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return ((low + high) / 2).to(cost.dtype)
