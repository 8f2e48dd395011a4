"""Density and coverage by hand, by their expectation, and where precision and recall are led astray."""

import math

import pytest
import torch

from advnotes.metrics import density_coverage, precision_recall


def normal(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def test_by_hand_on_a_line() -> None:
    """Balls that reach to the nearest: around 0 and 1 to 1 away, around 3 to 2 away."""
    real = torch.tensor([[0.0], [1.0], [3.0]])
    assert density_coverage(real, torch.tensor([[0.5]]), 1) == (2, pytest.approx(2 / 3))
    assert density_coverage(real, torch.tensor([[1.5]]), 1) == (2, pytest.approx(2 / 3))
    assert density_coverage(real, torch.tensor([[4.5], [9.0]]), 1) == (0.5, pytest.approx(1 / 3))
    assert density_coverage(real, torch.tensor([[4.5], [9.0]]), 2) == (0.25, pytest.approx(1 / 3))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_between_two_sets_from_one_distribution_they_are_what_is_expected(k: int) -> None:
    n = 600
    found = [density_coverage(normal(n, s), normal(n, 100 + s), k) for s in range(10)]
    density, coverage = (sum(column) / 10 for column in zip(*found, strict=True))
    expected = 1 - math.prod((n - 1 - i) / (2 * n - 1 - i) for i in range(k))
    assert coverage == pytest.approx(expected, abs=0.02)
    assert density == pytest.approx(1, abs=0.06)


def test_an_outlier_raises_the_precision_and_hardly_the_density() -> None:
    real = torch.cat([normal(500, 0), torch.tensor([[30.0, 0.0]])])
    stray = torch.tensor([[15.0, 0.0]]) + normal(500, 1)
    assert precision_recall(real, stray).precision > 0.95
    assert density_coverage(real, stray).density == pytest.approx(
        0.2, abs=0.05
    )  # one ball, k of them are needed
    assert density_coverage(real, stray).coverage == pytest.approx(1 / 501)


def test_scattered_samples_raise_the_recall_and_not_the_coverage() -> None:
    real, wide = normal(500, 0), 40 * normal(500, 1)
    assert precision_recall(real, wide).recall > 0.95
    assert density_coverage(real, wide).coverage < 0.1


def test_a_collapsed_generator_covers_its_mode_alone() -> None:
    real = torch.cat([normal(300, 0), normal(300, 1) + 50])
    found = density_coverage(real, normal(600, 2))
    assert found.coverage == pytest.approx(0.5, abs=0.02)
    assert found.density == pytest.approx(1, abs=0.15)


def test_sets_that_cannot_be_compared_are_refused() -> None:
    x = normal(10, 0)
    with pytest.raises(ValueError, match="at least 6 samples"):
        density_coverage(x[:5], x)
    assert density_coverage(x, x[:1]).coverage > 0  # one generated sample is a set
    with pytest.raises(ValueError, match="neighbours must be a whole number of at least 1"):
        density_coverage(x, x, 0)
    with pytest.raises(ValueError, match="equal numbers of features"):
        density_coverage(x, x[:, :1])
