"""Frechet distance and precision and recall against closed forms, and effective modes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from advnotes import zoo
from advnotes.data import mnist
from advnotes.metrics import effective_modes, frechet_distance, frechet_gaussians, precision_recall


def spread(seed: int, size: int = 4, rank: int = 4) -> torch.Tensor:
    root = torch.randn(size, rank, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return root @ root.T


@given(st.floats(-5, 5), st.floats(0.1, 3), st.floats(0.1, 3))
def test_between_two_bells_on_a_line_it_is_the_closed_form(mean: float, wide: float, narrow: float) -> None:
    zero, other = torch.zeros(1), torch.tensor([mean])
    found = frechet_gaussians(zero, torch.tensor([[wide**2]]), other, torch.tensor([[narrow**2]]))
    assert found == pytest.approx(mean**2 + (wide - narrow) ** 2, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("rank", [4, 2])
def test_between_gaussians_it_is_the_textbooks_formula(rank: int) -> None:
    """With scipy's root of a matrix that is not symmetric, and with covariances that are singular."""
    p, q, shift = spread(1), spread(2, rank=rank), torch.arange(4.0, dtype=torch.float64)
    root = sqrtm((p @ q).numpy()).real
    expected = float(shift.square().sum() + p.trace() + q.trace()) - 2 * root.trace()
    zero = torch.zeros(4, dtype=torch.float64)
    assert frechet_gaussians(zero, p, shift, q) == pytest.approx(expected, rel=1e-6)
    assert frechet_gaussians(shift, q, zero, p) == pytest.approx(expected, rel=1e-6)


def test_a_set_is_at_no_distance_from_itself_and_a_moved_one_at_its_square() -> None:
    x = torch.randn(500, 6, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 2) == pytest.approx(6 * 4, rel=1e-4)
    assert frechet_distance(x[:3], x[:3]) == pytest.approx(0, abs=1e-6)  # fewer samples than features
    assert frechet_distance(x[:, :1], 3 * x[:, :1]) > 0


def test_samples_of_two_gaussians_have_about_the_gaussians_distance() -> None:
    g = torch.Generator().manual_seed(0)
    a = torch.randn(20_000, 3, generator=g)
    b = 2 * torch.randn(20_000, 3, generator=g) + 1
    assert frechet_distance(a, b) == pytest.approx(3 * (1 + 1), rel=0.03)


def test_it_grows_with_noise_on_digits() -> None:
    features, (x, _) = zoo.mnist_features(), mnist("test", 1000)
    noise = torch.randn(500, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        real = features(x[:500])
        distances = [frechet_distance(real, features(x[500:] + s * noise)) for s in (0.0, 0.2, 0.5, 1.0)]
    assert real.shape == (500, 100)
    assert distances == sorted(distances)
    assert distances[-1] > 5 * distances[0]


def test_precision_and_recall_of_what_is_the_same_and_what_is_elsewhere() -> None:
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(400, 2, generator=g), torch.randn(400, 2, generator=g)
    assert precision_recall(a, a) == (1, 1)
    same = precision_recall(a, b)
    assert min(same) > 0.85
    assert precision_recall(a, b + 100) == (0, 0)
    assert precision_recall(b, a) == (same.recall, same.precision)


def test_collapse_loses_recall_and_noise_loses_precision() -> None:
    g = torch.Generator().manual_seed(0)
    real = torch.cat([torch.randn(200, 2, generator=g), torch.randn(200, 2, generator=g) + 20])
    collapsed = torch.randn(400, 2, generator=g)
    assert precision_recall(real, collapsed).precision > 0.85
    assert precision_recall(real, collapsed).recall == pytest.approx(0.5, abs=0.06)
    scattered = torch.cat([real[::2], 200 + 100 * torch.rand(200, 2, generator=g)])
    assert precision_recall(real, scattered) == pytest.approx((0.5, 1.0), abs=0.06)


def test_a_ball_reaches_to_the_neighbour_that_is_asked_for() -> None:
    real = torch.tensor([[0.0], [1.0], [3.0]])
    point = torch.tensor([[4.5], [4.5], [4.5], [4.5]])
    assert precision_recall(real, point, 1).precision == 1.0  # from 3, whose nearest is 2 away
    point = torch.tensor([[5.5], [5.5], [5.5], [5.5]])
    assert precision_recall(real, point, 1).precision == 0.0
    assert precision_recall(real, point, 2).precision == 1.0


def test_sets_that_cannot_be_compared_are_refused() -> None:
    x = torch.randn(10, 3)
    with pytest.raises(ValueError, match="equal numbers of features"):
        frechet_distance(x, x[:, :2])
    for a, b in ((x[:1], x), (x, x[:1])):
        with pytest.raises(ValueError, match="at least 2 samples on either side"):
            frechet_distance(a, b)
    with pytest.raises(ValueError, match="at least 4 samples"):
        precision_recall(x[:3], x)
    with pytest.raises(ValueError, match="neighbours must be a whole number of at least 1"):
        precision_recall(x, x, 0)
    broken = x.clone()
    broken[3, 1] = math.nan
    with pytest.raises(ValueError, match="must be finite"):
        frechet_distance(x, broken)


@given(st.integers(1, 6))
def test_effective_modes_of_an_even_spread_is_their_number(modes: int) -> None:
    centres = 10 * torch.arange(6.0).repeat(2, 1).T
    assert effective_modes(centres[:modes].repeat(5, 1), centres, 1.0) == pytest.approx(modes)


def test_effective_modes_weighs_what_coverage_counts() -> None:
    centres = torch.tensor([[0.0], [10.0]])
    samples = torch.tensor([[0.0]] * 999 + [[10.0]])
    assert 1 < effective_modes(samples, centres, 1.0) < 1.01
    assert effective_modes(samples + 5, centres, 1.0) == 0.0
    with pytest.raises(ValueError, match="radius must be a finite number above 0"):
        effective_modes(samples, centres, 0.0)
