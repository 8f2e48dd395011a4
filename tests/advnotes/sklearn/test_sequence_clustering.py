"""Sequences of unequal length in clusters: what they come as, that their number is found, and scikit-learn's checks."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score

from advnotes.decisions import polynomial
from advnotes.sklearn import SequenceClusterer
from tests.processes import environment

QUICK = dict(max_clusters=6, runs=2, epochs=10, random_state=0)

#: In a process of its own, without the checks of types that the tests are run with.
CHECKS = """
import json
from sklearn.utils import estimator_checks as checks
from advnotes.sklearn import SequenceClusterer

ONE = "sets n_clusters=1, which is no clustering and is refused; passed below without this argument"
WITH_ONE = ("check_dont_overwrite_parameters", "check_methods_subset_invariance", "check_fit2d_1sample",
            "check_fit2d_1feature", "check_fit2d_predict1d")

class Found(SequenceClusterer):
    n_clusters = property(lambda self: None, lambda self, value: None)

    def __init__(self, max_clusters=12, runs=1, epochs=5, random_state=0):
        super().__init__(max_clusters=max_clusters, runs=runs, epochs=epochs, random_state=random_state)

few = SequenceClusterer(runs=1, epochs=5, random_state=0)
results = checks.check_estimator(few, expected_failed_checks=dict.fromkeys(WITH_ONE, ONE))
for name in WITH_ONE:
    getattr(checks, name)("Found", Found())
