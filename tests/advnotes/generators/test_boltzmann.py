"""Boltzmann machines against sums over all states: likelihood, its bound, Z, the samples, and what is learnt."""

import itertools

import pytest
import torch

from advnotes import play
from advnotes.generators import DBM, ContrastiveDivergence, log_partition

HIDDEN = [(3,), (3, 4), (3, 2, 3)]


def machine(hidden: tuple[int, ...], spread: float = 1.0) -> DBM:
    torch.manual_seed(0)
    made = DBM(torch.rand(4, dtype=torch.float64), hidden)
    with torch.no_grad():
        for weight in [*made.weights, *made.biases]:
            weight += spread * torch.randn_like(weight)
    return made


def states(n: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)), dtype=torch.float64)


def exact(of: DBM) -> tuple[float, torch.Tensor]:
    """log Z, and the log-probability of each visible state."""
    with torch.no_grad():
        layers = list(states(sum(of.sizes)).split(of.sizes, dim=1))
        weights = (-of.energy(layers)).reshape(2 ** of.sizes[0], -1).logsumexp(dim=1)
    total = float(weights.logsumexp(dim=0))
    return total, weights - total


@pytest.mark.parametrize("hidden", HIDDEN)
def test_log_partition_is_the_sum_over_all_states(hidden: tuple[int, ...]) -> None:
    of = machine(hidden)
    found = log_partition(of, 300, 300, torch.Generator().manual_seed(0))
    assert found.low < found.value < found.high < found.low + 0.3
    assert found.value == pytest.approx(exact(of)[0], abs=0.1)


def test_without_weights_one_step_gives_log_partition_exactly() -> None:
    of = machine((3, 2), spread=0.0)
    with torch.no_grad():
        for weight in of.weights:
            weight.zero_()
    assert log_partition(of, 2, 1).value == pytest.approx(exact(of)[0], abs=1e-9)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_likelihood_is_exact_with_one_hidden_layer_and_a_bound_with_more(hidden: tuple[int, ...]) -> None:
    of = machine(hidden)
    total, known = exact(of)
    with torch.no_grad():
        excess = of.log_likelihood(states(4), total) - known
    if len(hidden) == 1:
        assert excess.abs().max() < 1e-9
    else:
        assert excess.max() < -1e-4
        assert excess.min() > -2


@pytest.mark.parametrize("hidden", HIDDEN)
def test_chains_have_the_machines_distribution(hidden: tuple[int, ...]) -> None:
    of = machine(hidden, spread=0.5)
    layers, generator = of.start(4000, torch.Generator().manual_seed(0)), torch.Generator().manual_seed(1)
    for _ in range(50):
        layers = of.sweep(layers, generator)
    drawn = (layers[0] @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)).long().bincount(
        minlength=16
    ) / 4000
    assert (drawn - exact(of)[1].exp()).abs().max() < 0.03
    uniform = (torch.full((16,), 1 / 16) - exact(of)[1].exp()).abs().max()
    assert uniform > 0.06  # so that chains which do nothing would be found


def test_the_losss_gradient_is_that_of_the_likelihood() -> None:
    of, real = machine((3,), spread=0.7), states(4)[[1, 5, 5, 13]]
    game = ContrastiveDivergence(of, chains=20_000, sweeps=40)
    torch.manual_seed(2)
    game("machine", real).backward()
    layers = list(states(7).split(of.sizes, dim=1))
    likelihood = of.log_likelihood(real, 0.0).mean() - (-of.energy(layers)).logsumexp(dim=0)
    wanted = torch.autograd.grad(-likelihood, list(of.weights) + list(of.biases))
    for weight, slope in zip([*of.weights, *of.biases], wanted, strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad, slope, atol=0.02, rtol=0)
        assert slope.abs().max() > 0.1


@pytest.mark.parametrize("hidden", [(8,), (6, 4)])
def test_it_learns_what_its_pixels_have_in_common(hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    coin = (torch.rand(4096, 1) < 0.5).double()
    real = (coin - (torch.rand(4096, 4) < 0.15).double()).abs()  # each pixel says the coin, or errs
    empirical = (real @ torch.tensor([8.0, 4.0, 2.0, 1.0]).double()).long().bincount(minlength=16) / 4096
    of = DBM(real.mean(dim=0), hidden)
    game = ContrastiveDivergence(of, chains=200)

    def divergence() -> float:
        return float((torch.special.entr(empirical) * -1 - empirical * exact(of)[1]).sum())

    assert divergence() > 0.4
    play(game, [real], torch.optim.Adam(of.parameters(), lr=0.03), steps=200, progress=False)
    assert divergence() < 0.1


def test_samples_are_probabilities_reproducible_and_do_not_touch_the_global_generator() -> None:
    of = machine((3, 4))
    before = torch.get_rng_state()
    first, second = (of.sample(5, 20, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())
    assert first.shape == (5, 4)
    assert first.min() >= 0
    assert first.max() <= 1


@pytest.mark.parametrize(
    ("mean", "hidden", "message"),
    [
        (torch.rand(2, 2), (3,), "as a vector"),
        (torch.rand(2), (), "one hidden layer"),
        (torch.tensor([2.0]), (3,), "divide by the largest"),
        (torch.tensor([1]), (3,), "floating point"),
        (torch.rand(2), (0,), "hidden must be"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(
    mean: torch.Tensor, hidden: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        DBM(mean, hidden)


def test_samples_of_another_shape_or_range_are_refused_and_so_is_a_single_chain() -> None:
    of = machine((3,))
    with pytest.raises(ValueError, match=r"expected samples \[batch, 4\]"):
        of.mean_field(torch.rand(2, 5))
    with pytest.raises(ValueError, match="divide by the largest"):
        of.mean_field(2 + torch.rand(2, 4))
    with pytest.raises(ValueError, match="zeros and ones"):
        of.log_likelihood(torch.full((2, 4), 0.5, dtype=torch.float64), 0.0)
    assert of.log_likelihood(torch.ones(0, 4, dtype=torch.float64), 0.0).shape == (0,)
    with pytest.raises(ValueError, match="leave it out"):
        ContrastiveDivergence(of).machine_loss(torch.ones(0, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="chains must be"):
        log_partition(of, chains=1)
    with pytest.raises(ValueError, match="sweeps must be"):
        ContrastiveDivergence(of, sweeps=0)
