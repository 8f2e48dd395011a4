"""Training by sampling: how often each category is asked for, against the closed form, and rows that have it."""

import math

import pytest
import torch

from advnotes.generators import Conditions


def codes() -> torch.Tensor:
    """Two columns of 1,000 rows: categories of 900, 99 and 1 rows, and of 300 and 700."""
    first = torch.tensor([0] * 900 + [1] * 99 + [2])
    return torch.stack([first, (torch.arange(1000) % 10 >= 3).long()], dim=1)


def test_categories_are_drawn_by_the_logarithm_of_their_rows() -> None:
    conditions = Conditions(codes(), [3, 2])
    logs = [math.log1p(n) for n in (900, 99, 1, 300, 700)]
    expected = [one / sum(logs[:3]) / 2 for one in logs[:3]] + [one / sum(logs[3:]) / 2 for one in logs[3:]]
    assert conditions.probabilities.tolist() == pytest.approx(expected)
    asked, _ = conditions.draw(40_000, torch.Generator().manual_seed(0))
    assert asked.sum(dim=1).eq(1).all()
    # Five standard deviations of a share of 0.25 among 40,000.
    assert asked.mean(dim=0).tolist() == pytest.approx(expected, abs=5 * math.sqrt(0.25 * 0.75 / 40_000))


def test_samples_are_asked_for_categories_as_they_are() -> None:
    expected = [0.45, 0.0495, 0.0005, 0.15, 0.35]
    assert Conditions(codes(), [3, 2]).frequencies.tolist() == pytest.approx(expected)


def test_a_drawn_row_has_what_is_asked_for_and_each_such_row_is_as_likely() -> None:
    known = codes()
    asked, rows = Conditions(known, [3, 2]).draw(50_000, torch.Generator().manual_seed(1))
    flat = asked.argmax(dim=1)
    in_first = flat < 3
    assert torch.equal(known[rows[in_first], 0], flat[in_first])
    assert torch.equal(known[rows[~in_first], 1], flat[~in_first] - 3)
    times = rows[flat == 1].bincount(minlength=1000)[900:999]  # of 99 rows
    assert times.sum() == (flat == 1).sum()
    assert times.double().var().item() == pytest.approx(times.double().mean().item(), rel=0.6)  # Poisson


def test_without_categories_rows_are_drawn_alike() -> None:
    asked, rows = Conditions(torch.empty(10, 0, dtype=torch.int64), []).draw(10_000)
    assert asked.shape == (10_000, 0)
    assert rows.bincount(minlength=10).double().mean() == 1000
    assert rows.bincount(minlength=10).min() > 800


def test_a_generator_decides() -> None:
    one, two = (Conditions(codes(), [3, 2]).draw(50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
