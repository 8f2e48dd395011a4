"""The proxy A-distance: its two ends, its closed form on Gaussians, and what it must not depend on."""

import math

import pytest
import torch

from advnotes.metrics import proxy_a_distance


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clouds(n: int = 1000, apart: float = 2.0, m: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    source, target = torch.randn(n, 3, generator=draws(1)), torch.randn(m or n, 3, generator=draws(2))
    target[:, 0] += apart
    return source, target


def test_equal_domains_are_at_0_and_separate_ones_at_2():
    assert abs(proxy_a_distance(*clouds(2000, 0.0), generator=draws())) < 0.2
    assert proxy_a_distance(*clouds(200, 50.0), generator=draws()) == 2


def test_of_two_gaussians_the_error_is_known():
    error = 0.5 * math.erfc(1.0 / math.sqrt(2))  # of the best threshold, two deviations apart
    assert proxy_a_distance(*clouds(4000), generator=draws()) == pytest.approx(2 * (1 - 2 * error), abs=0.1)


def test_a_small_domain_counts_as_much_as_a_large_one():
    many, few = clouds(4000, m=400)
    assert proxy_a_distance(many, few, generator=draws()) == pytest.approx(
        proxy_a_distance(*clouds(4000), generator=draws()), abs=0.15
    )


def test_scale_and_shape_do_not_matter():
    source, target = clouds(300)
    plain = proxy_a_distance(source, target, generator=draws())
    assert proxy_a_distance(1e-3 * source + 5, 1e-3 * target + 5, generator=draws()) == pytest.approx(
        plain, abs=0.02
    )
    images = [of.view(-1, 1, 3, 1) for of in (source, target)]
    assert proxy_a_distance(*images, generator=draws()) == plain


def test_a_constant_feature_says_nothing():
    same = torch.ones(50, 2)
    assert abs(proxy_a_distance(same, same, generator=draws())) < 1e-9


def test_the_generator_decides_and_the_global_one_is_left_alone():
    source, target = clouds(100, 1.0)
    state = torch.get_rng_state()
    assert proxy_a_distance(source, target, generator=draws(3)) == proxy_a_distance(
        source, target, generator=draws(3)
    )
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("source", "target", "c", "words"),
    [
        (torch.rand(3, 2), torch.rand(9, 2), 1.0, "at least 4"),
        (torch.rand(9, 2), torch.rand(9, 3), 1.0, "one shape"),
        (torch.full((9, 2), math.nan), torch.rand(9, 2), 1.0, "finite"),
        (torch.rand(9, 2), torch.rand(9, 2), 0.0, "c must be a finite number above 0"),
    ],
)
def test_what_it_refuses(source: torch.Tensor, target: torch.Tensor, c: float, words: str):
    with pytest.raises(ValueError, match=words):
        proxy_a_distance(source, target, c=c)
