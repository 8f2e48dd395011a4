"""The kernel distance against its definition, a closed form, and its promise: no bias, however few the samples."""

import pytest
import torch

from advnotes.metrics import frechet_distance, kernel_distance


def normal(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=g, dtype=torch.float64) + shift


def test_it_is_its_definition_pair_by_pair() -> None:
    x, y = normal(7, 3, 0), normal(7, 3, 1, 0.5)

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return (float(a @ b) / 3 + 1) ** 3

    within = [sum(k(z[i], z[j]) for i in range(7) for j in range(7) if i != j) / 42 for z in (x, y)]
    across = sum(k(a, b) for a in x for b in y) / 49
    assert kernel_distance(x, y, 1, 7).mean == pytest.approx(sum(within) - 2 * across, rel=1e-9)
    assert kernel_distance(x, y, 1, 7).std == 0


def test_between_two_bells_on_a_line_it_is_the_closed_form() -> None:
    """(xy + 1)^3 has the features x^3, 3^(1/2) x^2, 3^(1/2) x and 1: it compares these moments."""
    moments = [(0.5, 0.0), (0.25 + 1, 1.0), (0.125 + 3 * 0.5, 0.0)]
    expected = sum(w * (a - b) ** 2 for w, (a, b) in zip((3, 3, 1), moments, strict=True))
    pairs = [(normal(4000, 1, seed), normal(4000, 1, 100 + seed, 0.5)) for seed in range(4)]
    found = [kernel_distance(x, y, 1, 4000).mean for x, y in pairs]
    assert sum(found) / 4 == pytest.approx(expected, rel=0.15)
    (x, y), *_ = pairs
    assert kernel_distance(x.float(), y.numpy(), 1, 4000).mean == pytest.approx(found[0], rel=1e-5)


def test_it_has_no_bias_where_the_frechet_distance_has_one() -> None:
    """One distribution, ten samples at a time: the mean over 400 pairs is 0 within its own error."""
    values = torch.tensor(
        [kernel_distance(normal(10, 4, s), normal(10, 4, 1000 + s), 1, 10) for s in range(400)]
    )
    mean, error = values[:, 0].mean(), values[:, 0].std() / 20
    assert abs(mean) < 4 * error
    assert (values[:, 0] < 0).float().mean() > 0.2
    biased = [frechet_distance(normal(10, 4, s), normal(10, 4, 1000 + s)) for s in range(50)]
    assert min(biased) > 0


def test_it_sees_a_third_moment_that_the_frechet_distance_does_not() -> None:
    x = normal(4000, 1, 0)
    skew = normal(4000, 1, 1).square()
    skew = (skew - skew.mean()) / skew.std() * x.std() + x.mean()
    assert frechet_distance(x, skew) == pytest.approx(0, abs=1e-9)
    assert kernel_distance(x, skew, 1, 4000).mean > 20 * abs(
        kernel_distance(x, normal(4000, 1, 2), 1, 4000).mean
    )


def test_subsets_come_from_the_generator_and_leave_the_global_one_alone() -> None:
    x, y = normal(100, 3, 0), normal(120, 3, 1, 0.5)
    state = torch.get_rng_state()
    a, b = (kernel_distance(x, y, 5, 50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert a == b
    assert torch.equal(torch.get_rng_state(), state)
    assert a != kernel_distance(x, y, 5, 50, torch.Generator().manual_seed(4))
    assert a.std > 0
    whole = kernel_distance(x[:100], y[:100], 1, 100).mean
    many = kernel_distance(x[:100], y[:100], 200, 50, torch.Generator().manual_seed(0))
    assert many.mean == pytest.approx(whole, abs=5 * many.std / 200**0.5)


def test_sets_that_are_too_small_or_unlike_are_refused() -> None:
    x = normal(20, 3, 0)
    with pytest.raises(ValueError, match="at least 1000 samples"):
        kernel_distance(x, x)
    with pytest.raises(ValueError, match="subset_size must be a whole number of at least 2"):
        kernel_distance(x, x, 1, 1)
    with pytest.raises(ValueError, match="equal numbers of features"):
        kernel_distance(x, x[:, :2], 1, 10)


def test_features_without_finite_cubes_are_refused() -> None:
    x = 1e60 * normal(20, 2, 0)
    with pytest.raises(ValueError, match="no finite cubes in float64: divide both sets by one number"):
        kernel_distance(x, x, 1, 10)
