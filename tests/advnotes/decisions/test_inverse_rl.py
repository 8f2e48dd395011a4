"""The structured discriminator against what can be enumerated: the best D, log Z, and maximum-entropy gradients."""

import math

import pytest
import torch
from torch import nn

from advnotes import data, play
from advnotes.decisions import (
    Categorical,
    CostDensity,
    GuidedCostLearning,
    InverseRL,
    PathCost,
    StartValue,
    TabularPolicy,
    balanced_log_z,
)

# Three things with rational probabilities, so that a batch of twelve has exactly these shares.
REAL = torch.tensor([0] * 6 + [1] * 4 + [2] * 2)
FAKE = torch.tensor([0] * 3 + [1] * 3 + [2] * 6)
P = REAL.bincount().double() / 12
Q = FAKE.bincount().double() / 12
THINGS = torch.arange(3)


class Listed(nn.Module):
    """Its samples are a list, and its density is that of the list."""

    def __init__(self, samples: torch.Tensor, log_q: torch.Tensor) -> None:
        super().__init__()
        self.samples = samples
        self.log_q = nn.Parameter(log_q.double())

    def sample(self, n: int) -> torch.Tensor:
        return self.samples[:n]

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return self.log_q[x]


def costs(values: torch.Tensor) -> nn.Embedding:
    return nn.Embedding.from_pretrained(values.double()[:, None], freeze=False)


def against_the_list(kind: type[InverseRL], values: torch.Tensor) -> InverseRL:
    return kind(Listed(FAKE, Q.log()), costs(values))


