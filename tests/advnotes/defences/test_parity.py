"""Elimination and search against each other, and against counting."""

import itertools
from collections.abc import Callable

import pytest
import torch

from advnotes.defences import SecretParity, search_parities, solve_parity


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_secret(n: int, seed: int = 0) -> torch.Tensor:
    secret = torch.rand(n, generator=seeded(seed)) < 0.5
    secret[0] = True
    return secret


@pytest.mark.parametrize("n", [1, 5, 40])
@pytest.mark.parametrize("seed", range(3))
def test_elimination_finds_the_secret(n: int, seed: int) -> None:
    task = SecretParity(a_secret(n, seed))
    x, y = task.sample(n + 20, seeded(seed))
    assert torch.equal(solve_parity(task.decode(x), y), task.secret)


def test_elimination_fits_what_leaves_bits_open() -> None:
    bits = torch.tensor([[1, 1, 0], [0, 1, 1]])
    for labels in itertools.product((0, 1), repeat=2):
        y = torch.tensor(labels)
        found = solve_parity(bits, y)
        assert torch.equal((bits * found).sum(dim=1) % 2, y)


def test_one_turned_label_leaves_no_solution() -> None:
    task = SecretParity(a_secret(12))
    x, y = task.sample(40, seeded())
    y[3] = 1 - y[3]
    assert solve_parity(task.decode(x), y) is None


@pytest.mark.parametrize("seed", range(3))
def test_search_is_the_best_of_all_subsets(seed: int) -> None:
    task = SecretParity(a_secret(6, seed), noise=0.2)
    x, y = task.sample(30, seeded(seed))
    bits = task.decode(x)
    subsets = torch.tensor(list(itertools.product((0, 1), repeat=6)))
    agree = ((bits @ subsets.T) % 2 == y[:, None]).sum(dim=0)
    found = search_parities(bits, y)
    assert (((bits * found).sum(dim=1) % 2) == y).sum() == agree.max()


def test_search_finds_the_secret_among_lies() -> None:
    task = SecretParity(a_secret(14), noise=0.1)
    x, y = task.sample(200, seeded())
    assert solve_parity(task.decode(x), y) is None
    assert torch.equal(search_parities(task.decode(x), y), task.secret)


def test_the_code_corrects_two_of_five_signs_and_no_more() -> None:
    task = SecretParity(a_secret(4), repeats=5)
    x, _ = task.sample(50, seeded())
    bits = task.decode(x)
    for signs in itertools.combinations(range(5), 2):
        spoilt = x.clone()
        for block in range(4):
            for place in signs:
                spoilt[:, 1 + 5 * block + place] *= -1
        assert torch.equal(task.decode(spoilt), bits)
    x[:, 1:4] *= -1
    assert torch.equal(task.decode(x)[:, 0], 1 - bits[:, 0])


def test_labels_are_the_parity_and_as_many_lie_as_said() -> None:
    x, y = (task := SecretParity(a_secret(8), noise=0.25)).sample(8000, seeded())
    truth = (task.decode(x) * task.secret).sum(dim=1) % 2
    assert (truth != y).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(x[:, 0] > 0, y == 1)
    assert x[:, 1:].abs().eq(1).all()
    clean = SecretParity(task.secret)
    x, y = clean.sample(100, seeded())
    assert torch.equal((clean.decode(x) * clean.secret).sum(dim=1) % 2, y)


def test_two_parities_are_uncorrelated() -> None:
    """Over all inputs, exactly: nothing short of the secret itself is a clue."""
    bits = torch.tensor(list(itertools.product((0, 1), repeat=6)))
    signs = 1 - 2 * ((bits @ bits.T) % 2)
    assert torch.equal(signs @ signs.T, 64 * torch.eye(64, dtype=torch.int64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SecretParity(torch.zeros(3, dtype=torch.bool)), "at least one True"),
        (lambda: SecretParity(a_secret(3), repeats=4), "odd"),
        (lambda: SecretParity(a_secret(3), noise=0.5), "below 1/2"),
        (lambda: SecretParity(a_secret(3), noise=-0.1), "noise"),
        (lambda: SecretParity(a_secret(3), hint=-1.0), "hint"),
        (lambda: SecretParity(a_secret(3)).sample(0), "count"),
        (lambda: SecretParity(a_secret(3)).decode(torch.zeros(2, 15)), r"\[batch, 16\]"),
        (lambda: SecretParity(a_secret(3)).decode(torch.full((2, 16), torch.nan)), "NaN"),
        (lambda: solve_parity(torch.tensor([[2]]), torch.tensor([1])), "0 and 1"),
        (lambda: search_parities(torch.ones(1, 25).long(), torch.tensor([1])), "24 bits"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SecretParity([True]), "bool tensor.*list"),
        (lambda: SecretParity(torch.ones(3)), "bool tensor.*float32"),
        (lambda: solve_parity(torch.ones(2, 3), torch.tensor([1, 0])), "int64"),
        (lambda: solve_parity(torch.ones(3, 2).long(), torch.tensor([1, 0])), "3 rows"),
        (lambda: search_parities(torch.ones(2, 3).long(), torch.tensor([1.0, 0.0])), "labels"),
    ],
)
def test_input_of_the_wrong_kind_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
