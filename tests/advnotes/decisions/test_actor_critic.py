"""Actor and critic against the GAN, closed forms and each other; the stateless environment and the cart."""

from __future__ import annotations

import copy

import gymnasium
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gymnasium.utils.env_checker import check_env
from scipy.linalg import solve_discrete_are
from torch import nn

from advnotes import play
from advnotes.decisions import (
    ActorCritic,
    ActorCriticGAN,
    Experience,
    RealOrMade,
    Regulator,
    ReplayBuffer,
    Showings,
    TargetNetwork,
    best_critic,
    policy_gradient,
)
from advnotes.gan import GAN, R1, HistoricalAveraging, MinimaxGAN, NegativeEntropy
from advnotes.nets import mlp

REAL = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def players() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    smooth = nn.Tanh
    return mlp(3, 8, 8, 2, activation=smooth).double(), mlp(2, 8, 1, activation=smooth).double()


@pytest.mark.parametrize(
    ("kind", "value"),
    [(GAN, lambda logit: -F.softplus(-logit)), (MinimaxGAN, lambda logit: F.softplus(logit))],
)
def test_a_generator_s_gradient_is_the_deterministic_policy_gradient(kind, value):
    G, D = players()
    z = torch.randn(7, 3, dtype=torch.float64)
    game = kind(G, D, 3)
    game.latent = lambda n, generator=None: z
    game.generator_loss(torch.zeros(7, 2, dtype=torch.float64)).backward()
    climbed = policy_gradient(G, lambda states, actions: value(D(actions).flatten()), z)
    assert climbed.keys() == dict(G.named_parameters()).keys()
    for name, parameter in G.named_parameters():
        assert parameter.grad.abs().max() > 1e-6
        torch.testing.assert_close(-climbed[name], parameter.grad, rtol=0, atol=1e-12)


def test_the_policy_gradient_is_the_slope_of_the_mean_value():
    G, D = players()
    z, small = torch.randn(5, 3, dtype=torch.float64), 1e-5
    climbed = policy_gradient(
        G, lambda states, actions: D(actions).flatten() + states[:, 0] * actions[:, 1], z
    )
    with torch.no_grad():
        for name, parameter in G.named_parameters():
            ends = []
            for sign in (1, -1):
                parameter.add_(climbed[name], alpha=sign * small)
                actions = G(z)
                ends.append((D(actions).flatten() + z[:, 0] * actions[:, 1]).mean().item())
                parameter.sub_(climbed[name], alpha=sign * small)
            expected = climbed[name].square().sum().item()
            assert (ends[0] - ends[1]) / (2 * small) == pytest.approx(expected, rel=1e-6)


