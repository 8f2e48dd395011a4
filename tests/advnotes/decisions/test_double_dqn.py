"""Double DQN: its target by hand, Q-learning's limit on a table, and what it does with its environment."""

import gymnasium
import pytest
import torch
from torch import nn

from advnotes.decisions import Corridor, DoubleDQN, double_target, dueling_mlp


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_one_network_chooses_and_the_frozen_one_says_what_it_is_worth() -> None:
    q = torch.tensor([[1.0, 2.0, 0.0], [3.0, 1.0, 0.0], [0.0, 0.0, 1.0]], requires_grad=True)
    frozen = torch.tensor([[10.0, 20.0, 90.0], [30.0, 80.0, 70.0], [1.0, 1.0, torch.inf]])
    target = double_target(torch.tensor([1.0, 1.0, 5.0]), torch.tensor([False, False, True]), q, frozen, 0.5)
    assert target.tolist() == [11.0, 16.0, 5.0]
    assert not target.requires_grad
    # with one network for both it is the target of DQN, the maximum
    same = double_target(torch.zeros(3), torch.zeros(3, dtype=torch.bool), q, q, 1.0)
    assert torch.equal(same, q.detach().max(dim=1).values)


class Table(nn.Module):
    """A number for each state and action of a corridor, looked up by the observation."""

    def __init__(self, env: Corridor) -> None:
        super().__init__()
        self.register_buffer("observations", env.observations.double())
        self.q = nn.Parameter(torch.zeros_like(env.reward))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.q[torch.cdist(x, self.observations).argmin(dim=1)]


def test_a_table_that_acts_at_random_learns_the_best_values() -> None:
    env = Corridor(6, sides=2, middle=0, added="fatal", anywhere=True)
    agent = DoubleDQN(
        Table(env), env, discount=0.8, epsilon=1.0, learning_rate=0.02, copy_every=20, generator=seeded()
    )
    agent.learn(1000)
    torch.testing.assert_close(agent.network.q.detach(), env.optimal_q(0.8), rtol=0, atol=0.05)
    assert agent.returns
    assert set(agent.returns) == {0.0, 1.0}
    best = [agent.act(observation[None].double()) for observation in env.observations]
    assert best == env.optimal_q(0.8).argmax(dim=1).tolist()


def test_an_episode_that_is_cut_short_has_not_ended() -> None:
    env = gymnasium.wrappers.TimeLimit(Corridor(), 7)
    agent = DoubleDQN(nn.Linear(2, 5), env, generator=seeded())
    agent.learn(50)
    assert agent.returns == [0.0] * 7
    before, _, reward, after, ended = agent.replay.columns
    assert not ended.any()
    assert not reward.any()
    # a row after the cut begins at the start, and the row before it still leads to where it stood
    assert torch.equal(before[7], torch.tensor([-1.0, -1.0]))
    assert torch.equal(before[1:7], after[0:6])


def test_actions_may_be_counted_from_another_number() -> None:
    taken = []

    def note(action: int) -> int:
        taken.append(int(action))
        return action - 3

    env = gymnasium.wrappers.TransformAction(Corridor(), note, gymnasium.spaces.Discrete(5, start=3))
    agent = DoubleDQN(nn.Linear(2, 5), env, first=100, generator=seeded())
    agent.learn(90)
    assert set(taken) == {3, 4, 5, 6, 7}
    assert (agent.replay.columns[1][:90] == torch.tensor(taken) - 3).all()


def test_the_loss_is_hubers_of_the_double_target() -> None:
    network, frozen = nn.Linear(2, 5).double(), nn.Linear(2, 5).double()
    agent = DoubleDQN(network, Corridor(), discount=0.9)
    agent.frozen = frozen
    x, y = (torch.randn(4, 2, generator=seeded(i), dtype=torch.float64) for i in (1, 2))
    action, reward = torch.tensor([0, 4, 2, 2]), torch.tensor([3.0, 0.0, -1.0, 0.5]).double()
    ended = torch.tensor([False, True, False, False])
    expected = 0.0
    for i in range(4):
        chosen = int(network(y[i]).argmax())
        goal = reward[i] + (0 if ended[i] else 0.9 * frozen(y[i])[chosen])
        off = (network(x[i])[action[i]] - goal).abs().item()
        expected += (off**2 / 2 if off < 1 else off - 0.5) / 4
    loss = agent.loss(x, action, reward, y, ended)
    torch.testing.assert_close(loss.item(), expected, rtol=1e-12, atol=0)


