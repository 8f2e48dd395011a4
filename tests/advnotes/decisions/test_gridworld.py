"""The gridworld against Gymnasium's check, and its exact answers against enumerated trajectories."""

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from advnotes.decisions import Gridworld, TabularPolicy, plan, sample_paths, visits

ROWS = ["S.#", ".P.", "#.G"]
REWARDS = {"G": 1.0, "P": -0.7, "S": 0.2}
T = 4


def world(slip: float = 0.0, **settings: object) -> Gridworld:
    return Gridworld(ROWS, REWARDS, horizon=T, slip=slip, **settings)  # type: ignore[arg-type]


def tables(env: Gridworld) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return tuple(torch.from_numpy(part) for part in (env.transitions, env.state_rewards, env.start))  # type: ignore[return-value]


def all_paths(env: Gridworld) -> tuple[torch.Tensor, torch.Tensor]:
    """Every sequence of actions from the start, as trajectories, and what each is paid."""
    follow = env.transitions.argmax(axis=2)
    paths, returns = [], []
    for actions in itertools.product(range(5), repeat=T):
        state, path, paid = int(env.start.argmax()), [], 0.0
        for action in actions:
            path.append((state, action))
            paid += env.state_rewards[state]
            state = int(follow[state, action])
        paths.append(path)
        returns.append(paid)
    return torch.tensor(paths), torch.tensor(returns, dtype=torch.float64)


