"""Distances to the nearest training record: by hand, and copies and strangers beside records that were held out."""

import numpy as np
import pytest
import torch

from advnotes.metrics import nearest_records


def normal(n: int, seed: int, features: int = 4) -> torch.Tensor:
    return torch.randn(n, features, generator=torch.Generator().manual_seed(seed))


def test_by_hand_on_a_line() -> None:
    """Distances of the generated records: 0, 1, 3; of those held out: 1, 2. Of six pairs, 3.5 are closer."""
    train = torch.tensor([[0.0], [10.0]])
    found = nearest_records(train, torch.tensor([[10.0], [1.0], [13.0]]), torch.tensor([[-1.0], [8.0]]))
    assert found == (pytest.approx(3.5 / 6), pytest.approx(1 / 3), 0)


def test_fresh_records_are_as_near_as_those_held_out() -> None:
    found = [nearest_records(normal(500, s), normal(500, 50 + s), normal(500, 90 + s)) for s in range(8)]
    assert np.mean([one.closer for one in found]) == pytest.approx(0.5, abs=0.02)
    assert all(one.copies == one.copies_held_out == 0 for one in found)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_generator_that_copies_is_caught(noise: float) -> None:
    train = normal(500, 0)
    found = nearest_records(train, train[:300] + noise * normal(300, 1), normal(400, 2))
    assert found.closer > 0.95
    assert found.copies == (noise == 0)


def test_records_off_the_data_are_farther() -> None:
    assert nearest_records(normal(500, 0), normal(300, 1) + 5, normal(400, 2)).closer < 0.05


def test_coarse_records_coincide_by_chance() -> None:
    train, generated, held_out = ((normal(300, s, 1) * 2).round() for s in range(3))
    found = nearest_records(train, generated, held_out)
    assert min(found.copies, found.copies_held_out) > 0.9
    assert found.closer == pytest.approx(0.5, abs=0.05)


def test_arrays_and_other_precisions_give_the_same() -> None:
    sets = [normal(50, s) for s in range(3)]
    expected = nearest_records(*sets)
    assert nearest_records(*(one.numpy() for one in sets)) == expected
    assert nearest_records(sets[0].double(), *sets[1:]) == pytest.approx(expected, abs=1e-3)


def test_held_out_records_are_not_rounded_to_the_precision_of_the_generated() -> None:
    train = normal(50, 0).double() / 3
    found = nearest_records(train, normal(20, 1).half(), train[:30])
    assert found.copies_held_out == 1
    assert found.closer == 0


def test_the_set_that_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match=r"^held_out must be finite"):
        nearest_records(normal(9, 0), normal(9, 1), torch.full((9, 4), torch.nan))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_what_is_no_matrix_of_finite_numbers_is_refused(bad: int) -> None:
    sets = [normal(9, s) for s in range(3)]
    sets[bad] = torch.full((9, 4), torch.inf)
    with pytest.raises(ValueError, match="must be finite"):
        nearest_records(*sets)
    sets[bad] = normal(9, 0, features=3)
    with pytest.raises(ValueError, match="equal numbers of features"):
        nearest_records(*sets)
