"""Reward shaping: whoever stands between a bandit and its rewards decides what it does (Jun et al. 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.checks import check_count, check_number

__all__ = ["BanditRun", "epsilon_greedy", "shape_rewards", "ucb"]

#: Which arm each of many bandits pulls ``[runs]``, from the round, the means that it has seen and how often it has
#: pulled each arm, both ``[runs, arms]``, and one uniform draw for each run and arm.
Bandit = Callable[[int, Tensor, Tensor, Tensor], Tensor]


def ucb(sigma: float) -> Bandit:
    r"""Optimism: the arm with the largest :math:`\hat\mu_i + 3\sigma\sqrt{\ln t / N_i}`; ``sigma`` is above 0."""
    sigma = check_number("sigma", sigma, above=0.0)
    return lambda t, means, counts, draw: (means + 3 * sigma * (math.log(t) / counts).sqrt()).argmax(dim=1)


def epsilon_greedy(arms: int) -> Bandit:
    r"""In round :math:`t` any arm with chance :math:`\min(1, c/t)`, :math:`c` = ``arms``; otherwise the best so far."""
    arms = check_count("arms", arms)

    def choose(t: int, means: Tensor, counts: Tensor, draw: Tensor) -> Tensor:
        if means.shape[1] != arms:
            raise ValueError(f"epsilon_greedy({arms}) plays {arms} arms, and there are {means.shape[1]}")
        anyone = (draw[:, 0] * arms).long().clamp(max=arms - 1)
        return torch.where(draw[:, -1] < arms / t, anyone, means.argmax(dim=1))

    return choose


@dataclass(frozen=True)
class BanditRun:
    """What many bandits did, and what their adversary paid.

    Args:
        pulls: the arm of each round, ``[runs, rounds]``.
        costs: what the adversary took off each reward, ``[runs, rounds]``, in the unit of the reward.
    """

    pulls: Int[Tensor, "runs rounds"]
    costs: Float[Tensor, "runs rounds"]

    def share(self, arm: int) -> Float[Tensor, " runs"]:
        """How many of all rounds pulled an arm."""
        return (self.pulls == arm).double().mean(dim=1)


def shape_rewards(
    bandit: Bandit,
    means: Sequence[float],
    target: int | None,
    *,
    rounds: int,
    runs: int,
    sigma: float = 0.1,
    gap: float = 0.0,
    delta: float = 0.05,
    generator: torch.Generator | None = None,
) -> BanditRun:
    r"""Bandits whose rewards pass through an adversary, who wants that they pull one arm :math:`K` and no other.

    When another arm :math:`i` is pulled, just so much is taken off its reward that it looks worse than the target ever
    can, as far as the adversary knows, who knows no true mean either:

    .. math::
        \hat\mu_i(t) \le \hat\mu_K(t) - 2\beta(N_K(t)) - \Delta_0, \qquad
        \beta(N) = \sqrt{\tfrac{2\sigma^2}{N} \ln \tfrac{\pi^2 \mathcal K N^2}{3\delta}}

    with :math:`\mathcal K` arms. A reward of the target is never changed. The learner explores ever less, so that what
    it costs grows with the logarithm of the rounds, while the target is pulled nearly always.

    Args:
        bandit: :func:`ucb`, :func:`epsilon_greedy`, or one of your own.
        means: the true mean reward of each arm; rewards are Gaussian around them.
        target: the arm; None is no adversary.
        rounds, runs: how often a bandit pulls, not less than there are arms, and how many bandits there are.
        sigma: the standard deviation of a reward, above 0.
        gap: :math:`\Delta_0`, at least 0: what optimism would forgive. The paper takes 0 for epsilon-greedy.
        delta: how likely the adversary may be wrong about the target's mean, in (0, 1).
        generator: of all draws.

    Raises:
        ValueError: where a number lies elsewhere, the target is none of the arms, or the bandit's choice is not.

    Differs from the paper:
        every arm is pulled once at the beginning, the target first, so that there is something to compare with.
    """
    arms, runs = check_count("the number of means", len(means), 2), check_count("runs", runs)
    rounds = check_count("rounds", rounds, arms)
    sigma, gap = check_number("sigma", sigma, above=0.0), check_number("gap", gap, least=0.0)
    delta = check_number("delta", delta, least=1e-12, most=1 - 1e-12)
    true = torch.tensor([check_number("a mean", mean) for mean in means], dtype=torch.float64)
    if target is not None and check_count("target", target, least=0) >= arms:
        raise ValueError(f"target must be None or an arm from 0 to {arms - 1}, got {target}")
    order = sorted(range(arms), key=lambda arm: arm != target)
    sums, counts = torch.zeros(runs, arms, dtype=torch.float64), torch.zeros(runs, arms, dtype=torch.float64)
    row = torch.arange(runs)
    pulls, costs = torch.zeros(runs, rounds, dtype=torch.long), torch.zeros(runs, rounds, dtype=torch.float64)
    for t in range(1, rounds + 1):
        draw = torch.rand(runs, arms, generator=generator, dtype=torch.float64)
        noise = sigma * torch.randn(runs, generator=generator, dtype=torch.float64)
        arm = (
            torch.full((runs,), order[t - 1]) if t <= arms else bandit(t, sums / counts, counts.clone(), draw)
        )
        if arm.shape != row.shape or arm.dtype != torch.long:
            raise ValueError(
                f"expected one arm of int64 for each of {runs} runs from the bandit, got {arm!r:.80}"
            )
        counts[row, arm] += 1
        reward = true[arm] + noise
        if target is not None:
            n = counts[:, target]
            beta = (2 * sigma**2 / n * (math.pi**2 * arms * n**2 / (3 * delta)).log()).sqrt()
            most = counts[row, arm] * (sums[:, target] / n - 2 * beta - gap)
            cost = (sums[row, arm] + reward - most).clamp(min=0).masked_fill(arm == target, 0.0)
            reward, costs[:, t - 1] = reward - cost, cost
        sums[row, arm] += reward
        pulls[:, t - 1] = arm
    if int(pulls.min()) < 0:
        raise ValueError(f"expected arms from 0 to {arms - 1} from the bandit, got {int(pulls.min())}")
    return BanditRun(pulls, costs)
