import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from advnotes.data import (
    gaussians,
    grid,
    grid_centres,
    line,
    line_density,
    moons,
    ring,
    ring_centres,
    shifted_gaussians,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SAMPLERS = {
    "moons": lambda n, generator=None: moons(n, generator=generator)[0],
    "ring": lambda n, generator=None: ring(n, generator=generator),
    "grid": lambda n, generator=None: grid(n, generator=generator),
    "gaussians": lambda n, generator=None: gaussians(n, torch.eye(3), 0.1, generator=generator),
    "line": lambda n, generator=None: line(n, generator=generator),
    "shifted_gaussians": lambda n, generator=None: shifted_gaussians(n, generator=generator)[0],
}


@pytest.mark.parametrize("sample", SAMPLERS.values(), ids=SAMPLERS)
def test_a_generator_decides_and_the_global_rng_is_left_alone(sample):
    before = torch.get_rng_state()
    x = sample(50, seeded())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(x, sample(50, seeded()))
    assert not torch.equal(x, sample(50, seeded(1)))
    assert x.dtype == torch.float32
    assert len(x) == 50
    torch.manual_seed(3)
    first = sample(50)
    torch.manual_seed(3)
    assert torch.equal(first, sample(50))


@pytest.mark.parametrize("sample", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("n", [0, -1])
def test_n_must_be_positive(sample, n):
    with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
        sample(n)


def test_moons_without_noise_lie_on_their_half_circles():
    x, y = moons(500, noise=0.0, generator=seeded())
    upper, lower = x[y == 0], x[y == 1]
    assert torch.allclose(upper.norm(dim=1), torch.ones(len(upper)))
    assert (upper[:, 1] >= -1e-6).all()
    shifted = lower - torch.tensor([1.0, 0.5])
    assert torch.allclose(shifted.norm(dim=1), torch.ones(len(lower)))
    assert (shifted[:, 1] <= 1e-6).all()
    assert 200 < len(upper) < 300


def test_shifted_gaussians_have_the_stated_moments_and_only_one_class_moves():
    x, y, nuisance = shifted_gaussians(200_000, generator=seeded())
    assert abs(y.double().mean() - 0.5) < 0.01
    assert torch.allclose(torch.stack([nuisance.mean(), nuisance.var()]), torch.tensor([0.0, 1.0]), atol=0.02)
    still, moved = x[y == 0], x[y == 1]
    moved = torch.stack([moved[:, 0], moved[:, 1] - nuisance[y == 1]], dim=1)
    assert torch.allclose(still.mean(dim=0), torch.zeros(2), atol=0.02)
    assert torch.allclose(still.T.cov(), torch.tensor([[1.0, -0.5], [-0.5, 1.0]]), atol=0.02)
    assert torch.allclose(moved.mean(dim=0), torch.ones(2), atol=0.02)
    assert torch.allclose(moved.T.cov(), torch.eye(2), atol=0.02)
    low, high = (shifted_gaussians(1000, value, seeded()) for value in (-1.0, 1.0))
    assert torch.equal(low[0][low[1] == 0], high[0][high[1] == 0])
    assert torch.allclose((high[0] - low[0])[high[1] == 1], torch.tensor([0.0, 2.0]))
    assert high[2].unique().tolist() == [1.0]
    with pytest.raises(ValueError, match="nuisance must be a finite number, or None to draw it; got nan"):
        shifted_gaussians(3, math.nan)


def test_the_centres():
    assert torch.allclose(ring_centres(4, 2.0), torch.tensor([[2.0, 0], [0, 2], [-2, 0], [0, -2]]), atol=1e-6)
    centres = grid_centres(5, 2.0)
    assert centres.shape == (25, 2)
    assert centres.unique().tolist() == [-4, -2, 0, 2, 4]
    assert len(centres.unique(dim=0)) == 25
    assert len(ring_centres().unique(dim=0)) == 8


@pytest.mark.parametrize(
    ("sample", "centres", "sigma"), [(ring, ring_centres(), 0.02), (grid, grid_centres(), 0.05)]
)
def test_modes_have_equal_shares_and_the_stated_width(sample, centres, sigma):
    x = sample(20_000, generator=seeded())
    distance, mode = torch.cdist(x, centres).min(dim=1)
    assert distance.max() < 6 * sigma
    shares = torch.bincount(mode, minlength=len(centres)) / len(x)
    assert (shares * len(centres) - 1).abs().max() < 0.15
    assert (x - centres[mode]).std().item() == pytest.approx(sigma, rel=0.02)


def test_gaussians_follow_the_weights_in_any_unit_and_any_dimension():
    means = torch.tensor([[0.0, 0, 0], [10, 0, 0]], dtype=torch.float64)
    x = gaussians(20_000, means, 1.0, weights=[3.0, 1.0], generator=seeded())
    assert x.shape == (20_000, 3)
    assert (x[:, 0] > 5).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(gaussians(5, means[1:], 0.0), means[1:].float().expand(5, 3))


mixtures = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.2, 2), st.floats(0.1, 5)), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(mixtures)
def test_the_density_on_the_line_integrates_to_one_with_the_right_mean_and_variance(modes):
    means, sigmas, weights = zip(*modes, strict=True)
    x = torch.linspace(-25, 25, 10_001, dtype=torch.float64)
    p = line_density(x, means, sigmas, weights)
    assert p.dtype == torch.float64
    assert torch.trapezoid(p, x).item() == pytest.approx(1)
    w = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    m, s = torch.tensor(means, dtype=torch.float64), torch.tensor(sigmas, dtype=torch.float64)
    mean = (w * m).sum()
    assert torch.trapezoid(x * p, x).item() == pytest.approx(mean.item(), abs=1e-6)
    variance = (w * (s**2 + (m - mean) ** 2)).sum()
    assert torch.trapezoid((x - mean) ** 2 * p, x).item() == pytest.approx(variance.item())


