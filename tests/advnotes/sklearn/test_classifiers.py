"""The classifiers for tables: scikit-learn's own checks, and what each of them is for."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from advnotes.sklearn import (
    DomainAdversarialClassifier,
    PivotClassifier,
    SemiSupervisedGANClassifier,
    VATClassifier,
)
from tests.processes import environment

QUICK = dict(hidden=(16,), steps=60, batch_size=32, learning_rate=2e-2, random_state=0)

#: In a process of its own, without the checks of types that the tests are run with: scikit-learn asks that
#: ``__init__`` takes anything and ``fit`` complains.
CHECKS = """
import json, sys
from sklearn.utils.estimator_checks import check_classifiers_classes, check_estimator
from advnotes import sklearn as ours

quick = dict(hidden=(16,), steps=60, batch_size=32, learning_rate=2e-2, random_state=0)
drawn = "a row is drawn in proportion to its weight: the same as repeating it on the average, not draw by draw"
unlike = {"check_sample_weight_equivalence_on_dense_data": drawn}
name = sys.argv[1]
if name in ("VATClassifier", "SemiSupervisedGANClassifier"):
    unlike["check_classifiers_classes"] = "uses -1 as a label, which says here that there is none"
results = check_estimator(getattr(ours, name)(**quick), expected_failed_checks=unlike)
if name in ("VATClassifier", "SemiSupervisedGANClassifier"):
    check_classifiers_classes(name, getattr(ours, name)(unlabelled=None, **quick))
