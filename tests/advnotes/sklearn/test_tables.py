"""Tables as pandas users have them: what is taken, and what the message says where it is not."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.class_weight import compute_sample_weight

from advnotes.invariance import CategoricalDensity, ChainDensity, MixtureDensity
from advnotes.sklearn import DomainAdversarialClassifier, PivotClassifier, VATClassifier
from advnotes.sklearn.nuisance import read_nuisance
from advnotes.sklearn.perceptron import Pool
from advnotes.sklearn.tables import check_widths

N = 60
SHORT = dict(hidden=(8,), steps=3, batch_size=16, random_state=0)
X = np.random.default_rng(0).normal(size=(N, 3))
Y = (X[:, 0] > 0).astype(int)
TARGET = np.arange(N) >= 40
WORDS = np.where(Y, "up", "down")


def with_missing(labels: np.ndarray, missing: object) -> np.ndarray:
    """The labels as objects, ``missing`` in the rows of the target."""
    some = labels.astype(object)
    some[TARGET] = missing
    return some


def nullable() -> pd.Series:
    some = pd.Series(Y).astype("Int64")
    some[TARGET] = pd.NA
    return some


MISSING_LABELS = {
    "-1": np.where(TARGET, -1, Y),
    "NaN": np.where(TARGET, np.nan, Y),
    "None": with_missing(Y, None),
    "NA": nullable(),
    "words and None": with_missing(WORDS, None),
    "words and NaN": with_missing(WORDS, np.nan),
    "words and -1": with_missing(WORDS, -1),
    "categories": pd.Series(with_missing(WORDS, None)).astype("category"),
    "a list of words and -1": with_missing(WORDS, -1).tolist(),
}


@pytest.mark.parametrize("kind", MISSING_LABELS)
def test_rows_without_a_label_are_known_however_they_are_marked(kind):
    labels = MISSING_LABELS[kind]
    classes = ["down", "up"] if "words" in kind or kind == "categories" else [0, 1]
    domains = DomainAdversarialClassifier(**SHORT).fit(X, labels, TARGET)
    virtual = VATClassifier(**SHORT).fit(X, labels)
    assert domains.classes_.tolist() == virtual.classes_.tolist() == classes
    # The same networks as by the plain way of saying so.
    plain = np.where(TARGET, -1, Y)
    same = DomainAdversarialClassifier(**SHORT).fit(X, plain, TARGET)
    assert (domains.predict_proba(X) == same.predict_proba(X)).all()
    assert (virtual.predict_proba(X) == VATClassifier(**SHORT).fit(X, plain).predict_proba(X)).all()


@pytest.mark.parametrize("mark", ["?", np.nan, 7, -1])
def test_the_mark_may_be_any_value(mark):
    labels = with_missing(WORDS, mark)
    fitted = VATClassifier(unlabelled=mark, **SHORT).fit(X, labels)
    assert fitted.classes_.tolist() == ["down", "up"]
    as_text = np.array([str(label) for label in labels])  # NumPy has no other way for a mixture
    if mark == mark:
        assert VATClassifier(unlabelled=mark, **SHORT).fit(X, as_text).classes_.tolist() == ["down", "up"]


def test_without_a_mark_minus_one_is_a_class():
    assert VATClassifier(unlabelled=None, **SHORT).fit(X, 2 * Y - 1).classes_.tolist() == [-1, 1]
    with pytest.raises(ValueError, match=r"got 1 class \(unlabelled=-1 .* pass unlabelled=None"):
        VATClassifier(**SHORT).fit(X, 2 * Y - 1)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (
            lambda: VATClassifier(unlabelled=None).fit(X, np.where(TARGET, np.nan, Y)),
            "the label of row 40 is missing",
        ),
        (lambda: PivotClassifier().fit(X, np.where(TARGET, np.nan, Y)), "the label of row 40 is missing"),
        (
            lambda: DomainAdversarialClassifier().fit(X, np.where(TARGET, Y, np.nan), TARGET),
            "the label of row 0 of the source is missing",
        ),
        (lambda: VATClassifier().fit(X, with_missing(WORDS, 3)), "of one type, got int and str"),
        (lambda: VATClassifier().fit(X, X[:, 0]), "continuous"),
        (lambda: VATClassifier().fit(X, np.full(N, np.inf)), "infinity"),
        (lambda: VATClassifier().fit(X, None), "requires y to be passed"),
    ],
)
def test_labels_that_say_nothing_are_named(fit, message):
    with pytest.raises(ValueError, match=message):
        fit()


@pytest.mark.parametrize("domains", [TARGET, TARGET.astype(int), TARGET.astype(float), TARGET.tolist()])
def test_a_domain_is_true_and_false_or_1_and_0(domains):
    some = DomainAdversarialClassifier(**SHORT).fit(X, Y, domains).predict_proba(X)
    assert (some == DomainAdversarialClassifier(**SHORT).fit(X, Y, pd.Series(TARGET)).predict_proba(X)).all()


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        (np.where(TARGET, "target", "source"), "'source', 'target': pass, say, domain == 'target'"),
        (TARGET + 1, r"values 1, 2: pass"),
        (2 * TARGET - 1, r"values -1, 1: pass"),
        (np.arange(N) % 3, "values 0, 1, 2"),
        (np.arange(N), "values 0, 1, 2, 3, 4, ...: pass"),
        (np.where(np.arange(N) == 7, np.nan, TARGET), "the domain of row 7 is missing"),
        (pd.Series(TARGET).astype("boolean").mask(np.arange(N) == 4), "the domain of row 4 is missing"),
        (with_missing(TARGET, None), "the domain of row 40 is missing"),
    ],
)
def test_other_domains_are_refused_and_named(domains, message):
    with pytest.raises(ValueError, match=message):
        DomainAdversarialClassifier(**SHORT).fit(X, Y, domains)


SEX = np.array(["f", "m"] * (N // 2), dtype=object)
SHIFT = np.random.default_rng(1).normal(size=(N, 2))


@pytest.mark.parametrize(
    "nuisance",
    [
        SEX,
        SEX.astype(str),
        SEX.tolist(),
        pd.Series(SEX),
        pd.Series(SEX).astype("category"),
        SEX == "m",
        (SEX == "m") + 3,
    ],
)
def test_a_category_is_named_by_anything(nuisance):
    (codes,) = read_nuisance(nuisance, np.ones(N, dtype=bool))
    assert codes.tolist() == (SEX == "m").astype(int).tolist()
    adversary = PivotClassifier(**SHORT).fit(X, Y, nuisance).adversary_
    assert isinstance(adversary, CategoricalDensity)
    assert adversary.classes == 2


@pytest.mark.parametrize(
    "nuisance",
    [
        SHIFT,
        SHIFT.tolist(),
        SHIFT.astype(object),
        torch.from_numpy(SHIFT),
        pd.DataFrame(SHIFT).convert_dtypes(),
    ],
)
def test_a_continuous_nuisance_is_standardised_whatever_holds_it(nuisance):
    (found,) = read_nuisance(nuisance, np.ones(N, dtype=bool))
    np.testing.assert_allclose(found, (SHIFT - SHIFT.mean(axis=0)) / SHIFT.std(axis=0), rtol=1e-5, atol=1e-5)
    assert isinstance(PivotClassifier(**SHORT).fit(X, Y, nuisance).adversary_, MixtureDensity)


def test_several_columns_have_one_joint_density():
    table = pd.DataFrame({"sex": SEX, "shift": SHIFT[:, 0], "band": np.arange(N) % 3, "width": SHIFT[:, 1]})
    continuous, sex, band = read_nuisance(table, np.ones(N, dtype=bool))
    assert continuous.shape == (N, 2)
    adversary = PivotClassifier(**SHORT).fit(X, Y, table).adversary_
    assert isinstance(adversary, ChainDensity)
    outputs = torch.full((N, 2), 0.5)
    together = adversary(outputs, continuous, sex, band)
    first, second, third = adversary.factors
    by_hand = first(outputs, continuous)
    seen = torch.cat([outputs, continuous], dim=1)
    by_hand = by_hand + second(seen, sex)
    by_hand = by_hand + third(torch.cat([seen, torch.eye(2)[sex]], dim=1), band)
    torch.testing.assert_close(together, by_hand)


def test_an_adversary_of_several_is_played_against():
    """Of two nuisances in the columns of X, the probabilities tell neither."""
    rng = np.random.default_rng(0)
    y, side, place = rng.integers(0, 2, 2000), rng.integers(0, 2, 2000), rng.normal(size=2000)
    x = np.c_[y + 0.8 * rng.normal(size=2000), y + side + place + 0.3 * rng.normal(size=2000)]
    table = pd.DataFrame({"side": np.where(side, "left", "right"), "place": place})

    def told(strength: float) -> np.ndarray:
        model = PivotClassifier(strength, 1, hidden=(32,), steps=800, random_state=0).fit(x, y, table)
        p = model.predict_proba(x)[:, 1]
        assert model.score(x, y) > 0.6
        return np.array([abs(np.corrcoef(p, of)[0, 1]) for of in (side, place)])

    ignorant = told(0.0)
    assert (ignorant > 0.1).all()
    assert told(10.0).sum() < ignorant.sum() / 2


@pytest.mark.parametrize(
    ("nuisance", "message"),
    [
        (np.where(np.arange(N) == 3, np.nan, SEX), "the nuisance of row 3 is missing"),
        (np.where(np.arange(N) == 3, None, SEX).tolist(), "the nuisance of row 3 is missing"),
        (np.where(np.arange(N) == 5, np.nan, SHIFT[:, 0]), "the nuisance of row 5 is missing"),
        (
            pd.DataFrame({"a": SEX, "b": np.where(np.arange(N) == 9, None, SEX)}),
            "the nuisance 'b' of row 9 is missing",
        ),
        (np.where(np.arange(N) == 5, np.inf, SHIFT[:, 0]), "infinity"),
        (np.where(np.arange(N) == 5, 1, SEX), "of one type"),
        (np.full(N, 0.1), "constant"),
        (pd.DataFrame({"a": SEX, "b": 0.5}), "a constant one 'b'"),
        (pd.DataFrame({"a": SEX, "b": 1}), "nuisance 'b' of at least 2 kinds, got 1"),
        (np.zeros((N, 2, 2)), "pandas says"),
        (SEX[:5], "inconsistent"),
    ],
)
def test_a_nuisance_that_is_none_is_refused(nuisance, message):
    with pytest.raises(ValueError, match=message):
        PivotClassifier(**SHORT).fit(X, Y, nuisance)


def test_numbers_that_become_many_kinds_are_warned_of():
    kept = np.ones(N, dtype=bool)
    with pytest.warns(UserWarning, match=r"has 60 kinds .*astype\(float\)"):
        read_nuisance(np.arange(N), kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_nuisance(np.arange(N) % 20, kept)
        read_nuisance(np.arange(N).astype(float), kept)


def test_the_adversary_is_left_ready_for_use():
    adversary = PivotClassifier(**SHORT).fit(X, Y, SEX).adversary_
    assert not any(module.training for module in adversary.modules())
    assert {parameter.device.type for parameter in adversary.parameters()} == {"cpu"}
    assert PivotClassifier(**SHORT).fit(X, Y).adversary_ is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.assign(kind="u"),
            "'kind' of X is no number in row 0, 'u': encode it .*OneHotEncoder.*'kind'",
        ),
        (lambda t: t.assign(kind=pd.Categorical(["u", "v"] * 30)), "'kind' of X is no number"),
        (lambda t: t.assign(when=pd.Timestamp("2020-01-01")), "'when' of X holds times"),
        (
            lambda t: t.assign(a=t.a.where(np.arange(N) != 7)),
            "NaN.* Column 'a' of X has 1 missing.* row 7: .*SimpleImputer",
        ),
        (
            lambda t: t.assign(c=pd.array([1, None] * 30, dtype="Int64")),
            "Column 'c' of X has 30 missing.* row 1",
        ),
        (lambda t: t.to_numpy(dtype=object, na_value=None) + np.where(np.eye(N, 3), "x", None), "str"),
        (
            lambda t: np.where(np.eye(N, 3) * np.arange(3) == 2, "x", t.to_numpy(dtype=object)),
            "Column 2 of X is no number",
        ),
        (lambda t: np.where(np.eye(N, 3) == 1, np.nan, t), "Column 0 of X has 1 missing"),
    ],
)
def test_columns_that_are_no_numbers_are_named(change, message):
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    with pytest.raises((ValueError, TypeError), match=message):
        VATClassifier(**SHORT).fit(change(table), Y)


def test_numbers_are_taken_in_any_form_and_the_advice_for_text_works():
    plain = VATClassifier(**SHORT).fit(X, Y).predict_proba(X)
    for form in (pd.DataFrame(X).convert_dtypes(), X.astype(object), X.tolist()):
        assert (
            VATClassifier(**SHORT).fit(form, Y).predict_proba(X if isinstance(form, list) else form) == plain
        ).all()
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=["u", "v"] * 30)
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]), remainder="passthrough"
    )
    assert make_pipeline(encoder, VATClassifier(**SHORT)).fit(table, Y).predict(table).shape == (N,)


@pytest.mark.parametrize("hidden", [(8,), [8], 8, np.int64(8), np.array([8])])
def test_widths_come_as_a_number_or_a_sequence(hidden):
    assert check_widths("hidden", hidden) == (8,)
    fitted = DomainAdversarialClassifier(**SHORT | dict(hidden=hidden), domain_hidden=hidden).fit(
        X, Y, TARGET
    )
    plain = DomainAdversarialClassifier(**SHORT, domain_hidden=(8,)).fit(X, Y, TARGET)
    assert (fitted.predict_proba(X) == plain.predict_proba(X)).all()


def test_a_search_over_numpys_integers():
    grid = {"steps": np.arange(2, 4), "batch_size": np.array([8]), "power_steps": np.arange(2)}
    search = GridSearchCV(VATClassifier(hidden=(4,)), grid, cv=2, error_score="raise").fit(X, Y)
    assert search.best_params_["steps"] in (2, 3)
    grid = {"adversary_steps": np.arange(1, 3), "components": np.arange(1, 3)}
    # Whether metadata is routed is a setting of the process, which another library may have changed.
    with config_context(enable_metadata_routing=True):
        asking = PivotClassifier(**SHORT).set_fit_request(nuisance=True)
        search = GridSearchCV(asking, grid, cv=2, error_score="raise")
        assert search.fit(X, Y, nuisance=SHIFT[:, 0]).best_params_["components"] in (1, 2)


def fitted(name: str, rows: np.ndarray, **options: object) -> np.ndarray:
    models = {"vat": VATClassifier, "dann": DomainAdversarialClassifier, "pivot": PivotClassifier}
    more = {"vat": {}, "dann": {"target": TARGET[rows]}, "pivot": {"nuisance": SHIFT[rows, 0]}}
    labels = np.where(TARGET, -1, Y) if name != "pivot" else Y
    return models[name](**SHORT).fit(X[rows], labels[rows], **more[name], **options).predict_proba(X)


@pytest.mark.parametrize("name", ["vat", "dann", "pivot"])
def test_a_row_of_no_weight_is_a_row_that_is_not_there(name):
    weight = np.random.default_rng(2).uniform(0.5, 2, N)
    weight[::4] = 0
    rows = np.flatnonzero(weight)
    whole = fitted(name, np.arange(N), sample_weight=weight)
    assert (whole == fitted(name, rows, sample_weight=weight[rows])).all()
    # Powers of two scale without rounding.
    assert (whole == fitted(name, np.arange(N), sample_weight=4 * weight)).all()
    assert (whole != fitted(name, rows)).any()


@pytest.mark.parametrize("name", ["vat", "dann", "pivot"])
def test_equal_weights_are_none(name):
    everything = np.arange(N)
    assert (fitted(name, everything) == fitted(name, everything, sample_weight=np.full(N, 3.0))).all()
    assert (fitted(name, everything) == fitted(name, everything, sample_weight=pd.Series(np.ones(N)))).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_unit_and_the_origin_of_the_features_do_not_matter(weighted):
    weight = np.random.default_rng(2).uniform(0.5, 2, N) if weighted else None

    def answers(unit: float, origin: float) -> np.ndarray:
        table = unit * X + origin
        return VATClassifier(**SHORT).fit(table, Y, sample_weight=weight).predict_proba(table)

    np.testing.assert_allclose(answers(0.5, 100.0), answers(1.0, 0.0), atol=1e-4)


def test_rows_are_drawn_in_proportion_to_their_weight():
    weight = torch.tensor([1.0, 0.0, 3.0, 4.0], dtype=torch.float64)
    torch.manual_seed(0)
    rows, twice = Pool(torch.arange(4), 2 * torch.arange(4), weight=weight).draw(80_000)
    assert torch.equal(twice, 2 * rows)
    share = torch.bincount(rows, minlength=4) / len(rows)
    # Five standard errors of a share of one half.
    torch.testing.assert_close(share.double(), weight / 8, rtol=0, atol=5 * 0.5 / 80_000**0.5)


def test_weights_turn_a_vote():
    """Each point has labels of either class: the weights say which one it is."""
    x, y = np.repeat([[-1.0], [1.0]], 100, axis=0), np.tile([0, 1], 100)
    for chosen in (0, 1):
        weight = np.where(y == chosen, 9.0, 1.0)
        p = (
            VATClassifier(hidden=(8,), steps=300, learning_rate=2e-2, weight=0.0, random_state=0)
            .fit(x, y, weight)
            .predict_proba(x)
        )
        assert p[:, chosen] == pytest.approx(0.9, abs=0.1)
    few = compute_sample_weight("balanced", np.arange(200) % 4 == 0)
    p = VATClassifier(hidden=(8,), steps=300, learning_rate=2e-2, weight=0.0, random_state=0).fit(
        x, np.arange(200) % 4 == 0, few
    )
    assert p.predict_proba(x).mean(axis=0) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(N - 1), r"must have the shape \(60,\), one for each row, got \(59,\)"),
        (np.ones((N, 2)), "must have the shape"),
        (np.r_[np.ones(N - 1), -1], "at least 0, got -1 in row 59"),
        (np.zeros(N), "only zeros"),
        (np.r_[np.ones(N - 1), np.nan], "sample_weight contains NaN"),
        (Y, "got 1 class among the .* rows with a sample_weight above 0"),
    ],
)
def test_weights_that_are_none_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        VATClassifier(**SHORT).fit(X, Y, weight)


@pytest.mark.parametrize("missing", [None, float("nan"), -1, "-1"])
def test_a_list_of_texts_keeps_what_is_missing_missing(missing):
    labels = [missing if unknown else ("no", "yes")[y] for y, unknown in zip(Y, TARGET, strict=True)]
    assert set(VATClassifier(**SHORT).fit(X, labels).classes_) == {"no", "yes"}
