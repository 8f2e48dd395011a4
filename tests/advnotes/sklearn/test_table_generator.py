"""Tables that are learnt: columns, types and dependence are kept, what is given is had, and nothing else changes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from advnotes import rng
from advnotes.sklearn import TableGenerator
from tests.advnotes.generators.test_frames import odd
from tests.processes import environment

QUICK = dict(steps=5, batch_size=50, hidden=(16,), latent_size=8, random_state=0)

#: In a process of its own, without the checks of types that the tests are run with.
CHECKS = """
import json
from sklearn.utils.estimator_checks import check_estimator
from advnotes.sklearn import TableGenerator

few = TableGenerator(steps=2, batch_size=20, hidden=(8,), latent_size=4, random_state=0)
results = check_estimator(few, expected_failed_checks=UNLIKE)
print(json.dumps({result["check_name"]: result["status"] for result in results}))
"""


def related(n: int = 3000, seed: int = 0) -> pd.DataFrame:
    """A number and a group: 1 in group "a", 3 in "b", give or take 0.3; the groups are as 3 to 1."""
    drawn = np.random.default_rng(seed)
    group = np.where(drawn.random(n) < 0.75, "a", "b")
    return pd.DataFrame({"x": np.where(group == "a", 1, 3) + 0.3 * drawn.normal(size=n), "group": group})


def agreement(frame: pd.DataFrame) -> float:
    """The share of rows whose number is the group's."""
    return float(((frame.x > 2) == (frame.group == "b")).mean())


def independent(frame: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Columns drawn by themselves."""
    drawn = np.random.default_rng(seed)
    return pd.DataFrame({name: drawn.permutation(column.to_numpy()) for name, column in frame.items()})


LONGER = dict(steps=500, batch_size=100, hidden=(64, 64), latent_size=16, random_state=0)


@pytest.fixture(scope="module")
def learnt() -> TableGenerator:
    return TableGenerator(**LONGER).fit(related())


def test_dependence_is_kept_and_columns_by_themselves_do_not_keep_it(learnt: TableGenerator) -> None:
    """Independent columns agree in 0.75 of 0.75 and 0.25 of 0.25, 0.625; the table does in 0.9995."""
    assert agreement(related()) > 0.99
    assert agreement(independent(related())) == pytest.approx(0.625, abs=0.03)
    made = learnt.sample(2000, random_state=1)
    assert agreement(made) > 0.8
    assert (made.group == "b").mean() == pytest.approx(0.25, abs=0.05)
    assert made.groupby("group").x.mean().diff().iloc[1] > 1  # 2 apart; by themselves 0


def test_what_is_given_is_had_by_every_row(learnt: TableGenerator) -> None:
    for group in ("a", "b"):
        made = learnt.sample(300, random_state=2, given={"group": group})
        assert len(made) == 300
        assert (made.group == group).all()
    assert made.x.mean() > learnt.sample(300, random_state=2, given={"group": "a"}).x.mean() + 1


def test_a_number_gives_the_same_rows_and_another_others(learnt: TableGenerator) -> None:
    one, two, other = (learnt.sample(50, random_state=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)
    again = clone(learnt).set_params(steps=3).fit(related(200))
    twice = clone(learnt).set_params(steps=3).fit(related(200))
    pd.testing.assert_frame_equal(again.sample(9, random_state=0), twice.sample(9, random_state=0))


@pytest.mark.parametrize("n", [60, 6, 1])
def test_columns_types_and_order_are_kept(n: int) -> None:
    frame = odd().head(n)
    before, states = frame.copy(deep=True), rng.capture(torch.device("cpu"))
    made = TableGenerator(**QUICK).fit(frame).sample(40, random_state=0)
    pd.testing.assert_frame_equal(frame, before)
    after = rng.capture(torch.device("cpu"))
    assert torch.equal(states["torch"], after["torch"])
    assert np.array_equal(states["numpy"]["state"]["key"], after["numpy"]["state"]["key"])
    assert made.columns.tolist() == frame.columns.tolist()
    assert made.dtypes.tolist() == frame.dtypes.tolist()
    assert made.index.tolist() == list(range(40))
    assert made.constant.eq(1).all()
    assert made.never.isna().all()
    assert made.age.between(frame.age.min(), frame.age.max()).all()
    assert set(made[7].dropna()) <= set(frame[7])


def test_missing_values_come_as_often_as_they_are() -> None:
    drawn = np.random.default_rng(0)
    frame = pd.DataFrame({"x": pd.Series(drawn.normal(size=2000)).where(drawn.random(2000) < 0.7)})
    frame["kind"] = np.where(drawn.random(2000) < 0.7, "seen", None)
    made = TableGenerator(**LONGER | dict(steps=300)).fit(frame).sample(2000, random_state=0)
    assert made.isna().mean().tolist() == pytest.approx([0.3, 0.3], abs=0.22)
    quick = TableGenerator(**QUICK).fit(frame)
    for name in frame:
        assert quick.sample(20, random_state=0, given={name: None})[name].isna().all()


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(0).normal(size=(60, 3)),
        np.random.default_rng(0).integers(0, 9, (60, 3)).astype("int16"),
        np.array([["a", "b"], ["c", "b"]] * 9),
        np.array([["a", 1.5], [None, 2.5]] * 9, dtype=object),
        np.array([[True, False], [False, False]] * 9),
    ],
    ids=["numbers", "whole", "texts", "objects", "truth"],
)
def test_arrays_come_back_as_arrays(array: np.ndarray) -> None:
    made = TableGenerator(**QUICK).fit(array).sample(7, random_state=0)
    assert isinstance(made, np.ndarray)
    assert (made.dtype, made.shape) == (array.dtype, (7, array.shape[1]))
    assert len(TableGenerator(**QUICK).fit(array).sample(0)) == 0


def test_epochs_are_passes_over_the_rows() -> None:
    frame = related(300)
    model = TableGenerator(**QUICK | dict(epochs=2)).fit(frame)
    assert len(model.history_.losses["generator"]) == 12
    assert TableGenerator(**QUICK).fit(frame).n_features_in_ == 2
    assert model.feature_names_in_.tolist() == ["x", "group"]


def test_bad_input_is_refused(learnt: TableGenerator) -> None:
    with pytest.raises(ValueError, match="batch_size must be a multiple of pack=10, got 55: take 60"):
        TableGenerator(batch_size=55, pack=10).fit(related(50))
    for name, value in dict(steps=0, epochs=0, hidden=(), learning_rate=0.0, latent_size=0, modes=0).items():
        with pytest.raises(ValueError, match=name):
            TableGenerator(**QUICK | {name: value}).fit(related(50))
    with pytest.raises(ValueError, match="Expected a frame of pandas or a 2D array"):
        TableGenerator(**QUICK).fit(np.ones(3))
    with pytest.raises(NotFittedError):
        TableGenerator().sample(3)
    with pytest.raises(ValueError, match="n must be a whole number of at least 0"):
        learnt.sample(-1)
    with pytest.raises(ValueError, match="no 'group': 'c' in the table"):
        learnt.sample(1, given={"group": "c"})


def test_scikit_learn_finds_nothing_wrong() -> None:
    script = CHECKS.replace("UNLIKE", "{}")
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 20
    assert {check for check, status in found.items() if status == "failed"} == set()
