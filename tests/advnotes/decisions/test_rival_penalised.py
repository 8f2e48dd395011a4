"""Rivals: one step by hand, the limits without a push and with one unit for each cluster, and what they promise."""

import numpy as np
import pytest
import torch

from advnotes.decisions import rival_penalised, survivors

CORNERS = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])


def four(n: int = 240, spread: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(n) % 4
    return CORNERS[y] + spread * np.random.default_rng(seed).normal(size=(n, 2)), y


def by_hand(x: np.ndarray, units: int, penalty: float, rate: float, epochs: int, seed: int) -> np.ndarray:
    """One run, unit by unit, with the random numbers of the package."""
    random, n = np.random.default_rng(seed), len(x)
    w = [x[i].copy() for i in random.permuted(np.arange(n)[None], axis=1)[0, :units]]
    won, step = [1] * units, 0
    for _ in range(epochs):
        for i in random.permuted(np.arange(n)[None], axis=1)[0]:
            share = [count / sum(won) for count in won]
            costs = [share[j] * float(((x[i] - w[j]) ** 2).sum()) for j in range(units)]
            order = sorted(range(units), key=costs.__getitem__)
            fade = 1 - step / (epochs * n)
            w[order[0]] = w[order[0]] + fade * rate * (x[i] - w[order[0]])
            w[order[1]] = w[order[1]] - fade * rate * penalty * (x[i] - w[order[1]])
            won[order[0]] += 1
            step += 1
    return np.stack(w)


def test_it_is_the_paper_s_rule_unit_by_unit():
    x, _ = four(40)
    found = rival_penalised(x, 5, penalty=0.3, epochs=3, generator=np.random.default_rng(7))
    np.testing.assert_allclose(found.centres[0], by_hand(x, 5, 0.3, 0.05, 3, 7), atol=1e-12)
    assert found.path.shape == (4, 1, 5, 2)
    np.testing.assert_array_equal(found.path[-1], found.centres)
    assert found.wins.sum() == 3 * 40


def test_the_extra_units_are_driven_out_and_without_a_push_they_stay():
    x, y = four()
    pushed = rival_penalised(x, 6, penalty=0.5, runs=10, generator=np.random.default_rng(0))
    kept = [survivors(x, run) for run in pushed.centres]
    assert [len(left) for left, _ in kept] == [4] * 10
    for left, labels in kept:
        middles = np.stack([x[labels == place].mean(axis=0) for place in range(len(left))])
        assert np.abs(middles[:, None] - CORNERS).max(axis=2).min(axis=1).max() < 0.1
        assert len(set(zip(labels.tolist(), y.tolist(), strict=True))) == 4  # one label for each kind
    free = rival_penalised(x, 6, penalty=0.0, runs=10, generator=np.random.default_rng(0))
    assert np.mean([len(survivors(x, run)[0]) for run in free.centres]) > 5.5


def test_a_push_as_strong_as_the_pull_leaves_fewer():
    x, _ = four()
    left = [
        np.mean(
            [
                len(survivors(x, run)[0])
                for run in rival_penalised(
                    x, 8, penalty=p, runs=10, generator=np.random.default_rng(1)
                ).centres
            ]
        )
        for p in (0.0, 0.5, 1.0)
    ]
    assert left[0] > left[1] + 2
    assert left[1] > left[2] + 1


def test_moving_and_scaling_all_samples_moves_and_scales_the_units():
    x, _ = four(60)
    one = rival_penalised(x, 5, runs=2, generator=np.random.default_rng(3))
    other = rival_penalised(8 * x + 5, 5, runs=2, generator=np.random.default_rng(3))
    np.testing.assert_allclose(other.centres, 8 * one.centres + 5, rtol=1e-9)


def test_a_number_gives_the_same_and_the_samples_and_numpy_s_own_state_stay():
    x, _ = four(40)
    before, state = x.copy(), np.random.mtrand._rand.get_state()[1].copy()
    one, two = (rival_penalised(x, 5, epochs=2, generator=np.random.default_rng(4)).centres for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(np.random.mtrand._rand.get_state()[1], state)


def test_the_nearest_to_fewest_leaves_first_and_its_samples_go_to_the_next():
    x = np.array([[0.0], [0.1], [0.2], [1.0], [5.0]])
    left, labels = survivors(x, np.array([[0.1], [1.2], [5.0], [99.0]]), least=0.0)
    assert left.tolist() == [0, 1, 2]
    assert labels.tolist() == [0, 0, 0, 1, 2]
    left, labels = survivors(x, np.array([[0.1], [1.2], [5.0], [99.0]]), least=0.2)
    assert left.tolist() == [0, 2] or left.tolist() == [0]
    assert labels[:3].tolist() == [0, 0, 0]
    assert survivors(x, np.array([[3.0]]))[0].tolist() == [0]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.zeros((5, 2)), {}, "samples that differ"),
        (np.zeros(5), {}, "SequenceClusterer"),
        (np.zeros((0, 2)), {}, "table of numbers"),
        ([["a", "b"]], {}, "table of numbers"),
        ([["1", "2"], ["3", "4"]], {"units": 2}, "no real numbers"),
        (CORNERS + 1j, {"units": 2}, "got complex128, which are no real numbers"),
        (np.array([["2020-01-01"], ["2020-01-02"]], dtype="M8[D]"), {"units": 2}, "no real numbers"),
        (1e200 * CORNERS, {"units": 2}, "1e-150 to 1e150 apart"),
        (1e-200 * CORNERS, {"units": 2}, "1e-150 to 1e150 apart"),
        (CORNERS, {"units": 2, "generator": 0}, r"np\.random\.default_rng\(0\)"),
        (CORNERS, {"units": 2, "generator": np.random.RandomState(0)}, r"numpy\.random\.Generator"),
        ([[0.0], [np.nan], [1.0]], {}, "row 1"),
        ([[0.0], [1.0]], {"units": 3}, "take fewer units"),
        ([[0.0], [1.0]], {"units": 1}, "units must be a whole number of at least 2"),
        ([[0.0], [1.0]], {"units": 2, "penalty": 1.5}, "penalty must be a finite number"),
        ([[0.0], [1.0]], {"units": 2, "learning_rate": 0.0}, "learning_rate must be"),
        ([[0.0], [1.0]], {"units": 2, "epochs": 0}, "epochs must be"),
        ([[0.0], [1.0]], {"units": 2, "runs": True}, "runs must be"),
    ],
)
def test_what_cannot_compete_is_refused(x, options, message):
    with pytest.raises(ValueError, match=message):
        rival_penalised(x, **options)


@pytest.mark.parametrize("centres", [np.zeros((1, 2, 2)), np.zeros((2, 3)), np.full((2, 2), np.inf)])
def test_centres_that_do_not_fit_are_refused(centres):
    with pytest.raises(ValueError, match=r"competition\.centres\[0\]"):
        survivors(four(8)[0], centres)


@pytest.mark.usefixtures("unchecked")
def test_tensors_with_a_gradient_are_samples():
    x = torch.tensor(CORNERS, requires_grad=True)
    one, other = (
        rival_penalised(each, 2, generator=np.random.default_rng(0)).centres for each in (x, CORNERS)
    )
    np.testing.assert_array_equal(one, other)
