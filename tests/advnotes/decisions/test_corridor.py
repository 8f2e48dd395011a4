"""The corridor: Gymnasium's own check, values by closed form and by iteration, its tables beside its steps."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from advnotes.decisions import Corridor

ENVIRONMENTS = {
    "paper": {},
    "idle": {"actions": 20},
    "fatal": {"actions": 8, "added": "fatal"},
    "anywhere": {"anywhere": True},
    "small": {"sides": 2, "middle": 0},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.filterwarnings("ignore:.*render.*", "ignore:.*unwrapped.*")
def test_gymnasium_accepts_it(name: str) -> None:
    check_env(Corridor(**ENVIRONMENTS[name]), skip_render_check=True)


def test_it_has_the_papers_cells() -> None:
    env = Corridor()
    assert env.observations.shape == (69, 2)  # 10 + 50 + 10 cells, of which the last one is the end
    assert (env.observations[:, 0] == -1).sum() == 10
    assert (env.observations[:, 0] == 1).sum() == 9
    assert len(env.observations.unique(dim=0)) == 69


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("discount", [0.5, 0.99])
def test_the_best_values_fall_by_the_discount_with_each_step_from_the_end(name: str, discount: float) -> None:
    env = Corridor(**ENVIRONMENTS[name])
    q = env.optimal_q(discount)
    steps = torch.arange(len(q) - 1, -1, -1).double()
    torch.testing.assert_close(q.max(dim=1).values, discount**steps, rtol=1e-12, atol=1e-15)
    best = env.near_greedy(0.0, discount)
    torch.testing.assert_close(env.q_of(best, discount), q, rtol=1e-9, atol=1e-12)
    for action in range(5, q.shape[1]):
        worth = torch.zeros_like(steps) if "added" in ENVIRONMENTS[name] else discount ** (steps + 1)
        torch.testing.assert_close(q[:, action], worth, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_policys_values_are_where_plain_iteration_ends(name: str) -> None:
    env = Corridor(**ENVIRONMENTS[name])
    generator = torch.Generator().manual_seed(3)
    policy = torch.rand(env.reward.shape, generator=generator, dtype=torch.float64).softmax(dim=1)
    q = torch.zeros_like(env.reward)
    for _ in range(400):
        value = (policy * q).sum(dim=1)
        q = env.reward + 0.9 * value[env.next_state] * ~env.ended
    torch.testing.assert_close(env.q_of(policy, 0.9), q, rtol=1e-9, atol=1e-12)


def test_it_moves_as_its_tables_say() -> None:
    env = Corridor(7, sides=3, middle=2, added="fatal", anywhere=True)
    generator = torch.Generator().manual_seed(4)
    observation, _ = env.reset(seed=5)
    ends = 0
    for _ in range(600):
        state, action = env.state, int(torch.randint(7, (), generator=generator))
        np.testing.assert_array_equal(observation, env.observations[state].numpy())
        observation, reward, ended, truncated, _ = env.step(action)
        assert not truncated
        assert (reward, ended) == (env.reward[state, action].item(), env.ended[state, action].item())
        if ended:
            ends += 1
            observation, _ = env.reset()
        else:
            assert env.state == env.next_state[state, action]
    assert ends > 50


def test_the_way_up_along_and_up_ends_with_the_reward() -> None:
    env = Corridor(sides=3, middle=4)
    env.reset()
    path = [0] * 2 + [3] * 5 + [0] * 2  # up, right, up
    moves = [env.step(action)[1:3] for action in path]
    assert moves == [(0.0, False)] * 8 + [(1.0, True)]
    env.reset()
    for action in (1, 2, 3, 4):  # walls below and on both sides, and no move
        env.step(action)
        assert env.state == 0


def test_episodes_begin_anywhere_by_the_seed() -> None:
    env = Corridor(anywhere=True)
    starts = [env.reset(seed=seed)[0].tolist() for seed in range(30)]
    assert len({tuple(start) for start in starts}) > 10
    assert starts == [env.reset(seed=seed)[0].tolist() for seed in range(30)]
    assert Corridor().reset(seed=3)[0].tolist() == [-1, -1]


def test_the_paper_acts_at_random_with_probability_epsilon() -> None:
    env = Corridor(10)
    policy = env.near_greedy(0.2, 0.99)
    torch.testing.assert_close(policy.sum(dim=1), torch.ones(69).double())
    assert set(policy.unique().tolist()) == {0.2 / 10, 0.2 / 10 + 0.8}
    assert torch.equal(policy.argmax(dim=1), env.optimal_q(0.99).argmax(dim=1))


@pytest.mark.usefixtures("unchecked")
def test_mistakes_say_how_to_mend_them() -> None:
    with pytest.raises(ValueError, match="actions must be a whole number of at least 5, got 4"):
        Corridor(4)
    with pytest.raises(ValueError, match="sides must be a whole number of at least 2"):
        Corridor(sides=1)
    with pytest.raises(ValueError, match=r"added must be 'idle' or 'fatal'.* got 'deadly'"):
        Corridor(added="deadly")
    env = Corridor(sides=2, middle=0)
    with pytest.raises(ValueError, match=r"call reset\(\) before step"):
        env.step(0)
    env.reset()
    with pytest.raises(ValueError, match="whole number from 0 to 4, got 5"):
        env.step(5)
    for action in (0, 3, 0):
        env.step(action)
    with pytest.raises(ValueError, match="the episode has ended"):
        env.step(0)
    with pytest.raises(ValueError, match="discount must be less than 1"):
        env.optimal_q(1.0)
    with pytest.raises(ValueError, match="with the discount 1e-05 a reward 69 steps away is 0"):
        Corridor().near_greedy(0.1, 1e-5)
    with pytest.raises(ValueError, match=r"policy must have the shape \(3, 5\), got \(3, 4\)"):
        env.q_of(torch.full((3, 4), 0.25), 0.9)
    with pytest.raises(ValueError, match="add up to 1"):
        env.q_of(torch.ones(3, 5), 0.9)


def test_it_can_be_wrapped() -> None:
    env = gymnasium.wrappers.TimeLimit(Corridor(), 3)
    env.reset(seed=0)
    assert [env.step(4)[3] for _ in range(3)] == [False, False, True]


def test_it_is_the_same_under_another_default_dtype_and_device() -> None:
    wanted = Corridor(6, added="fatal")
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            env = Corridor(6, added="fatal")
            policy = env.near_greedy(0.1, 0.9)
            q = env.q_of(policy, 0.9)
            observation, _ = env.reset()
    finally:
        torch.set_default_dtype(torch.float32)
    assert observation.dtype == np.float32
    assert torch.equal(env.observations, wanted.observations)
    assert torch.equal(env.ended, wanted.ended)
    assert torch.equal(q, wanted.q_of(wanted.near_greedy(0.1, 0.9), 0.9))