def test_the_critic_of_what_is_shown_has_the_losses_of_a_gan():
    G, D = players()
    game, gan = ActorCriticGAN(G, D, 3), GAN(G, D, 3)
    real, z = torch.randn(6, 2, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    game.latent = gan.latent = lambda n, generator=None: z
    shown = torch.cat([real, G(z).detach()])
    reward = torch.cat([torch.ones(6), torch.zeros(6)]).double()
    assert 2 * game.discriminator_loss(shown, reward).item() == pytest.approx(
        gan.discriminator_loss(real).item()
    )
    game.latent = lambda n, generator=None: z.repeat(2, 1)
    assert game.generator_loss(shown, reward).item() == pytest.approx(gan.generator_loss(real).item())


def test_an_entropy_bonus_is_added_to_the_generator_s_loss():
    G, D = players()
    entropy = NegativeEntropy(2, 0.5)
    plain, game = (ActorCriticGAN(G, D, 3, regulariser=bonus) for bonus in (None, entropy))
    z = torch.randn(6, 3, dtype=torch.float64)
    plain.latent = game.latent = lambda n, generator=None: z
    shown = torch.zeros(6, 2, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    apart = game.generator_loss(*shown) - plain.generator_loss(*shown)
    assert apart.item() == pytest.approx(entropy(G(z)).item())


def test_the_best_critic_is_where_the_cross_entropy_of_an_enumerated_game_is_flat():
    p = torch.tensor([0.5, 0.3, 0.2, 0.0], dtype=torch.float64)
    q = torch.tensor([0.1, 0.0, 0.6, 0.3], dtype=torch.float64)
    best = best_critic(p, q, chance=0.25).requires_grad_()
    torch.testing.assert_close(best.detach(), torch.tensor([0.625, 1.0, 0.1, 0.0], dtype=torch.float64))
    inside = best_critic(p[[0, 2]], q[[0, 2]]).requires_grad_()
    loss = -(p[[0, 2]] * inside.log() + q[[0, 2]] * (1 - inside).log()).sum() / 2
    (slope,) = torch.autograd.grad(loss, inside)
    assert slope.abs().max() < 1e-12


def test_the_environment_shows_real_and_made_and_pays_for_real():
    environment = RealOrMade(REAL, chance=0.25)
    drawn = torch.Generator().manual_seed(0)
    shown, reward = environment.show(torch.full((20_000, 2), 7.0), generator=drawn)
    assert bool(((shown == 7).all(dim=1) == (reward == 0)).all())
    assert reward.mean().item() == pytest.approx(0.25, abs=0.02)  # five standard errors are .015
    shares = [(shown == row).all(dim=1).double().mean().item() for row in REAL]
    assert shares == pytest.approx([0.25 / 3] * 3, abs=0.012)
    again, _ = environment.show(torch.full((20_000, 2), 7.0), generator=drawn.manual_seed(0))
    assert torch.equal(shown, again)


def test_its_expected_reward_of_what_is_shown_is_the_best_critic():
    environment = RealOrMade(torch.cat([REAL, REAL[:1]]))  # p = 1/2, 1/4, 1/4
    rows = torch.tensor([0, 1, 1, 1]).repeat(10_000)  # q = 1/4, 3/4, 0
    shown, reward = environment.show(REAL[rows], generator=torch.Generator().manual_seed(1))
    best = best_critic(torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.25, 0.75, 0.0]))
    for row, expected in zip(REAL, best, strict=True):
        mean = reward[(shown == row).all(dim=1)].mean().item()
        assert mean == pytest.approx(expected.item(), abs=0.03)  # six standard errors


@pytest.mark.parametrize("environment", [RealOrMade(REAL), RealOrMade(REAL.numpy(), chance=0.1), Regulator()])
@pytest.mark.filterwarnings("ignore:.*(Box|infinity|render).*")
def test_the_environments_are_gymnasium_s(environment):
    check_env(environment, skip_render_check=True)


def test_an_episode_is_one_action():
    environment = RealOrMade(REAL)
    ends = set()
    for seed in range(20):
        first, _ = environment.reset(seed=seed)
        assert not first.any()
        shown, reward, ended, cut_off, _ = environment.step(np.array([3.0, 4.0], np.float32))
        assert (ended, cut_off) == (True, False)
        assert (shown.tolist() == [3.0, 4.0]) == (reward == 0.0)
        ends.add(reward)
    assert ends == {0.0, 1.0}


@pytest.mark.parametrize("discount", [0.5, 0.9])
def test_the_best_controller_of_the_cart_pays_what_riccati_says(discount):
    environment = Regulator()
    K, P = environment.best(discount)
    starts = torch.randn(6, 2, dtype=torch.float64).clamp(-1, 1)
    paid = environment.cost(lambda s: -s @ torch.as_tensor(K).T, starts, discount, steps=600)
    torch.testing.assert_close(
        paid, ((starts @ torch.as_tensor(P)) * starts).sum(dim=1), rtol=1e-9, atol=1e-12
    )
    like = torch.zeros((), dtype=torch.float64)
    assert abs(environment.excess(lambda s: -s @ torch.as_tensor(K).T, discount, like)) < 1e-9
    for factor in (0.9, 1.1):
        assert environment.excess(lambda s, f=factor: -f * s @ torch.as_tensor(K).T, discount, like) > 1e-4


