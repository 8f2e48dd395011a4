"""The distance over the number of samples: its bias by theory, and the limit against a distance that is known."""

import pytest
import torch

from advnotes.metrics import frechet_distance, frechet_limit


def normal(n: int, seed: int, d: int = 5) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_bias_falls_as_one_over_n_by_the_factor_of_theory() -> None:
    """Of d standard normals against their own moments: d/n from the mean and about d(d+1)/4n from the covariance."""
    real, n = normal(200_000, 0), 200
    excess = [frechet_distance(real, normal(n, seed)) for seed in range(1, 61)]
    mean = sum(excess) / len(excess)
    assert mean == pytest.approx((5 + 5 * 6 / 4) / n, rel=0.15)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.5, 0.5)])
def test_the_limit_is_the_true_distance_where_small_sets_are_too_far(scale: float, shift: float) -> None:
    real, sizes = normal(200_000, 0), [50, 70, 100, 150, 300, 2000]
    found = [frechet_limit(real, scale * normal(2000, seed) + shift, sizes) for seed in range(1, 13)]
    limit, smallest = (
        sum(values) / 12 for values in zip(*((f.limit, f.distances[0]) for f in found), strict=True)
    )
    true = 5 * ((scale - 1) ** 2 + shift**2)
    assert limit == pytest.approx(true, rel=0.06, abs=0.03)
    assert found[0].sizes == tuple(sizes)
    if true == 0:
        assert smallest > 0.2


def test_the_limit_is_the_intercept_of_the_line() -> None:
    found = frechet_limit(normal(400, 0), normal(400, 1), [20, 50, 400], torch.Generator().manual_seed(0))
    inverse, y = torch.tensor([1 / 20, 1 / 50, 1 / 400]), torch.tensor(found.distances)
    slope = ((inverse - inverse.mean()) * (y - y.mean())).sum() / (inverse - inverse.mean()).square().sum()
    assert found.limit == pytest.approx(float(y.mean() - slope * inverse.mean()), abs=1e-5)
    assert found.distances[-1] == pytest.approx(frechet_distance(normal(400, 0), normal(400, 1)))


def test_sizes_of_its_own_end_with_the_whole_set() -> None:
    found = frechet_limit(normal(300, 0), normal(300, 1))
    assert len(found.sizes) == len(found.distances) == 15
    assert (found.sizes[0], found.sizes[-1]) == (30, 300)
    assert frechet_limit(normal(300, 0), normal(60, 1)).sizes[0] == 10


def test_the_same_generator_draws_the_same_and_the_global_one_stays() -> None:
    state = torch.get_rng_state()
    a, b = (
        frechet_limit(normal(99, 0), normal(99, 1), [20, 40], torch.Generator().manual_seed(5)) for _ in "ab"
    )
    assert a == b
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("sizes", [[20], [20, 20], [20, 101], []])
def test_sizes_that_make_no_line_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="at least 2 different numbers, none above the 100"):
        frechet_limit(normal(100, 0), normal(100, 1), sizes)


def test_too_few_samples_for_the_law_are_refused() -> None:
    with pytest.raises(
        ValueError, match="more than 10 generated samples, twice the number of features, got 10"
    ):
        frechet_limit(normal(100, 0), normal(10, 1))
    with pytest.raises(ValueError, match="sizes must be a whole number of at least 10, got 9"):
        frechet_limit(normal(100, 0), normal(100, 1), [9, 50])