print(json.dumps({result["check_name"]: result["status"] for result in results}))
"""


@pytest.mark.parametrize(
    "name", ["VATClassifier", "DomainAdversarialClassifier", "PivotClassifier", "SemiSupervisedGANClassifier"]
)
def test_scikit_learn_finds_nothing_wrong(name):
    done = subprocess.run(
        [sys.executable, "-c", CHECKS, name], env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 40
    unlike = {check: status for check, status in found.items() if status != "passed"}
    skipped = {"check_array_api_input"}  # wants a package that is for arrays of other libraries
    wanted = {"check_sample_weight_equivalence_on_dense_data": "xfail"}
    if name in ("VATClassifier", "SemiSupervisedGANClassifier"):
        wanted["check_classifiers_classes"] = "xfail"
    assert {check: status for check, status in unlike.items() if check not in skipped} == wanted


def moons(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = make_moons(n, noise=0.1, random_state=seed)
    return x - x.mean(axis=0), y


def test_rows_without_a_label_help():
    x, y = moons(1000, seed=0)
    x = x @ np.linalg.qr(np.random.default_rng(0).normal(size=(30, 30)))[0][:2]  # a plane in 30 dimensions
    some = y[:500].copy()
    some[16:] = -1
    scores = [
        VATClassifier(weight=weight, steps=400, random_state=0).fit(x[:500], some).score(x[500:], y[500:])
        for weight in (0.0, 1.0)
    ]
    assert scores[1] > scores[0] + 0.05, scores


def test_rows_without_a_label_are_played_with_and_a_generator_is_kept():
    """Digits, three labels a class; with no unlabelled row the game is played on the labelled ones alone."""
    X, y = load_digits(return_X_y=True)
    some = np.full(1000, -1)
    for k in range(10):
        some[np.flatnonzero(y[:1000] == k)[:3]] = k
    settings, known = dict(steps=150, batch_size=64, random_state=0), some >= 0
    model = SemiSupervisedGANClassifier(**settings).fit(X[:1000], some)
    assert model.score(X[1000:], y[1000:]) > 0.5  # about 0.75; chance is 0.1
    alone = SemiSupervisedGANClassifier(**settings).fit(X[:1000][known], some[known])
    assert not np.allclose(model.predict_proba(X[1000:1010]), alone.predict_proba(X[1000:1010]), atol=1e-3)
    with torch.no_grad():
        rows = model.generator_(torch.randn(500, 32))
    assert rows.shape == (500, 64)
    assert rows.std(dim=0).max() > 0.05  # they are not one row, repeated


def test_noise_is_for_training_only():
    x, y = moons(60, seed=0)
    model = SemiSupervisedGANClassifier(**QUICK).fit(x, y)
    assert np.array_equal(model.predict_proba(x), model.predict_proba(x))
    quiet = SemiSupervisedGANClassifier(noise=0.0, **QUICK).fit(x, y)
    assert not np.allclose(model.predict_proba(x), quiet.predict_proba(x), atol=1e-3)
    with pytest.raises(ValueError, match="noise must be a finite number of at least 0"):
        SemiSupervisedGANClassifier(noise=-1.0, **QUICK).fit(x, y)


def two_columns(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Both tell the class, the second one better; it is also the one that another domain shifts."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return np.c_[y + 0.3 * rng.normal(size=n), y + 0.1 * rng.normal(size=n) + shift], y


def test_the_column_that_tells_the_domains_apart_is_left_out():
    """By the second column every row of the target is of class 1: half of them are. The first one tells 95%."""
    x, y = two_columns(400, seed=0)
    x_target, y_target = two_columns(400, seed=1, shift=1.0)
    both, labels = np.r_[x, x_target], np.r_[y, np.full(400, -1)]
    target = np.r_[np.zeros(400), np.ones(400)]

    def score(strength: float, seed: int) -> float:
        model = DomainAdversarialClassifier(strength, steps=300, random_state=seed)
        return model.fit(both, labels, target).score(x_target, y_target)

    # Over seeds, since what one such game finds hangs on its draws.
    gains = [score(1.0, seed) - score(0.0, seed) for seed in range(3)]
    assert np.mean(gains) > 0.2, gains


@pytest.mark.parametrize("kind", [str, int, float])
def test_the_nuisance_cannot_be_read_from_the_probabilities(kind):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    side = rng.integers(0, 2, 2000)
    x = np.c_[y + 0.8 * rng.normal(size=2000), y + side + 0.5 * rng.normal(size=2000)]
    nuisance = (side + 0.2 * rng.normal(size=2000)) if kind is float else side.astype(kind)

    def told(strength: float) -> float:
        model = PivotClassifier(strength, 1, hidden=(32,), steps=800, random_state=0)
        p = model.fit(x, y, nuisance).predict_proba(x)[:, 1:]
        assert model.adversary_ is not None
        assert model.score(x, y) > 0.6
        return abs(np.corrcoef(p[:, 0], side)[0, 1])

    # Of a correlation of 0.32 a sixth is left (0.045 to 0.062 over six trainings), where chance alone gives 0.02.
    ignorant = told(0.0)
    assert ignorant > 0.15
    assert told(10.0) < ignorant / 3


def test_they_live_in_pipelines_and_searches():
    x, y = moons(200, seed=0)
    pipeline = make_pipeline(StandardScaler(), VATClassifier(**QUICK))
    search = GridSearchCV(pipeline, {"vatclassifier__eps": [0.1, 0.5]}, cv=2).fit(
        x, np.where(y, "up", "down")
    )
    assert set(search.predict(x)) == {"up", "down"}
    assert search.score(x, np.where(y, "up", "down")) > LogisticRegression().fit(x, y).score(x, y) - 0.1


def test_a_row_is_answered_the_same_alone_and_among_others():
    X, y = make_moons(300, noise=0.1, random_state=0)
    model = VATClassifier(**QUICK).fit(X, y)
    alone = np.concatenate([model.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(model.predict_proba(X), alone, rtol=1e-12)
    assert {p.dtype for p in model.network_.parameters()} == {torch.float32}  # as it was trained


def test_a_seed_decides_and_the_global_generators_do_not():
    x, y = moons(100, seed=0)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = PivotClassifier(**QUICK).fit(x, y).predict_proba(x)
    assert torch.equal(state[0], torch.get_rng_state())
    assert (state[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    torch.manual_seed(123)
    assert (first == PivotClassifier(**QUICK).fit(x, y).predict_proba(x)).all()


@pytest.mark.parametrize(
    ("classifier", "arguments", "message"),
    [
        (VATClassifier(steps=0), (), "steps"),
        (VATClassifier(steps=-2), (), "steps must be a whole number of at least 1, got -2"),
        (VATClassifier(batch_size=True), (), "batch_size must be a whole number"),
        (VATClassifier(power_steps=-1), (), "power_steps must be a whole number of at least 0"),
        (VATClassifier(hidden=()), (), "hidden must be the widths of 1 or more"),
        (
            VATClassifier(hidden=(8, 0)),
            (),
            "each width in hidden must be a whole number of at least 1, got 0",
        ),
        (VATClassifier().set_params(hidden="wide"), (), "each width in hidden"),
        (VATClassifier(learning_rate=0.0), (), "learning_rate"),
        (
            VATClassifier().set_params(learning_rate="adaptive"),
            (),
            "learning_rate must be a finite number above 0, got 'adaptive'",
        ),
        (VATClassifier(eps=-1.0), (), "eps"),
        (DomainAdversarialClassifier(strength=-1.0), (np.arange(20) % 2,), "strength"),
        (DomainAdversarialClassifier(), (np.ones(20),), "0 classes of the source"),
        (DomainAdversarialClassifier(), (np.ones(3),), "inconsistent"),
        (PivotClassifier(), (np.zeros(20, dtype=int),), "at least 2 kinds"),
        (PivotClassifier(), (np.zeros(20),), "constant"),
        (PivotClassifier(), (np.zeros(3),), "inconsistent"),
        (PivotClassifier(strength=-1.0), (np.arange(20) % 2,), "strength"),
        (PivotClassifier(components=0), (np.arange(20.0),), "components must be a whole number"),
        (PivotClassifier(adversary_steps=0), (np.arange(20) % 2,), "adversary_steps must be a whole number"),
    ],
)
def test_bad_arguments_are_named(classifier, arguments, message):
    x, y = moons(20, seed=0)
    with pytest.raises(ValueError, match=message):
        classifier.fit(x, y, *arguments)
