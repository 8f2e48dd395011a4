"""Conditional densities: they are densities, they are torch's own, and the chain rule is one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributions, nn

from advnotes.invariance import CategoricalDensity, ChainDensity, MixtureDensity


def mixture(**options: object) -> MixtureDensity:
    torch.manual_seed(0)
    density = MixtureDensity(2, **options).double()
    for parameter in density.parameters():  # far from the even beginning
        nn.init.normal_(parameter, std=0.4)
    return density


@settings(max_examples=10, deadline=None)
@given(components=st.integers(1, 7), seed=st.integers(0, 99))
def test_a_mixture_integrates_to_1_for_every_output(components: int, seed: int) -> None:
    density = mixture(components=components)
    s = torch.randn(1, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with torch.no_grad():
        _, means, scales = density.mixture(s)
    low, high = float((means - 12 * scales).min()), float((means + 12 * scales).max())
    grid = torch.linspace(low, high, 20_001, dtype=torch.float64)
    with torch.no_grad():
        mass = torch.trapezoid(density(s.expand(len(grid), -1), grid).exp(), grid)
    assert float(mass) == pytest.approx(1, abs=1e-6)


def test_a_mixture_of_two_numbers_integrates_to_1() -> None:
    density = mixture(nuisances=2, components=3)
    s = torch.tensor([[0.3, -1.0]], dtype=torch.float64)
    with torch.no_grad():
        _, means, scales = density.mixture(s)
    ticks = [
        torch.linspace(float(low), float(high), 801, dtype=torch.float64)
        for low, high in zip(
            (means - 9 * scales).amin((0, 1)), (means + 9 * scales).amax((0, 1)), strict=True
        )
    ]
    points = torch.cartesian_prod(*ticks)
    with torch.no_grad():
        values = density(s.expand(len(points), -1), points).exp().view(801, 801)
    assert float(torch.trapezoid(torch.trapezoid(values, ticks[1]), ticks[0])) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("nuisances", [1, 3])
def test_a_mixture_is_that_of_torch(nuisances: int) -> None:
    density = mixture(nuisances=nuisances, components=4)
    s, nuisance = torch.randn(6, 2).double(), torch.randn(6, nuisances).double()
    log_weights, means, scales = density.mixture(s)
    theirs = distributions.MixtureSameFamily(
        distributions.Categorical(logits=log_weights),
        distributions.Independent(distributions.Normal(means, scales), 1),
    )
    torch.testing.assert_close(density(s, nuisance), theirs.log_prob(nuisance))


def test_one_number_may_come_as_a_row_or_as_a_column() -> None:
    density, s, nuisance = mixture(), torch.randn(5, 2).double(), torch.randn(5).double()
    assert torch.equal(density(s, nuisance), density(s, nuisance[:, None]))


def test_far_away_the_density_is_small_and_its_gradient_finite() -> None:
    density = mixture(floor=1e-3)
    values = density(torch.zeros(2, 2).double(), torch.tensor([1e4, -1e4]).double())
    values.sum().backward()
    assert bool((values < -1e3).all())
    assert all(bool(p.grad.isfinite().all()) for p in density.parameters())


def test_the_floor_bounds_the_likelihood_of_a_repeated_value() -> None:
    """Where training leads: every mean at the value, and every width as small as can be."""
    density = mixture(floor=0.1, components=2)
    last = density.body[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
        last.bias[-2:] = -1e3  # the two widths, whose softplus is nothing
    highest = torch.full((4,), -math.log(0.1 * math.sqrt(2 * math.pi))).double()
    torch.testing.assert_close(density(torch.randn(4, 2).double(), torch.zeros(4).double()), highest)


def test_a_categorical_density_sums_to_1_and_is_that_of_torch() -> None:
    density, s = CategoricalDensity(2, 3), torch.randn(5, 2)
    table = torch.stack([density(s, torch.full((5,), k)) for k in range(3)], dim=1)
    torch.testing.assert_close(table.exp().sum(dim=1), torch.ones(5))
    theirs = distributions.Categorical(logits=density.body(s)).log_prob(torch.tensor([0, 1, 2, 0, 1]))
    torch.testing.assert_close(table[range(5), [0, 1, 2, 0, 1]], theirs)


def test_a_chain_sums_to_1_over_all_combinations() -> None:
    chain, s = ChainDensity(CategoricalDensity(1, 2), CategoricalDensity(3, 3)), torch.randn(4, 1)
    total = sum(chain(s, torch.full((4,), i), torch.full((4,), j)).exp() for i in range(2) for j in range(3))
    torch.testing.assert_close(total, torch.ones(4))


def test_a_chain_of_a_category_and_a_number_is_the_product_of_its_factors() -> None:
    first, second = CategoricalDensity(1, 2), MixtureDensity(3)
    s, kind, number = torch.randn(4, 1), torch.tensor([0, 1, 1, 0]), torch.randn(4)
    seen = torch.cat([s, torch.eye(2)[kind]], dim=1)
    expected = first(s, kind) + second(seen, number)
    torch.testing.assert_close(ChainDensity(first, second)(s, kind, number), expected)


def test_a_chain_sees_what_two_separate_adversaries_do_not() -> None:
    """The output is whether two fair bits differ: independent of each of them, and not of both."""
    torch.manual_seed(0)
    one, other = torch.randint(2, (2, 512))
    s = (one ^ other).float()[:, None]
    chain = ChainDensity(CategoricalDensity(1), CategoricalDensity(3))
    apart = nn.ModuleList([CategoricalDensity(1), CategoricalDensity(1)])
    optimizer = torch.optim.Adam([*chain.parameters(), *apart.parameters()], lr=2e-2)
    for _ in range(150):
        joint, separate = -chain(s, one, other).mean(), -(apart[0](s, one) + apart[1](s, other)).mean()
        optimizer.zero_grad()
        (joint + separate).backward()
        optimizer.step()
    assert separate.item() == pytest.approx(2 * math.log(2), abs=0.02)
    assert joint.item() == pytest.approx(math.log(2), abs=0.02)


@pytest.mark.parametrize("options", [{"nuisances": 0}, {"components": 0}, {"floor": 0.0}])
def test_a_mixture_that_cannot_be_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected inputs, nuisances, components >= 1 and floor > 0; got"):
        MixtureDensity(1, **options)


def test_nuisances_of_another_kind_are_refused() -> None:
    s = torch.zeros(3, 1)
    with pytest.raises(ValueError, match="want a CategoricalDensity"):
        MixtureDensity(1)(s, torch.tensor([0, 1, 1]))
    with pytest.raises(ValueError, match=r"of shape \[3, 2\], got torch.float32 of shape \[3\]"):
        MixtureDensity(1, 2)(s, torch.zeros(3))
    with pytest.raises(ValueError, match="continuous ones want a MixtureDensity"):
        CategoricalDensity(1)(s, torch.zeros(3))
    with pytest.raises(ValueError, match="classes >= 2, got 1 and 1"):
        CategoricalDensity(1, 1)
    with pytest.raises(ValueError, match="a density for each nuisance, got none"):
        ChainDensity()
    with pytest.raises(ValueError, match="expected 1 nuisances, got 2"):
        ChainDensity(MixtureDensity(1))(s, torch.zeros(3), torch.zeros(3))
