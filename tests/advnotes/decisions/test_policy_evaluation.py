"""Expected SARSA: its target by hand, a table that it brings to the exact values, and an end that is only a pause."""

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from advnotes.decisions import Corridor, evaluate_policy, expected_target


class Table(nn.Module):
    """A number for each state and action of a corridor, looked up by the observation."""

    def __init__(self, env: Corridor) -> None:
        super().__init__()
        self.register_buffer("observations", env.observations.double())
        self.q = nn.Parameter(torch.zeros_like(env.reward))

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cdist(x, self.observations).argmin(dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.q[self.rows(x)]


def test_the_target_is_the_reward_and_the_discounted_mean_of_what_follows() -> None:
    next_q = torch.tensor([[1.0, 3.0], [5.0, 7.0]], requires_grad=True)
    policy = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    target = expected_target(torch.tensor([1.0, 2.0]), torch.tensor([False, True]), next_q, policy, 0.5)
    assert target.tolist() == [1 + 0.5 * 2.5, 2.0]
    assert not target.requires_grad
    # infinite values behind an end do not count
    lost = expected_target(
        torch.ones(1), torch.tensor([True]), torch.full((1, 2), torch.inf), policy[:1], 0.5
    )
    assert lost.tolist() == [1.0]


@pytest.mark.parametrize("epsilon", [0.3, 1.0])
def test_a_table_comes_to_the_exact_values(epsilon: float) -> None:
    # The corridor is deterministic and the mean over next actions is exact: no noise is left, and the table converges.
    env = Corridor(sides=2, middle=0, anywhere=True)
    probabilities = env.near_greedy(epsilon, 0.9)
    table = Table(env)
    losses = evaluate_policy(
        table,
        env,
        lambda x: probabilities[table.rows(x)],
        torch.optim.SGD(table.parameters(), lr=2.0),
        steps=300,
        discount=0.9,
        batch_size=10,
        generator=torch.Generator().manual_seed(0),
    )
    assert len(losses) == 300
    torch.testing.assert_close(table.q.detach(), env.q_of(probabilities, 0.9), rtol=0, atol=2e-3)


def test_the_generator_decides_and_the_global_one_is_left_alone() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(len(found))
        env, before = Corridor(sides=2, middle=0, anywhere=True), torch.get_rng_state()
        table = Table(env)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.5)
        uniform = lambda x: torch.full((len(x), 5), 0.2)  # noqa: E731
        evaluate_policy(table, env, uniform, optimizer, steps=20, generator=torch.Generator().manual_seed(1))
        assert torch.equal(before, torch.get_rng_state())
        found.append(table.q.detach().clone())
    assert torch.equal(*found)


class Reused(Corridor):
    """Writes each observation into the same array, as fast environments do."""

    array = np.zeros(2, np.float32)

    def step(self, action):
        observation, *rest = super().step(action)
        self.array[:] = observation
        return self.array, *rest


def test_observations_are_copied() -> None:
    found = []
    for kind in (Corridor, Reused):
        env = kind(sides=2, middle=0)
        table = Table(env)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.5)
        uniform = lambda x: torch.full((len(x), 5), 0.2)  # noqa: E731
        evaluate_policy(table, env, uniform, optimizer, steps=30, generator=torch.Generator().manual_seed(1))
        found.append(table.q.detach())
    assert torch.equal(*found)
    assert found[0].abs().max() > 0


class Numbered(Corridor):
    """Gives the number of the state, not its place."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = gymnasium.spaces.Discrete(69)


class Off(Corridor):
    """Says something that is no observation or no reward."""

    def __init__(self, observation: object = (0.0, 0.0), reward: float = 0.0) -> None:
        super().__init__(sides=2, middle=0)
        self.said = np.array(observation, np.float32), reward

    def step(self, action):
        return *self.said, False, False, {}


@pytest.mark.usefixtures("unchecked")
def test_nothing_is_broadcast() -> None:
    one, many, ended = torch.ones(4), torch.ones(4, 3), torch.zeros(4, dtype=torch.bool)
    assert expected_target(one, ended, many, many / 3, 0.9).shape == (4,)
    for wrong in (
        (one[:, None], ended, many, many),
        (one, ended, many, many[:, :1]),
        (one, ended, many, many[0]),
    ):
        with pytest.raises(ValueError, match="expected reward and ended of one shape"):
            expected_target(*wrong, 0.9)


WRONG = {
    "frozen": ({"network": nn.Linear(2, 5).requires_grad_(False)}, "no parameter that learns"),
    "optimizer": (
        {"optimizer": torch.optim.SGD(nn.Linear(2, 5).parameters(), lr=0.1)},
        r"optimizer moves no parameter of the network .* network.parameters\(\)",
    ),
    "weights": ({"policy": lambda x: torch.ones(len(x), 5)}, "policy must hold probabilities.* the sum 1"),
    "logits": (
        {"policy": lambda x: torch.arange(5.0)[None] - 1},
        "policy must hold probabilities, at least 0, got",
    ),
    "array": ({"policy": lambda x: np.full((len(x), 5), 0.2)}, r"policy must return .*, got ndarray"),
    "one for all": ({"policy": lambda x: torch.full((1, 5), 0.2)}, r"\(32, 5\), got \(1, 5\)"),
    "nan": ({"env": Off((0.0, np.nan))}, r"observations must be finite, of the shape \(2,\)"),
    "long": ({"env": Off((0.0, 0.0, 0.0))}, r"observations must be finite, of the shape \(2,\)"),
    "reward": ({"env": Off(reward=np.inf)}, "rewards must be finite numbers, got inf"),
    "network": ({"network": nn.Linear(2, 4)}, r"network must return .* = \(32, 5\), got \(32, 4\)"),
    "policy": ({"policy": lambda x: torch.ones(1, 3) / 3}, r"policy must return .* \(1, 5\), got \(1, 3\)"),
    "steps": ({"steps": -1}, "steps must be a whole number of at least 1, got -1"),
    "discount": ({"discount": 1.5}, "discount must be a finite number of at least 0 and at most 1"),
    "name": ({"env": "CartPole-v1"}, "must be a gymnasium.Env, got str: gymnasium.make"),
    "continuous": ({"env": gymnasium.make("Pendulum-v1")}, "must be Discrete, got Box.*TransformAction"),
    "numbered": ({"env": Numbered()}, "must be flat.* gymnasium.wrappers.FlattenObservation"),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", WRONG)
def test_mistakes_say_how_to_mend_them(name: str) -> None:
    settings, message = WRONG[name]
    network = settings.get("network", nn.Linear(2, 5))
    right = {
        "network": network,
        "env": Corridor(sides=2, middle=0),
        "policy": lambda x: torch.full((len(x), 5), 0.2),
        "optimizer": torch.optim.SGD(network.parameters(), lr=0.1),
        "steps": 2,
    }
    with pytest.raises(ValueError, match=message):
        evaluate_policy(**right | settings)