def test_the_cart_s_steps_are_those_that_its_cost_sums():
    environment = Regulator(horizon=30)
    state, _ = environment.reset(seed=3)
    start, total = torch.tensor(environment.state)[None], 0.0
    for t in range(30):
        state, reward, ended, cut_off, _ = environment.step(np.array([-state[0] - 9 * state[1]], np.float32))
        total -= 0.9**t * reward
        assert (ended, cut_off) == (False, t == 29)
    expected = environment.cost(lambda s: -s[:, :1] - 9 * s[:, 1:], start, 0.9, steps=30)
    assert total == pytest.approx(expected.item(), rel=1e-5)


def test_a_target_network_follows_by_its_rate_and_is_no_parameter():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    target, before = TargetNetwork(network, 0.25), copy.deepcopy(network)
    x = torch.randn(5, 2)
    torch.testing.assert_close(target.eval()(x), network.eval()(x))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    network.train()(x)
    target.follow(network)
    assert not list(target.parameters())
    for name, buffer in target.network.named_buffers():
        if buffer.is_floating_point():
            old, new = before.state_dict()[name], network.state_dict()[name]
            torch.testing.assert_close(buffer, torch.lerp(old, new, 0.25))
    assert target.network[1].num_batches_tracked == 1
    whole = TargetNetwork(before, 1.0)
    whole.follow(network)
    torch.testing.assert_close(whole.eval()(x), network.eval()(x))
    with pytest.raises(ValueError, match="other parameters"):
        target.follow(mlp(2, 4, 1))


def transitions(ended: bool = False) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    goes_on = torch.zeros(8) if ended else torch.ones(8)
    return torch.randn(8, 2), torch.randn(8, 1), torch.randn(8), torch.randn(8, 2), goes_on


def test_the_critic_aims_at_reward_and_discounted_value_where_the_episode_goes_on():
    torch.manual_seed(0)
    actor, critic = mlp(2, 4, 1), mlp(3, 4, 1)
    game = ActorCritic(actor, critic, discount=0.5, target_rate=1.0)
    state, action, reward, after, goes_on = transitions()
    with torch.no_grad():
        next_value = critic(torch.cat([after, actor(after)], dim=1)).flatten()
        value = critic(torch.cat([state, action], dim=1)).flatten()
    expected = (value - reward - 0.5 * next_value).square().mean()
    torch.testing.assert_close(game.critic_loss(*transitions()).detach(), expected)
    torch.testing.assert_close(
        game.critic_loss(*transitions(ended=True)).detach(), (value - reward).square().mean()
    )
    torch.testing.assert_close(game.aim(reward, after, 0 * goes_on), reward)
    myopic = ActorCritic(actor, critic, discount=0.0)
    torch.testing.assert_close(myopic.aim(reward, after, goes_on), reward)


def test_the_actor_s_loss_climbs_by_the_policy_gradient():
    torch.manual_seed(0)
    actor, critic = mlp(2, 4, 1, activation=nn.Tanh).double(), mlp(3, 4, 1, activation=nn.Tanh).double()
    game, (state, *rest) = ActorCritic(actor, critic), transitions()
    game.actor_loss(state.double(), *rest).backward()

    def value(s, a):
        return critic(torch.cat([s, a], dim=1)).flatten()

    for name, slope in policy_gradient(actor, value, state.double()).items():
        torch.testing.assert_close(-slope, actor.get_parameter(name).grad, rtol=0, atol=1e-12)