def test_samples_on_the_line_have_its_density():
    x = line(100_000, generator=seeded())
    assert x.shape == (100_000, 1)
    edges = torch.linspace(-4, 4, 41)
    measured = torch.histogram(x[:, 0], edges).hist / len(x)
    middles = ((edges[:-1] + edges[1:]) / 2)[:, None]
    assert (measured - line_density(middles)[:, 0] * 0.2).abs().max() < 0.005


def test_one_gaussian_and_its_slope_in_closed_form():
    x = torch.tensor([[0.5], [2.0]], requires_grad=True)
    p = line_density(x, [1.0], [2.0], None)
    expected = torch.exp(-((x - 1) ** 2) / 8) / (2 * math.sqrt(2 * math.pi))
    assert torch.allclose(p, expected)
    (slope,) = torch.autograd.grad(p.sum(), x)
    assert torch.allclose(slope, -(x - 1) / 4 * expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: moons(5, noise=-0.1), "noise must be a finite number of at least 0"),
        (lambda: ring(5, modes=0), "modes must be"),
        (lambda: ring(5, radius=math.nan), "radius must be"),
        (lambda: grid(5, side=0), "side must be"),
        (lambda: grid(5, sigma=math.inf), "sigma must be"),
        (lambda: gaussians(5, torch.zeros(0, 2), 1.0), "one centre in each row"),
        (lambda: gaussians(5, torch.tensor([[math.nan]]), 1.0), "finite"),
        (lambda: gaussians(5, torch.eye(2), 1.0, weights=[1.0]), "weights must be 2 finite numbers"),
        (lambda: gaussians(5, torch.eye(2), 1.0, weights=[1.0, 0.0]), "above 0"),
        (lambda: line(5, means=[]), "means must be"),
        (lambda: line(5, [0.0], [0.0], [1.0]), "sigmas must be 1 finite numbers above 0"),
        (lambda: line_density(torch.zeros(1), [0.0, 1.0], [1.0], None), "one for each mean"),
    ],
)
def test_wrong_parameters_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
