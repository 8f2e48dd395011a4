"""Bandits with and without somebody between them and their rewards."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from advnotes.defences import BanditRun, epsilon_greedy, shape_rewards, ucb
from advnotes.defences.reward_shaping import Bandit

MEANS = [0.8, 0.6, 0.2]


def run(bandit: Bandit | None = None, target: int | None = 2, **options: Any) -> BanditRun:
    settings: dict[str, Any] = {
        "rounds": 2000,
        "runs": 20,
        "gap": 0.3,
        "generator": torch.Generator().manual_seed(0),
    }
    return shape_rewards(bandit or ucb(0.1), MEANS, target, **settings | options)


@pytest.mark.parametrize("bandit", [ucb(0.1), epsilon_greedy(3)], ids=["ucb", "epsilon-greedy"])
def test_the_worst_arm_is_pulled_with_the_adversary_and_the_best_without(bandit: Bandit) -> None:
    shaped, honest = run(bandit), run(bandit, None)
    assert float(shaped.share(2).min()) > 0.95
    assert float(honest.share(0).min()) > 0.95
    assert not bool(honest.costs.any())
    assert not bool(shaped.costs[shaped.pulls == 2].any()), "a reward of the target is never changed"


def test_ten_times_the_rounds_cost_a_little_more() -> None:
    cost = run(rounds=5000).costs.cumsum(dim=1).mean(dim=0)
    paid_early, paid_late = float(cost[499]), float(cost[-1] - cost[499])
    assert paid_late < 3 * paid_early, "a constant price a round would make it nine times"


def test_optimism_that_is_not_reckoned_with_costs_more_and_more() -> None:
    cost = run(gap=0.0, rounds=5000).costs.cumsum(dim=1).mean(dim=0)
    assert float(cost[-1] - cost[499]) > 4 * float(cost[499])


def test_after_a_pull_no_other_arm_looks_better_than_the_target_can() -> None:
    """Recomputed from what was paid: without noise every reward is its mean less the cost."""
    sigma, gap, delta = 1e-9, 0.3, 0.05
    made = shape_rewards(ucb(0.1), MEANS, 2, rounds=300, runs=1, sigma=sigma, gap=gap, delta=delta)
    sums, counts = [0.0] * 3, [0] * 3
    for arm, cost in zip(made.pulls[0].tolist(), made.costs[0].tolist(), strict=True):
        sums[arm] += MEANS[arm] - cost
        counts[arm] += 1
        if arm != 2:
            n = counts[2]
            beta = math.sqrt(2 * sigma**2 / n * math.log(math.pi**2 * 3 * n**2 / (3 * delta)))
            assert sums[arm] / counts[arm] <= sums[2] / counts[2] - 2 * beta - gap + 1e-6
    assert counts[2] > 250


def test_upper_confidence_is_the_papers_index() -> None:
    means, counts = torch.tensor([[0.5, 0.4]]).double(), torch.tensor([[100.0, 4.0]]).double()
    bonus = [3 * 0.1 * math.sqrt(math.log(50) / n) for n in (100, 4)]
    assert 0.5 + bonus[0] < 0.4 + bonus[1]
    assert ucb(0.1)(50, means, counts, torch.zeros(1, 2)).tolist() == [1]
    assert ucb(1e-6)(50, means, counts, torch.zeros(1, 2)).tolist() == [0]


def test_epsilon_greedy_explores_with_a_chance_that_falls() -> None:
    means, counts = torch.tensor([[0.5, 0.4]]).double().expand(4000, 2), torch.ones(4000, 2).double()
    draw = torch.rand(4000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for t, expected in ((2, 0.5), (8, 0.125), (200, 0.005)):
        worse = float((epsilon_greedy(2)(t, means, counts, draw) == 1).double().mean())
        assert worse == pytest.approx(expected, abs=0.03)


def test_the_generator_decides_all_of_it() -> None:
    first, again, other = (
        run(rounds=50, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first.costs, again.costs)
    assert not torch.equal(first.costs, other.costs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 3}, "from 0 to 2, got 3"),
        ({"target": -1}, "target must be a whole number of at least 0"),
        ({"rounds": 2}, "rounds must be a whole number"),
        ({"sigma": 0.0}, "sigma must be a finite number above 0"),
        ({"gap": -0.1}, "gap must be"),
        ({"delta": 1.0}, "delta must be"),
        ({"runs": 0}, "runs must be"),
    ],
)
def test_bad_numbers_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(**options)


def test_a_mean_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="a mean must be"):
        shape_rewards(ucb(0.1), [0.1, float("nan")], 0, rounds=5, runs=1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("target", [True, 1.0])
def test_a_target_that_is_no_arm_is_named(target: Any) -> None:
    with pytest.raises(ValueError, match="target must be a whole number"):
        run(target=target)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (torch.tensor(0), "one arm of int64 for each of 2 runs"),
        (torch.zeros(2), "one arm of int64"),
        (torch.full((2,), -1), "arms from 0 to 1 from the bandit, got -1"),
    ],
)
def test_a_bandit_that_pulls_no_arm_is_named(choice: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shape_rewards(lambda t, means, counts, draw: choice, [0.8, 0.2], 1, rounds=9, runs=2)


@pytest.mark.parametrize("arms", [2, 4])
def test_epsilon_greedy_of_other_arms_is_named(arms: int) -> None:
    with pytest.raises(ValueError, match=f"plays {arms} arms, and there are 3"):
        shape_rewards(epsilon_greedy(arms), [0.8, 0.5, 0.2], 2, rounds=9, runs=2)


def test_a_bandit_cannot_write_into_its_memory() -> None:
    def writes(t: int, means: Tensor, counts: Tensor, draw: Tensor) -> Tensor:
        arm = ucb(0.1)(t, means, counts, draw)
        counts.zero_()
        means.zero_()
        return arm

    runs = [
        shape_rewards(bandit, [0.8, 0.2], 1, rounds=60, runs=3, generator=torch.Generator().manual_seed(0))
        for bandit in (ucb(0.1), writes)
    ]
    assert torch.equal(runs[0].pulls, runs[1].pulls)
    assert torch.equal(runs[0].costs, runs[1].costs)