def test_a_bandit_is_learnt():
    """Reward 1 - (a - 1/2)^2: the actor ends at 1/2."""

    class Bandit(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 1, (1,))
        action_space = gymnasium.spaces.Box(-1, 1, (1,))

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.zeros(1, np.float32), {}

        def step(self, action):
            return np.zeros(1, np.float32), float(1 - (action[0] - 0.5) ** 2), True, False, {}

    class Quadratic(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, pair):
            return self.linear(torch.stack([pair[:, 1], pair[:, 1] ** 2], dim=1))

    torch.manual_seed(0)
    actor, critic = nn.Sequential(nn.Linear(1, 1), nn.Tanh()), Quadratic()
    game = ActorCritic(actor, critic, discount=0.9)
    data = Experience(Bandit(), actor, ReplayBuffer(500), 32, 400, noise=0.3, warmup=200)
    optimizers = {name: torch.optim.Adam(player.parameters(), 2e-2) for name, player in game.players.items()}
    play(HistoricalAveraging(game, weight=0.0), data, optimizers, steps=400, progress=False)
    assert actor(torch.zeros(1, 1)).item() == pytest.approx(0.5, abs=0.1)


def test_experience_has_what_the_environment_did():
    actor = nn.Linear(2, 1)
    replay, environment = ReplayBuffer(100), Regulator(horizon=3)
    batches = Experience(environment, actor, replay, 4, 5, noise=0.0, moves=2, warmup=10, seed=1)
    assert len(batches) == 5
    assert [len(part) for part in next(iter(batches))] == [4] * 5
    assert len(list(batches)) == 5
    assert replay.added == 10 + 2 * 6
    state, action, reward, after, goes_on = (column[:22] for column in replay.columns)
    A, B = torch.as_tensor(environment.A).float(), torch.as_tensor(environment.B).float()
    torch.testing.assert_close(after, state @ A.T + action @ B.T)
    Q, R = (torch.as_tensor(each).float() for each in (environment.Q, environment.R))
    torch.testing.assert_close(reward, -(((state @ Q) * state).sum(1) + ((action @ R) * action).sum(1)))
    assert bool((goes_on == 1).all())
    torch.testing.assert_close(action[10:], actor(state[10:]).detach())
    fresh = torch.arange(22) % 3 != 0
    torch.testing.assert_close(state[fresh], after[torch.arange(22)[fresh] - 1])
    assert not torch.allclose(state[3], after[2])


def test_showings_remember_with_a_buffer_and_only_then():
    turn = iter(range(100))

    def sample(n):
        return torch.full((n, 2), 10.0 + next(turn))

    plain = list(Showings(RealOrMade(REAL), sample, 50, 3))
    for at, (shown, reward) in enumerate(plain):
        assert set(shown[reward == 0].unique().tolist()) == {10.0 + at}
    replay = ReplayBuffer(10_000)
    *_, (shown, reward) = Showings(RealOrMade(REAL), sample, 500, 6, replay=replay)
    assert set(shown[reward == 0].unique().tolist()) == {13.0 + at for at in range(6)}
    assert len(replay) == 3000
    *_, (shown, reward) = Showings(RealOrMade(REAL), sample, 500, 6, replay=ReplayBuffer(10_000), share=0.5)
    assert len(shown) == len(reward) == 500
    assert set(shown[:250][reward[:250] == 0].unique().tolist()) == {24.0}
    assert 19.0 in shown[250:]


def test_bad_input_is_told_how_to_mend_it():
    G, D = players()
    with pytest.raises(ValueError, match="1 real or 0 made"):
        ActorCriticGAN(G, D, 3).discriminator_loss(torch.zeros(4, 2).double(), torch.full((4,), 0.9).double())
    with pytest.raises(ValueError, match="2 coordinates"):
        RealOrMade(REAL).show(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="2 coordinates"):
        RealOrMade(REAL).step(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="less than 1"):
        RealOrMade(REAL, chance=1.0)
    with pytest.raises(ValueError, match="must be finite"):
        RealOrMade(REAL / 0)
    with pytest.raises(ValueError, match="not negative"):
        best_critic(torch.ones(2), -torch.ones(2))
    with pytest.raises(ValueError, match="never shown"):
        best_critic(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match="actions that are numbers, a Box"):
        Experience(gymnasium.make("CartPole-v1"), nn.Linear(4, 1), ReplayBuffer(9), 4, 4)
    with pytest.raises(ValueError, match=r"shape \(1,\), the actor gives \(2,\)"):
        next(iter(Experience(Regulator(), nn.Linear(2, 2), ReplayBuffer(9), 4, 4)))
    with pytest.raises(ValueError, match=r"batches \(shown, reward\)"):
        ActorCriticGAN(G, D, 3).discriminator_loss(torch.zeros(4, 2).double())
    with pytest.raises(ValueError, match="one logit for each"):
        ActorCritic(mlp(2, 1), mlp(3, 2)).critic_loss(*transitions())