@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_it_is_an_environment_by_gymnasium_s_check(slip: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(world(slip), skip_render_check=True)


def test_walls_and_the_rim_hold_and_the_map_is_drawn() -> None:
    env = world(render_mode="ansi")
    assert env.cells == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert env.reset(seed=0)[0] == 0
    for action, wanted in ((1, 0), (4, 0), (2, 1), (2, 1)):  # up and left the rim, right, and then the wall
        state, reward, terminated, truncated, _ = env.step(np.int64(action))
        assert (state, terminated) == (wanted, False)
    assert truncated
    assert env.render() == "S@#\n.P.\n#.G"
    assert reward == 0.0
    with pytest.raises(ValueError, match="the episode is over after 4 steps"):
        env.step(np.int64(0))


def test_steps_follow_the_table_and_a_seed_gives_the_same_episode() -> None:
    env = world(0.5)
    state, _ = env.reset(seed=3)
    seen = np.zeros(len(env.cells))
    n = 3000
    for _ in range(n):
        env.reset()
        state, reward, *_ = env.step(np.int64(2))
        assert reward == 0.2
        seen[state] += 1 / n
    wanted = env.transitions[0, 2]
    assert np.all(np.abs(seen - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / n))
    episodes = []
    for _ in range(2):
        first, _ = env.reset(seed=11)
        episodes.append([first, *(env.step(np.int64(1))[0] for _ in range(T))])
    assert episodes[0] == episodes[1]


def test_the_soft_policy_draws_maximum_entropy_trajectories() -> None:
    env = world()
    transitions, rewards, start = tables(env)
    paths, returns = all_paths(env)
    for temperature in (1.0, 0.4):
        values, policy = plan(transitions, rewards, T, temperature)
        log_z = (returns / temperature).logsumexp(dim=0)
        torch.testing.assert_close(values[0, 0], temperature * log_z)
        walker = TabularPolicy(transitions, start, T)
        walker.logits.data.copy_(policy.log())
        torch.testing.assert_close(walker.log_prob(paths), returns / temperature - log_z)


def test_the_optimal_policy_has_the_best_return_there_is() -> None:
    env = world()
    transitions, rewards, start = tables(env)
    _, returns = all_paths(env)
    values, policy = plan(transitions, rewards, T, 0.0)
    assert values[0, 0].item() == pytest.approx(float(returns.max()))
    assert float((visits(transitions, policy, start) @ rewards).sum()) == pytest.approx(float(returns.max()))
    cold = plan(transitions, rewards, T, 1e-3)
    torch.testing.assert_close(cold.values, values, atol=T * 1e-3 * math.log(5), rtol=0)


@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_the_soft_value_is_the_return_and_the_entropy(slip: float) -> None:
    transitions, rewards, start = tables(world(slip))
    temperature = 0.6
    values, policy = plan(transitions, rewards, T, temperature)
    spent = visits(transitions, policy, start)
    torch.testing.assert_close(spent.sum(dim=1), torch.ones(T, dtype=torch.float64))
    entropy = (spent * torch.special.entr(policy).sum(dim=2)).sum()
    torch.testing.assert_close(values[0] @ start, (spent @ rewards).sum() + temperature * entropy)
    # No other policy has more of both together.
    other = (
        policy.log() + 0.3 * torch.randn(policy.shape, generator=torch.Generator().manual_seed(0))
    ).softmax(dim=2)
    spent = visits(transitions, other, start)
    gained = (spent @ rewards).sum() + temperature * (spent * torch.special.entr(other).sum(dim=2)).sum()
    assert gained < values[0] @ start - 1e-3


def test_rewards_of_states_are_rewards_of_all_their_actions() -> None:
    transitions, rewards, _ = tables(world(0.2))
    one, other = plan(transitions, rewards, T), plan(transitions, rewards[:, None].expand(-1, 5), T)
    torch.testing.assert_close(one.values, other.values)
    torch.testing.assert_close(one.policy, other.policy)


def test_drawn_paths_are_where_the_policy_spends_its_time() -> None:
    env = world(0.3, starts="S.")
    transitions, rewards, start = tables(env)
    policy = plan(transitions, rewards, T).policy
    n = 4000
    paths = sample_paths(transitions, policy, start, n, torch.Generator().manual_seed(0))
    wanted = visits(transitions, policy, start)
    for t in range(T):
        share = paths[:, t, 0].bincount(minlength=len(env.cells)) / n
        assert bool(((share - wanted[t]).abs() <= 5 * (wanted[t] * (1 - wanted[t]) / n).sqrt()).all())
    moved = transitions[paths[:, :-1, 0], paths[:, :-1, 1], paths[:, 1:, 0]]
    assert bool((moved > 0).all())
    again = sample_paths(transitions, policy, start, n, torch.Generator().manual_seed(0))
    assert torch.equal(paths, again)


MISTAKES = [
    (dict(rows=[]), "rows must be a list of strings"),
    (dict(rows="S.G"), "rows must be a list of strings"),
    (dict(rows=["S.", "."]), r"equally long, got lengths \[1, 2\]"),
    (dict(rows=["..", ".."], rewards={}), "no episode can begin: starts are 'S'"),
    (dict(rows=["##"], rewards={}), "no episode can begin"),
    (dict(rewards={"X": 1.0}), r"rewards name the ground \['X'\]"),
    (dict(rewards=[1.0]), "rewards must be a mapping .* got list"),
    (dict(starts="SX"), r"starts name the ground \['X'\]"),
    (dict(starts=None), "starts must be a string of kinds of ground, .* got None"),
    (dict(rewards={"G": math.inf}), "the reward of 'G' must be a finite number"),
    (dict(horizon=0), "horizon must be a whole number of at least 1"),
    (dict(slip=1.5), "slip must be a finite number"),
    (dict(render_mode="human"), "render_mode must be 'ansi'"),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_a_world_that_is_none_is_refused(change: dict[str, object], message: str) -> None:
    settings: dict[str, object] = dict(rows=ROWS, rewards=REWARDS, horizon=T)
    with pytest.raises(ValueError, match=message):
        Gridworld(**(settings | change))  # type: ignore[arg-type]


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_a_world_is_refused() -> None:
    transitions, rewards, start = tables(world())
    policy = plan(transitions, rewards, T).policy
    env = world()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="an action from 0 to 4"):
        env.step(np.int64(5))
    with pytest.raises(ValueError, match=r"each state, \(7,\)"):
        plan(transitions, rewards[:3], T)
    with pytest.raises(ValueError, match="temperature"):
        plan(transitions, rewards, T, -1.0)
    with pytest.raises(ValueError, match="temperature 1e-320 are too large; temperature 0 is the optimal"):
        plan(transitions, rewards, T, 1e-320)
    with pytest.raises(
        ValueError, match=r"one dtype and device, got torch\.float32 on cpu and torch\.float64"
    ):
        plan(transitions, rewards.float(), T)
    with pytest.raises(ValueError, match=r"rewards and transitions must .* got torch\.int64"):
        plan(transitions, rewards.long(), T)
    with pytest.raises(ValueError, match=r"start and transitions must have one .*start.to\(transitions\)"):
        visits(transitions, policy, start.float())
    with pytest.raises(
        ValueError, match=r"transitions must hold probabilities of a floating dtype, got torch\.int64"
    ):
        TabularPolicy(torch.eye(7).long()[:, None], start, T)
    with pytest.raises(ValueError, match="transitions must hold probabilities"):
        plan(2 * transitions, rewards, T)
    with pytest.raises(ValueError, match="policy must hold probabilities"):
        visits(transitions, policy + 1, start)
    with pytest.raises(ValueError, match=r"policies \[horizon, 7, 5\]"):
        sample_paths(transitions, policy[..., :2], start, 3)
    with pytest.raises(ValueError, match="start must hold probabilities"):
        TabularPolicy(transitions, 2 * start, T)


def test_an_episode_begins_with_reset() -> None:
    with pytest.raises(ValueError, match=r"has not begun: call reset\(\) before step"):
        world().step(np.int64(0))


def test_equally_good_actions_are_equally_likely_in_single_precision_and_in_any_unit() -> None:
    transitions, rewards, _ = tables(world(0.2))
    exact = plan(transitions, rewards, 6, 0.0).policy
    assert bool((exact == 0.5).any())
    single = plan(transitions.float(), rewards.float(), 6, 0.0).policy
    torch.testing.assert_close(single.double(), exact, atol=1e-6, rtol=0)
    torch.testing.assert_close(plan(transitions, 1e-12 * rewards, 6, 0.0).policy, exact, atol=1e-9, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_world_in_half_precision_is_one_and_all_of_it_is_drawn(dtype: torch.dtype) -> None:
    n = 1000  # more states than half precision has numbers near 1
    start = torch.full((n,), 1 / n)
    policy = TabularPolicy(torch.ones(n, 1, 1).expand(n, 1, n) / n, start, 1).to(dtype)
    seen = policy.sample(20_000, torch.Generator().manual_seed(0))[:, 0, 0]
    assert len(seen.unique()) == n


def test_a_policy_is_made_without_drawing() -> None:
    transitions, _, start = tables(world())
    before = torch.get_rng_state()
    TabularPolicy(transitions, start, T)
    assert torch.equal(before, torch.get_rng_state())


def test_a_policy_that_has_diverged_draws_nothing() -> None:
    transitions, _, start = tables(world())
    policy = TabularPolicy(transitions, start, T)
    policy.logits.data[1, 2, 0] = math.nan
    with pytest.raises(ValueError, match="they are NaN: did its training diverge"):
        policy.sample(3)
    policy.logits.data[1, 2] = torch.tensor(
        [0.0, -math.inf, -math.inf, -math.inf, -math.inf]
    )  # a certain action
    assert policy.sample(3).shape == (3, T, 2)
