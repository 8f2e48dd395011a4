"""Calibrated energies: entropies and norms with a closed form, and the energies at which generators have no slope."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from advnotes import play
from advnotes.gan import CalibratedGAN, HalfSquaredNorm, NegativeEntropy, knn_entropy
from advnotes.nets import mlp

FLOAT = torch.float64


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=FLOAT)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("neighbours", [1, 10])
def test_the_entropy_of_a_normal_cloud_is_known(d: int, neighbours: int) -> None:
    sigma = 3.0
    found = [float(knn_entropy(sigma * normal(2000, d, seed), neighbours)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(0.5 * d * math.log(2 * math.pi * math.e * sigma**2), abs=0.08)


def test_the_entropy_of_a_uniform_cloud_is_the_logarithm_of_its_area() -> None:
    cloud = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0), dtype=FLOAT)
    assert float(knn_entropy(cloud * torch.tensor([2.0, 5.0]), 3)) == pytest.approx(math.log(10), abs=0.1)


def test_scipys_estimate_by_spacings_agrees_on_a_line() -> None:
    x = np.random.default_rng(0).gamma(3.0, size=4000)
    assert float(knn_entropy(torch.tensor(x)[:, None], 5)) == pytest.approx(
        scipy.stats.differential_entropy(x), abs=0.06
    )


def test_a_stretched_cloud_has_as_many_nats_more_and_a_moved_one_as_many() -> None:
    x = normal(50, 3)
    for neighbours in (1, 4):
        before = knn_entropy(x, neighbours)
        torch.testing.assert_close(
            knn_entropy(5 * x + 100, neighbours), before + 3 * math.log(5), rtol=1e-9, atol=0
        )


def test_the_gradient_goes_through_both_ends_of_a_distance() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=FLOAT, requires_grad=True)
    entropy = knn_entropy(x)
    assert entropy.item() == pytest.approx(2 * math.log(5) + math.log(math.pi) + 1)  # psi(2) - psi(1) = 1
    (slope,) = torch.autograd.grad(entropy, x)
    torch.testing.assert_close(slope, torch.tensor([[-6.0, -8.0], [6.0, 8.0]], dtype=FLOAT) / 25)


def test_it_is_the_neighbour_of_that_number_whose_distance_counts() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0]], dtype=FLOAT)
    nearest, second = math.log(1 * 1 * 2) / 3, math.log(3 * 2 * 3) / 3
    assert knn_entropy(x, 1).item() == pytest.approx(nearest + math.log(2) + 1.5)  # psi(3) - psi(1)
    assert knn_entropy(x, 2).item() == pytest.approx(second + math.log(2) + 0.5)


def test_samples_in_one_place_have_a_finite_entropy_and_no_slope() -> None:
    x = torch.ones(4, 2, requires_grad=True)
    entropy = knn_entropy(x)
    (slope,) = torch.autograd.grad(entropy, x)
    assert bool(entropy.isfinite())
    assert slope.abs().max() == 0


@pytest.mark.parametrize("d", [1, 2])
def test_the_squared_norm_of_a_normal_density_is_known(d: int) -> None:
    sigma, bandwidth = 2.0, 0.5
    found = [float(HalfSquaredNorm(bandwidth)(sigma * normal(1000, d, seed))) for seed in range(5)]
    exact = 0.5 * (4 * math.pi * (sigma**2 + bandwidth**2)) ** (-d / 2)
    assert np.mean(found) == pytest.approx(exact, rel=0.05)


class Bowl(nn.Module):
    """The energy a x^2 on a line."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([a], dtype=FLOAT))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x.square()


SIGMA = 0.7
ENERGIES = {  # where the best answer to the bowl is a normal of that width, by hand
    "-log p": (NegativeEntropy(3), 1 / (2 * SIGMA**2)),
    "-log p, twice": (NegativeEntropy(3, weight=2.0), 1 / SIGMA**2),
    "-p": (HalfSquaredNorm(0.1), 1 / (8 * math.sqrt(math.pi) * (SIGMA**2 + 0.01) ** 1.5)),
    "flat": (None, 0.0),
}


def slope_of_the_width(convex, a: float) -> float:
    """How a generator's loss changes with the width of what it makes, at SIGMA."""
    torch.manual_seed(0)
    G = nn.Linear(1, 1, dtype=FLOAT)
    nn.init.constant_(G.weight, SIGMA)
    nn.init.zeros_(G.bias)
    gan = CalibratedGAN(G, Bowl(a), 1, convex=convex)
    losses = [gan.generator_loss(torch.zeros(1000, 1, dtype=FLOAT)) for _ in range(8)]
    return float(torch.autograd.grad(sum(losses) / 8, G.weight)[0])


@pytest.mark.parametrize("name", ENERGIES)
def test_a_generator_has_no_slope_where_it_matches_the_data_and_the_energy_is_the_theorys(name: str) -> None:
    convex, a = ENERGIES[name]
    step = max(a, 0.5)
    away = slope_of_the_width(convex, a + step)
    assert abs(slope_of_the_width(convex, a)) < 0.1 * away
    assert away == pytest.approx(2 * step * SIGMA, rel=0.15)


def test_an_energy_that_is_played_ends_at_the_theorys() -> None:
    torch.manual_seed(0)
    G = nn.Linear(1, 1, dtype=FLOAT)
    gan = CalibratedGAN(G, Bowl(0.1), 1, convex=NegativeEntropy(5))
    optimizers = {
        "generator": torch.optim.Adam(G.parameters(), lr=0.02),
        "discriminator": torch.optim.SGD(gan.discriminator.parameters(), lr=0.2),
    }
    data = (SIGMA * normal(128 * 60, 1)).split(128)
    history = play(gan, data, optimizers, steps=400, ema={"discriminator": 0.98}, progress=False)
    assert history.averages["discriminator"].a.item() == pytest.approx(1 / (2 * SIGMA**2), rel=0.15)
    assert G.weight.abs().item() == pytest.approx(SIGMA, rel=0.15)


def test_the_losses_are_the_energys_difference_and_its_mean_with_k() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.points = nn.Parameter(torch.tensor([[1.0], [3.0]], dtype=FLOAT))

        def forward(self, z: Tensor) -> Tensor:
            return self.points

    gan = CalibratedGAN(Pair(), Bowl(2.0), 1, convex=lambda x: x.sum())
    real = torch.tensor([[1.0], [2.0]], dtype=FLOAT)
    assert gan.discriminator_loss(real).item() == pytest.approx(5.0 - 10.0)
    assert gan.generator_loss(real).item() == pytest.approx(10.0 + 4.0)
    assert CalibratedGAN(Pair(), Bowl(2.0), 1, convex=None).generator_loss(real).item() == pytest.approx(10.0)


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match="expected more than 3 samples for that neighbour, got 3: take larger batches",
    ):
        knn_entropy(torch.randn(3, 2), 3)
    with pytest.raises(ValueError, match="two samples or more, which make pairs, got 1: take larger batches"):
        HalfSquaredNorm(0.1)(torch.randn(1, 2))
    with pytest.raises(ValueError, match="ends with Sigmoid"):
        CalibratedGAN(mlp(2, 3), nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), 2)
