"""The bound that a diffusion model has on the likelihood of discrete data, Ho, Jain and Abbeel 2020."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_count
from advnotes.generators.diffusion import DDPM
from advnotes.generators.parts.likelihoods import normal_like

__all__ = ["diffusion_bound"]


@torch.no_grad()
def diffusion_bound(
    model: DDPM, x: Float[Tensor, "batch ..."], levels: int = 2, generator: torch.Generator | None = None
) -> Float[Tensor, " batch"]:
    r"""One draw of a lower bound on each sample's log-probability, in nats: equation 5, with one noise for each step.

    .. math:: \log P(x_0) \ge \mathbb E \log p_\theta(x_0 \mid x_1)
        - \sum_{t > 1} \mathrm{KL}\bigl(q(x_{t-1} \mid x_t, x_0) \,\|\, p_\theta(x_{t-1} \mid x_t)\bigr)
        - \mathrm{KL}\bigl(q(x_T \mid x_0) \,\|\, N(0, I)\bigr)

    The last step gives each value the probability of its cell under :math:`N(\mu_\theta(x_1, 1), \beta_1)` (equation
    13). It takes as many passes as the model has steps.

    Args:
        model: the diffusion model.
        x: data of ``levels`` equidistant values from -1 to 1.
        levels: how many values a coordinate may have.
        generator: what the noise is drawn from; None: the global one.

    Raises:
        ValueError: where a coordinate has another value, or ``levels`` is less than 2.
    """
    half = 1 / (check_count("levels", levels, least=2) - 1)  # of the width of a cell
    at = (x + 1) / (2 * half)
    if not bool(((at - at.round()).abs() < 1e-3).all() & (x.abs() <= 1 + 1e-6).all()):
        raise ValueError(
            f"expected {levels} equidistant values from -1 to 1: for zeros and ones pass 2 * x - 1"
        )
    signal = model.signal[-1]
    total = -0.5 * (signal * (x.square() - 1) - (1 - signal).log()).flatten(1).sum(dim=1)
    for step in range(model.steps):
        t = torch.full((len(x),), step, device=x.device)
        x_t = model.noisy(x, t, normal_like(x, generator))
        true, variance = model.posterior(x, x_t, t)
        guessed, _ = model.posterior(model.clean_of(x_t, t), x_t, t)
        if step:
            total = total - ((true - guessed).square() / (2 * variance)).flatten(1).sum(dim=1)
        else:
            total = total + _log_cell(x, guessed, half, math.sqrt(model.betas[0])).flatten(1).sum(dim=1)
    return total


def _log_cell(x: Tensor, mean: Tensor, half: float, sigma: float) -> Tensor:
    """The log-probability of the cell around x; those at the ends reach to infinity."""
    above = torch.where(x > 1 - half / 2, math.inf, (x + half - mean) / sigma).double()
    below = torch.where(x < half / 2 - 1, -math.inf, (x - half - mean) / sigma).double()
    flip = below > 0  # differences of small tails, not of numbers near 1
    low, high = torch.where(flip, -above, below), torch.where(flip, -below, above)
    upper, lower = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
    return (upper + torch.log1p(-(lower - upper).exp().clamp_max(1 - 1e-12))).to(x)