def test_the_frozen_copy_follows_in_leaps_and_a_clip_holds_a_step_back() -> None:
    agent = DoubleDQN(dueling_mlp(2, 5), Corridor(), first=10, copy_every=30, clip=1e-3, generator=seeded())
    start = agent.frozen.state_dict()["value.0.weight"].clone()
    agent.learn(29)
    now = agent.network.value[0].weight.detach().clone()
    assert torch.equal(agent.frozen.value[0].weight, start)
    assert not torch.equal(now, start)
    norm = torch.stack([p.grad.norm() for p in agent.network.parameters()]).norm()
    assert norm <= 1e-3 * (1 + 1e-4)
    agent.learn(1)
    assert torch.equal(agent.frozen.value[0].weight, agent.network.value[0].weight)


def test_the_generator_decides_and_the_global_one_is_left_alone() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        network = dueling_mlp(4, 2)
        torch.manual_seed(len(found))
        before = torch.get_rng_state()
        agent = DoubleDQN(network, gymnasium.make("CartPole-v1"), first=20, generator=seeded(3))
        agent.learn(60)
        assert torch.equal(before, torch.get_rng_state())
        found.append((agent.returns, network.state_dict()["value.0.weight"]))
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.usefixtures("unchecked")
def test_nothing_is_broadcast() -> None:
    one, many, ended = torch.ones(4), torch.ones(4, 3), torch.zeros(4, dtype=torch.bool)
    assert double_target(one, ended, many, many, 0.9).shape == (4,)
    for wrong in (
        (one[:, None], ended, many, many),
        (one, ended[:, None], many, many),
        (one, ended[:1], many, many),
        (one, ended, many[:1], many),
        (one, ended, many, many[:, :2]),
    ):
        with pytest.raises(ValueError, match="expected reward and ended of one shape"):
            double_target(*wrong, 0.9)
    with pytest.raises(ValueError, match=r"got torch.int64: ended.bool\(\)"):
        double_target(one, ended.long(), many, many, 0.9)
    with pytest.raises(ValueError, match="discount must be a finite number"):
        double_target(one, ended, many, many, 1.5)


def test_it_acts_and_makes_targets_in_eval_mode_and_learns_in_the_networks_own() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 64), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Linear(64, 5))
    network[0].eval()  # a mode of its own stays
    agent = DoubleDQN(network, Corridor(), first=20, generator=seeded())
    before = torch.get_rng_state()
    assert len({agent.act(agent.episodes.here) for _ in range(20)}) == 1
    assert torch.equal(before, torch.get_rng_state())
    agent.learn(30)  # one observation at a time has no variance
    assert [module.training for module in network] == [False, True, True, True]
    assert int(network[1].num_batches_tracked) == 10  # once in each update
    assert not any(module.training for module in agent.frozen.modules())


def test_the_buffer_keeps_no_graphs() -> None:
    agent = DoubleDQN(dueling_mlp(2, 5), Corridor(), first=5, generator=seeded())
    agent.learn(20)
    assert not any(column.requires_grad for column in agent.replay.columns)


WRONG = {
    "frozen": (
        {"network": nn.Linear(2, 5).requires_grad_(False)},
        r"no parameter that learns: network.requires_grad_\(True\)",
    ),
    "no network": ({"network": lambda x: x}, "must be an nn.Module, got function"),
    "network": ({"network": nn.Linear(2, 4)}, r"network must return .* = \(1, 5\), got \(1, 4\)"),
    "env": ({"env": gymnasium.make("Pendulum-v1")}, "must be Discrete"),
    "not an env": ({"env": None}, "must be a gymnasium.Env, got NoneType"),
    "batch_size": ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
    "epsilon": ({"epsilon": 2}, "epsilon must be a finite number of at least 0 and at most 1, got 2"),
    "clip": ({"clip": 0}, "clip must be a finite number above 0"),
    "capacity": ({"capacity": -1}, "capacity must be a whole number"),
    "learning_rate": ({"learning_rate": -1.0}, "learning_rate must be a finite number above 0"),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", WRONG)
def test_mistakes_say_how_to_mend_them(name: str) -> None:
    settings, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        DoubleDQN(**{"network": nn.Linear(2, 5), "env": Corridor()} | settings)


@pytest.mark.usefixtures("unchecked")
def test_it_needs_steps_and_moves() -> None:
    agent = DoubleDQN(nn.Linear(2, 5), Corridor())
    with pytest.raises(ValueError, match="steps must be a whole number of at least 1, got -3"):
        agent.learn(-3)
    with pytest.raises(ValueError, match="empty replay buffer"):
        agent.update()