def descend(game: InverseRL, player: nn.Module, loss: str) -> None:
    optimizer = torch.optim.LBFGS(
        [p for p in player.parameters() if p.requires_grad],
        max_iter=300,
        tolerance_grad=1e-12,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = game(loss, REAL)
        value.backward()
        return value

    optimizer.step(closure)


def gradient(game: InverseRL) -> torch.Tensor:
    (found,) = torch.autograd.grad(game("discriminator", REAL), game.discriminator.cost.weight)
    return found[:, 0]


@pytest.mark.parametrize("kind", [InverseRL, GuidedCostLearning])
def test_the_best_discriminator_holds_the_density_of_the_data_whatever_the_generator_is(
    kind: type[InverseRL],
) -> None:
    game = against_the_list(kind, torch.tensor([2.0, -1.0, 0.5]))
    descend(game, game.discriminator, "discriminator")
    held = game.discriminator(THINGS).detach()
    torch.testing.assert_close(held, P.double().log(), atol=1e-5, rtol=0)
    best = P / (P + Q)
    torch.testing.assert_close(game.logit(THINGS).sigmoid(), best.double(), atol=1e-5, rtol=0)
    minus_costs = -game.discriminator.costs(THINGS)
    torch.testing.assert_close(
        minus_costs.logsumexp(dim=0), game.discriminator.log_z.detach(), atol=1e-5, rtol=0
    )


def test_where_the_generator_is_the_density_d_is_a_half() -> None:
    c = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
    game = InverseRL(Listed(FAKE, (-c).log_softmax(dim=0)), costs(c), log_z=float((-c).logsumexp(dim=0)))
    torch.testing.assert_close(game.logit(THINGS), torch.zeros(3, dtype=torch.float64), atol=1e-7, rtol=0)
    loss = game("discriminator", REAL)
    assert loss.item() == pytest.approx(2 * math.log(2))


def test_the_gradient_is_that_of_maximum_entropy_irl_by_importance_sampling() -> None:
    """Section 3.2: at the best Z, of the sampled likelihood E_p c + log E_mu [exp(-c) / mu~], mu~ held."""
    values = torch.tensor([0.7, -0.4, 1.1], dtype=torch.float64)
    game = against_the_list(GuidedCostLearning, values)
    c = values.clone().requires_grad_()
    mixture = torch.cat([REAL, FAKE])
    log_z = balanced_log_z(values[mixture], Q.double().log()[mixture])
    share = 0.5 * ((-values - log_z).exp() + Q.double())  # mu~
    likelihood = c[REAL].mean() + ((-c).exp() / share)[mixture].mean().log()
    (wanted,) = torch.autograd.grad(likelihood, c)
    torch.testing.assert_close(gradient(game), wanted, atol=1e-12, rtol=0)
    # The other direction: with another Z the gradient is another one.
    other = InverseRL(Listed(FAKE, Q.log()), costs(values), log_z=float(log_z) + 0.5)
    assert (gradient(other) - wanted).abs().max() > 0.01


def test_where_the_policy_has_caught_up_the_gradient_is_half_the_exact_one() -> None:
    """At q = exp(-c) / Z the weights are 1, and half of the mixture is the demonstrations themselves."""
    c = -Q.double().log() + 0.8
    game = against_the_list(GuidedCostLearning, c)
    exact = P.double() - (-c).softmax(dim=0)  # the gradient of E_p c + log Z
    torch.testing.assert_close(gradient(game), exact / 2, atol=1e-7, rtol=0)
    assert game.discriminator.log_z.item() == pytest.approx(float((-c).logsumexp(dim=0)), abs=1e-6)


def test_the_balanced_z_solves_the_paper_s_equation_and_has_the_least_loss() -> None:
    torch.manual_seed(0)
    cost, log_q = torch.randn(2, 40, dtype=torch.float64) * 3
    log_z = balanced_log_z(cost, log_q)
    share = 0.5 * ((-cost - log_z).exp() + log_q.exp())
    assert ((-cost).exp() / share).mean().log().item() == pytest.approx(log_z.item(), abs=1e-9)
    assert torch.sigmoid(-cost - log_z - log_q).mean().item() == pytest.approx(0.5, abs=1e-12)
    values = torch.tensor([0.7, -0.4, 1.1])
    best = against_the_list(GuidedCostLearning, values)("discriminator", REAL).item()
    for log_z in (-1.0, 0.0, 0.3, 1.0):
        assert (
            InverseRL(Listed(FAKE, Q.log()), costs(values), log_z=log_z)("discriminator", REAL).item() > best
        )


def test_the_generator_s_loss_is_the_cost_and_log_z_less_the_entropy() -> None:
    values = torch.tensor([0.7, -0.4, 1.1])
    game = InverseRL(Listed(FAKE, Q.log()), costs(values), log_z=0.25)
    wanted = (Q * (values + 0.25 + Q.log())).sum().item()
    assert game("generator", REAL).item() == pytest.approx(wanted, abs=1e-6)
    with torch.no_grad():
        d = game.logit(FAKE).sigmoid()
    assert game("generator", REAL).item() == pytest.approx(float(((1 - d).log() - d.log()).mean()), abs=1e-9)


def test_the_score_function_s_gradient_is_right_on_average_over_all_batches() -> None:
    """All batches of two, each with its probability: the estimate with its baseline has no bias."""
    c = torch.tensor([0.7, -0.4, 1.1], dtype=torch.float64)
    logits = torch.tensor([0.2, -0.5, 0.9], dtype=torch.float64)
    generator = Categorical(3).double()
    generator.logits.data.copy_(logits)
    game = InverseRL(generator, costs(c), log_z=0.4)
    total = torch.zeros(3, dtype=torch.float64)
    q = logits.softmax(dim=0)
    for i in range(3):
        for j in range(3):
            generator.sample = lambda n, drawn=(i, j): torch.tensor(drawn)  # type: ignore[method-assign]
            (found,) = torch.autograd.grad(game("generator", REAL[:2]), generator.logits)
            total += q[i] * q[j] * found
    leaf = logits.clone().requires_grad_()
    exact = (leaf.softmax(dim=0) * (c + leaf.log_softmax(dim=0))).sum()
    torch.testing.assert_close(total, torch.autograd.grad(exact, leaf)[0], atol=1e-12, rtol=0)


class Normal(nn.Module):
    """A normal generator that is differentiated through, with noise of exactly mean 0 and variance 1."""

    def __init__(self, mean: float, scale: float) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(mean))
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def sample(self, n: int) -> torch.Tensor:
        return (self.mean + self.log_scale.exp() * torch.tensor([1.0, -1.0]).repeat(n // 2))[:, None]

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return torch.distributions.Normal(self.mean, self.log_scale.exp()).log_prob(x)[:, 0]


class HalfSquare(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.square() / 2


def test_samples_that_carry_a_gradient_are_differentiated_through() -> None:
    """For the cost x^2 / 2 the loss is (m^2 + s^2) / 2 - log s, up to a constant."""
    generator = Normal(0.6, 1.5)
    game = InverseRL(generator, HalfSquare())
    slopes = torch.autograd.grad(game("generator", torch.zeros(8, 1)), [generator.mean, generator.log_scale])
    assert slopes[0].item() == pytest.approx(0.6, abs=1e-6)
    assert slopes[1].item() == pytest.approx(1.5**2 - 1, abs=1e-5)


@pytest.mark.parametrize("kind", [InverseRL, GuidedCostLearning])
def test_played_both_players_find_the_data(kind: type[InverseRL]) -> None:
    torch.manual_seed(0)
    p = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    game = kind(Categorical(5), nn.Embedding(5, 1))
    optimizers = {
        name: torch.optim.Adam([w for w in player.parameters() if w.requires_grad], lr=0.03)
        for name, player in game.players.items()
    }
    demonstrations = data.Stream(lambda n: torch.multinomial(p, n, replacement=True), 512, 300)
    play(game, demonstrations, optimizers, steps=300, progress=False)
    things = torch.arange(5)
    with torch.no_grad():
        for found in (game.discriminator(things), game.log_prob(things)):
            assert (found - p.log()).abs().max() < 0.5


@pytest.mark.usefixtures("unchecked")
def test_a_cost_of_steps_and_a_value_of_the_start() -> None:
    paths = torch.tensor([[[0, 1], [2, 0]], [[1, 1], [1, 2]]])
    by_state, by_action, value = PathCost(3), PathCost(3, 4), StartValue(3)
    by_state.table.data.copy_(torch.tensor([[1.0], [10.0], [100.0]]))
    by_action.table.data.copy_(torch.arange(12.0).view(3, 4))
    value.table.data.copy_(torch.tensor([0.5, 0.25, 0.0]))
    assert by_state(paths).tolist() == [101.0, 20.0]
    assert by_action(paths).tolist() == [9.0, 11.0]
    density = CostDensity(by_state, value)
    assert density(paths).tolist() == [-101.5, -20.25]
    with pytest.raises(ValueError, match=r"trajectories \[batch, steps, 2\].*torch.stack"):
        by_state(torch.zeros(3, 2, dtype=torch.long))


def test_batches_of_a_generator_of_its_own_seed() -> None:
    generator = Categorical(4)
    first, second = (generator.sample(50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert sorted(set(first.tolist())) == [0, 1, 2, 3]


class NoDensity(nn.Module):
    def sample(self, n: int) -> torch.Tensor:
        return torch.zeros(n, dtype=torch.long)


class Boxed(Categorical):
    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return (super().sample(n),)  # type: ignore[return-value]


class OneForAll(Categorical):
    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return super().log_prob(x).sum()


class Pairs(Categorical):
    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return super().sample(2 * n).view(n, 2)


def test_a_generator_without_a_density_is_refused() -> None:
    with pytest.raises(ValueError, match="NoDensity has no log_prob"):
        InverseRL(NoDensity(), nn.Embedding(3, 1))


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_told_before_work_starts() -> None:
    x = torch.tensor([0, 1, 2])
    with pytest.raises(ValueError, match="log_z must be a finite number"):
        InverseRL(Categorical(3), nn.Embedding(3, 1), log_z=math.nan)
    with pytest.raises(ValueError, match="two demonstrations or more"):
        InverseRL(Categorical(3), nn.Embedding(3, 1))("discriminator", x[:1])
    with pytest.raises(ValueError, match="one cost for each of 3 samples"):
        InverseRL(Categorical(3), nn.Embedding(3, 2))("discriminator", x)
    with pytest.raises(ValueError, match=r"makes samples of shape \(3, 2\)"):
        InverseRL(Pairs(3), nn.Embedding(3, 1))("discriminator", x)
    with pytest.raises(ValueError, match=r"sample\(n\) must return a tensor, got tuple"):
        InverseRL(Boxed(3), nn.Embedding(3, 1))("discriminator", x)
    with pytest.raises(ValueError, match=r"on cpu, the demonstrations have .* on meta: bring them"):
        InverseRL(Categorical(3), nn.Embedding(3, 1))("discriminator", x.to("meta"))
    with pytest.raises(ValueError, match="one number to each of 3 samples"):
        InverseRL(OneForAll(3), nn.Embedding(3, 1))("discriminator", x)
    with pytest.raises(ValueError, match="samples must be numbers from 0 to 1, got 0 to 2"):
        InverseRL(Categorical(2), nn.Embedding(3, 1))("discriminator", x)
    with pytest.raises(ValueError, match="finite"):
        balanced_log_z(torch.zeros(2), torch.tensor([0.0, -math.inf]))
    with pytest.raises(ValueError, match="a cost and a log_q for each sample"):
        balanced_log_z(torch.zeros(2), torch.zeros(3))


@pytest.mark.usefixtures("unchecked")
def test_samples_of_another_type_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pass x.long\(\)"):
        Categorical(3).log_prob(torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match="actions must be numbers from 0 to 0, got 0 to 7"):
        PathCost(3, 1)(torch.tensor([[[0, 7], [1, 0]]]))
    with pytest.raises(ValueError, match=r"states must be whole numbers"):
        PathCost(3)(torch.zeros(2, 3, 2))
    world = torch.eye(2)[:, None].expand(2, 2, 2)
    with pytest.raises(ValueError, match="walks 3 steps, got trajectories of 2"):
        TabularPolicy(world, torch.tensor([0.5, 0.5]), 3).log_prob(torch.zeros(1, 2, 2, dtype=torch.long))