print(json.dumps({result["check_name"]: result["status"] for result in results}))
"""


def ramps(n: int = 60, seed: int = 0, channels: int = 2) -> tuple[list[np.ndarray], np.ndarray]:
    """Rises, falls and plateaus of 10 to 40 steps."""
    random, kinds = np.random.default_rng(seed), np.arange(n) % 3
    sequences = []
    for kind in kinds:
        t = np.linspace(0, 1, random.integers(10, 41))
        curve = [t, 1 - t, np.ones_like(t)][kind]
        sequences.append(np.stack([curve] * channels, axis=1) + 0.1 * random.normal(size=(len(t), channels)))
    return sequences, kinds


def test_scikit_learn_finds_nothing_wrong():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHECKS],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 40
    assert {status for check, status in found.items() if check != "check_array_api_input"} == {
        "passed",
        "xfail",
    }
    assert sum(status == "xfail" for status in found.values()) == 5


def test_the_three_kinds_are_found_without_their_number_and_new_ones_are_known():
    sequences, kinds = ramps()
    model = SequenceClusterer(**QUICK).fit(sequences)
    assert model.n_clusters_ == 3
    assert adjusted_rand_score(kinds, model.labels_) == 1
    assert model.agreement_ > 0.8
    assert model.partitions_.shape == (8, 60)
    np.testing.assert_array_equal(model.predict(sequences), model.labels_)
    fresh, fresh_kinds = ramps(30, seed=1)
    both = np.r_[model.labels_, model.predict(fresh)]
    assert adjusted_rand_score(np.r_[kinds, fresh_kinds], both) == 1


def test_a_number_is_kept_to_where_it_is_given():
    sequences, _ = ramps()
    for wanted in (2, 3):
        assert SequenceClusterer(n_clusters=wanted, **QUICK).fit(sequences).n_clusters_ == wanted


@pytest.mark.parametrize(
    "given",
    [
        lambda s: [each[:, 0] for each in s],
        lambda s: tuple(each[:, 0].tolist() for each in s),
        lambda s: [pd.Series(each[:, 0], index=pd.date_range("2026", periods=len(each))) for each in s],
        lambda s: pd.Series([each[:, 0] for each in s]),
        lambda s: [pd.DataFrame(each[:, :1], columns=["heart rate"]) for each in s],
        lambda s: [torch.from_numpy(each[:, 0]) for each in s],
    ],
)
def test_arrays_lists_series_frames_and_tensors_give_the_same(given):
    sequences, _ = ramps()
    wanted = SequenceClusterer(**QUICK).fit_predict([each[:, :1] for each in sequences])
    np.testing.assert_array_equal(SequenceClusterer(**QUICK).fit_predict(given(sequences)), wanted)


def test_a_table_is_a_list_of_its_rows_and_remembers_its_columns():
    table = np.stack(
        [np.interp(np.linspace(0, 1, 20), np.linspace(0, 1, len(s)), s[:, 0]) for s in ramps()[0]]
    )
    model = SequenceClusterer(**QUICK).fit(table)
    np.testing.assert_array_equal(model.labels_, SequenceClusterer(**QUICK).fit_predict(list(table)))
    np.testing.assert_array_equal(model.labels_, SequenceClusterer(**QUICK).fit_predict(table[:, :, None]))
    np.testing.assert_array_equal(model.labels_, SequenceClusterer(**QUICK).fit_predict(pd.DataFrame(table)))
    assert model.n_features_in_ == 20
    with pytest.raises(ValueError, match="X has 19 features"):
        model.predict(table[:, 1:])


def test_channels_in_other_units_count_alike_with_standardise():
    sequences, kinds = ramps()
    random = np.random.default_rng(5)
    loud = [np.stack([each[:, 0], 1000 * random.normal(size=len(each))], axis=1) for each in sequences]
    plain = SequenceClusterer(n_clusters=3, **QUICK).fit_predict(loud)
    alike = SequenceClusterer(n_clusters=3, standardise=True, **QUICK).fit_predict(loud)
    assert adjusted_rand_score(kinds, alike) > adjusted_rand_score(kinds, plain) + 0.3


def test_an_own_representation_and_a_penalty_by_agreement():
    sequences, kinds = ramps()
    model = SequenceClusterer(penalty=None, representations=[polynomial, lambda s: s.mean(axis=0)], **QUICK)
    assert clone(model).penalty is None
    model.fit(sequences)
    assert model.penalty_ in (0.3, 0.4, 0.5, 0.6, 0.7)
    assert model.partitions_.shape == (4, 60)
    scores = [
        SequenceClusterer(penalty=p, representations=model.representations, **QUICK).fit(sequences).agreement_
        for p in (0.3, 0.4, 0.5, 0.6, 0.7)
    ]
    assert model.agreement_ == max(scores)
    assert adjusted_rand_score(kinds, model.labels_) > 0.5


def test_a_number_gives_the_same_and_numpy_s_state_and_the_sequences_stay():
    sequences, _ = ramps()
    before, state = [each.copy() for each in sequences], np.random.mtrand._rand.get_state()[1].copy()
    one, two = (SequenceClusterer(**QUICK).fit(sequences).partitions_ for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(np.random.mtrand._rand.get_state()[1], state)
    for now, then in zip(sequences, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_sequences_that_are_alike_are_one_cluster_and_say_so():
    with pytest.warns(UserWarning, match="all sequences ended in one cluster"):
        model = SequenceClusterer(**QUICK).fit([np.ones(5)] * 8)
    assert model.n_clusters_ == 1
    assert model.predict([np.zeros(3)]).tolist() == [0]


GOOD = ramps(12)[0]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([*GOOD, np.zeros((0, 2))], r"sequence 12 has the shape \(0, 2\).*leave empty sequences out"),
        (
            [*GOOD, np.array([[0.0, 1.0], [np.nan, 1.0]])],
            "sequence 12 has nan at step 1, channel 0.*interpolate",
        ),
        ([*GOOD, np.full((3, 2), np.inf)], "sequence 12 has inf"),
        ([*GOOD, np.zeros((4, 3))], "sequence 12 has 3 channels and sequence 0 has 2"),
        ([*GOOD, np.zeros((4, 3, 2))], r"sequence 12 has the shape \(4, 3, 2\)"),
        (["ACGT", "ACG"], "sequence 0 holds text.*np.eye"),
        ([["A", "C"], ["G", "T"]], "sequence 0 holds text.*np.eye"),
        ([pd.Series(["up", "down"]), pd.Series(["up", "up"])], "sequence 0 is not made of numbers.*np.eye"),
        (pd.DataFrame({"a": ["x", "y"], "b": ["z", "y"]}), "could not convert string.*np.eye"),
        ("ACGT", "got one text, 'ACGT'"),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "is not filled up with NaN"),
        ([1.0, 2.0, 3.0], r"place 0 holds 1\.0.*\[sequence\]"),
        ([np.zeros(3) + 1j, np.zeros(3)], "complex"),
        ([np.array(["2026-01-01"], dtype="datetime64[D]")] * 2, "times"),
        ([[[1, 2], [3]], [[1, 2], [3, 4]]], "sequence 0"),
        ([], "a minimum of 2"),
        (GOOD[:1], "a minimum of 2"),
        (None, "Expected 2D array|expected"),
    ],
)
def test_what_are_no_sequences_is_refused_before_any_work(given, message):
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        SequenceClusterer(**QUICK).fit(given)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 1}, "one cluster is all sequences"),
        ({"n_clusters": 13}, "only 12 sequences"),
        ({"n_clusters": 2.5}, "n_clusters must be"),
        ({"max_clusters": 1}, "max_clusters must be"),
        ({"penalty": 2}, "penalty must be"),
        ({"penalty": "strong"}, "penalty must be"),
        ({"runs": 0}, "runs must be"),
        ({"representations": []}, "representations must be functions"),
        ({"representations": ["pls"]}, "representations must be functions"),
        ({"representations": [lambda s: s[:, 0]]}, "of one size"),
        ({"representations": [lambda s: np.full(2, np.nan)]}, "finite"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SequenceClusterer(**{**QUICK, **options}).fit(GOOD)


def test_predict_asks_for_fit_and_for_the_same_channels():
    with pytest.raises(NotFittedError):
        SequenceClusterer().predict(GOOD)
    model = SequenceClusterer(**QUICK).fit(GOOD)
    with pytest.raises(ValueError, match=r"2 channel\(s\), as in fit, got 3"):
        model.predict([np.zeros((4, 3))])
    with pytest.raises(TypeError, match="toarray"):
        model.predict(csr_matrix(np.eye(3)))


def test_fit_is_quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SequenceClusterer(**QUICK).fit(ramps()[0])


def test_constants_differ_by_no_rounding():
    with pytest.warns(UserWarning, match="all sequences ended in one cluster"):
        SequenceClusterer(**QUICK).fit([np.full(length, 0.1) for length in range(5, 17)])
    model = SequenceClusterer(standardise=True, **QUICK)
    two = [np.column_stack([each[:, 0], np.full(len(each), 0.1)]) for each in ramps(30)[0]]
    scaled = model.fit(two)._scale
    assert scaled[1] == 1.0


def test_predict_is_by_what_was_fitted_and_not_by_what_was_set_since():
    model = SequenceClusterer(**QUICK).fit(GOOD)
    before = model.predict(GOOD)
    model.set_params(representations=[polynomial], penalty=7)
    np.testing.assert_array_equal(model.predict(GOOD), before)


@pytest.mark.usefixtures("unchecked")
def test_iterators_and_tensors_with_a_gradient_are_sequences():
    expected = SequenceClusterer(**QUICK).fit(GOOD).labels_
    for given in (iter(GOOD), [torch.tensor(each, requires_grad=True) for each in GOOD]):
        np.testing.assert_array_equal(SequenceClusterer(**QUICK).fit(given).labels_, expected)