@pytest.mark.usefixtures("unchecked")
def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        best_critic(torch.ones(2), torch.ones(3))
    state, action, reward, after, goes_on = transitions()
    with pytest.raises(ValueError, match="an action for each of 8 states"):
        ActorCritic(mlp(2, 1), mlp(3, 1)).critic_loss(state, action[:3], reward, after, goes_on)
    with pytest.raises(ValueError, match=r"goes_on of shapes \(8, 1\)"):
        ActorCritic(mlp(2, 1), mlp(3, 1)).critic_loss(state, action, reward[:, None], after, goes_on)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_a_reward_for_one_state_is_not_that_of_all(discount):
    game, (state, action, *rest) = ActorCritic(mlp(2, 1), mlp(3, 1), discount=discount), transitions()
    with pytest.raises(ValueError, match="a reward for each of 8 states, got 1"):
        game.critic_loss(state, action, *(each[:1] for each in rest))
    with pytest.raises(ValueError, match="a reward for each of 1 states, got 8"):
        game.critic_loss(state[:1], action[:1], *rest)
    with pytest.raises(ValueError, match="leave an empty batch out"):
        game.critic_loss(*(each[:0] for each in transitions()))


def test_tied_weights_stay_tied_in_a_target_network():
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Tanh(), nn.Linear(2, 2, bias=False))
    network[2].weight = network[0].weight
    target, before = TargetNetwork(network, 0.25), network[0].weight.detach().clone()
    with torch.no_grad():
        network[0].weight.add_(1.0)
    target.follow(network)
    assert target.network[2].weight is target.network[0].weight
    torch.testing.assert_close(target.network[0].weight, before + 0.25)


class Counter(gymnasium.Env):
    """It counts its steps, in place, in an array that it hands out."""

    observation_space = gymnasium.spaces.Box(-9, 99, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = np.zeros(2)
        return self.count, {}

    def step(self, action):
        self.count += 1
        return self.count, 1, False, False, {}


def test_states_are_remembered_as_they_were_in_the_dtype_of_the_actor():
    replay = ReplayBuffer(50)
    Experience(Counter(), nn.Linear(2, 1), replay, 4, 3)
    assert replay.columns[0][:4, 0].tolist() == [0, 1, 2, 3]
    assert replay.columns[3][:4, 0].tolist() == [1, 2, 3, 4]
    assert {column.dtype for column in replay.columns} == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("environment", [Counter, Regulator])
def test_an_actor_learns_in_its_own_dtype(dtype, environment):
    game = ActorCritic(mlp(2, 4, 1), mlp(3, 4, 1)).to(dtype)
    for batch in Experience(environment(), game.actor, ReplayBuffer(50), 4, 2):
        assert bool((game.critic_loss(*batch) + game.actor_loss(*batch)).isfinite())


def test_an_actor_acts_in_eval_mode():
    actor = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(), nn.Linear(2, 1)).train()
    replay = ReplayBuffer(50)
    list(Experience(Regulator(), actor, replay, 4, 5, noise=0.0))
    assert actor.training
    assert actor[0].num_batches_tracked == 0
    torch.testing.assert_close(replay.columns[1][4:9], actor.eval()(replay.columns[0][4:9]).detach())


