"""Annealed importance sampling (Neal 2001; Salakhutdinov and Murray 2008): how much a machine's states weigh in all."""

import math
from itertools import pairwise
from typing import NamedTuple

import torch

from advnotes.checks import check_count
from advnotes.generators.boltzmann import DBM

__all__ = ["LogPartition", "log_partition"]


class LogPartition(NamedTuple):
    """What annealed importance sampling says of :math:`\\log Z`, and the ends of three standard errors, in nats."""

    value: float
    low: float
    high: float


@torch.no_grad()
def log_partition(
    machine: DBM, chains: int = 100, steps: int = 1000, generator: torch.Generator | None = None
) -> LogPartition:
    r""":math:`\log Z`: from a machine whose :math:`Z` is known, in small steps, to this one.

    .. math:: \frac{Z_1}{Z_0} = \mathbb E \prod_{s=1}^S \frac{f_{\beta_s}(x_{s-1})}{f_{\beta_{s-1}}(x_{s-1})}

    :math:`f_\beta` is the unnormalised probability of the odd layers, the even ones summed in closed form, with the
    weights times :math:`\beta`; without weights :math:`Z_0` is a product. :math:`x_s` is a step of Gibbs sampling at
    :math:`\beta_s` from :math:`x_{s-1}`. The product's mean is exact for any number of steps; that of few chains is
    most likely too small.

    Args:
        machine: what is summed over; it stays as it is.
        chains: how many products are averaged, at least 2.
        steps: :math:`S`.
        generator: what the chains draw from; None: the global one.

    Raises:
        ValueError: where there are fewer than 2 chains or no step.
    """
    check_count("chains", chains, least=2)
    betas = torch.linspace(0, 1, check_count("steps", steps) + 1).tolist()
    layers, weights = machine.start(chains, generator), torch.zeros(chains, dtype=torch.float64)
    for before, beta in pairwise(betas):
        weights += (machine.log_odd(layers, beta) - machine.log_odd(layers, before)).double().cpu()
        layers = machine.sweep(layers, generator, beta)
    known = sum(float(machine.log_sum(k, machine.bias(k, 0.0))) for k in range(len(machine.sizes)))
    largest = weights.max()
    ratios = (weights - largest).exp()
    mean, error = float(ratios.mean()), float(ratios.std()) / math.sqrt(chains)
    at = known + float(largest)
    low = at + math.log(mean - 3 * error) if mean > 3 * error else -math.inf
    return LogPartition(at + math.log(mean), low, at + math.log(mean + 3 * error))