def test_an_actor_that_has_diverged_does_not_act():
    actor = nn.Linear(2, 1)
    nn.init.constant_(actor.bias, float("nan"))
    with pytest.raises(ValueError, match="has its training diverged"):
        next(iter(Experience(Regulator(), actor, ReplayBuffer(9), 4, 4)))


def test_showings_of_a_generator_repeat_and_leave_the_global_one():
    def shown():
        torch.manual_seed(0)
        before, drawn = torch.get_rng_state(), torch.Generator().manual_seed(5)
        batches = Showings(
            RealOrMade(REAL),
            lambda n: torch.zeros(n, 2),
            20,
            3,
            replay=ReplayBuffer(40),
            share=0.5,
            generator=drawn,
        )
        columns = [torch.cat(column) for column in zip(*batches, strict=True)]
        assert torch.get_rng_state().equal(before)
        return columns

    for one, other in zip(shown(), shown(), strict=True):
        assert one.equal(other)


def test_real_samples_are_the_environment_s_own():
    real = REAL.clone()
    environment = RealOrMade(real)
    real.zero_()
    assert environment.real.equal(REAL)


@pytest.mark.usefixtures("unchecked")
def test_rewards_of_any_kind_are_zeros_and_ones_and_a_penalty_wants_both():
    torch.manual_seed(0)
    shown, reward = torch.randn(4, 2), torch.tensor([1.0, 0.0, 0.0, 1.0])
    game = ActorCriticGAN(mlp(2, 4, 2), mlp(2, 4, 1), 2)
    expected = game.discriminator_loss(shown, reward)
    for kind in (torch.int64, torch.bool, torch.float64):
        assert game.discriminator_loss(shown, reward.to(kind)).equal(expected)
    with pytest.raises(ValueError, match="expected batches"):
        game.discriminator_loss(shown[:0], reward[:0])
    penalised = ActorCriticGAN(mlp(2, 4, 2), mlp(2, 4, 1), 2, penalties=R1(1.0))
    assert bool(penalised.discriminator_loss(shown, reward).isfinite())
    with pytest.raises(ValueError, match="take larger batches"):
        penalised.discriminator_loss(shown, 0 * reward)


@pytest.mark.usefixtures("unchecked")
def test_the_cart_takes_one_force_for_each_start():
    environment, starts = Regulator(), torch.rand(5, 2)
    for force in (torch.ones(1, 1), torch.ones(5), torch.ones(5, 2)):
        with pytest.raises(ValueError, match=r"a force for each start, \[5, 1\], got"):
            environment.cost(lambda state, force=force: force, starts, 0.9)
    for odd in (starts[0], torch.rand(5, 3), starts.long()):
        with pytest.raises(ValueError, match=r"expected starts \[starts, 2\] of floats"):
            environment.cost(lambda state: state[:, :1], odd, 0.9)
    with pytest.raises(ValueError, match="after a reset"):
        environment.step(np.zeros(1))
    environment.reset(seed=0)
    for action in (np.zeros(3), np.full(1, np.nan)):
        with pytest.raises(ValueError, match="one finite force"):
            environment.step(action)


@pytest.mark.parametrize("discount", [0.5, 0.95, 0.9999])
@pytest.mark.parametrize("step_size", [0.02, 0.2, 5.0])
def test_the_best_controller_is_scipy_s_and_stays_below_five(discount, step_size):
    environment, root = Regulator(step_size), discount**0.5
    K, P = environment.best(discount)
    theirs = solve_discrete_are(root * environment.A, root * environment.B, environment.Q, environment.R)
    np.testing.assert_allclose(P, theirs, rtol=1e-8, atol=1e-12)
    if step_size == 0.2:
        sides = np.array([[1.0, 1.0], [1.0, -1.0]]).T
        for _ in range(200):
            assert np.abs(K @ sides).max() < 5
            sides = environment.A @ sides - environment.B @ K @ sides
