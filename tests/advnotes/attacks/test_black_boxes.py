"""Black boxes: that they say what the estimator says, and that searches without gradients break them."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import nn

from advnotes import evaluate
from advnotes.attacks import PGD, Square, black_box
from advnotes.attacks.black_boxes import LabelsOnlyWarning
from advnotes.metrics import robust_accuracy
from advnotes.sklearn import VATClassifier
from advnotes.threats import Linf


class Nearest:
    """A classifier that says labels alone."""

    def fit(self, X, y):
        self.classes_, self.inner = np.unique(y), KNeighborsClassifier(1).fit(X, y)
        return self

    def predict(self, X):
        return self.inner.predict(X)


def table(classes: int):
    X, y = make_classification(
        80, 6, n_informative=5, n_redundant=0, n_classes=classes, n_clusters_per_class=1, random_state=0
    )
    X = (X - X.min(axis=0)) / (X.max(axis=0) - X.min(axis=0))
    return X, y, torch.tensor(X).float(), torch.tensor(y)


ESTIMATORS = {
    "forest": lambda: RandomForestClassifier(10, random_state=0),
    "logistic": LogisticRegression,
    "svm": SVC,
    "linear svm": LinearSVC,
    "perceptron": lambda: Perceptron(random_state=0),
    "pipeline": lambda: make_pipeline(StandardScaler(), SVC()),
    "own": lambda: VATClassifier(steps=20, random_state=0),
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
def test_says_what_the_estimator_says_and_is_broken_by_a_search(make, classes):
    X, y, x, t = table(classes)
    estimator = make().fit(X, y)
    model = black_box(estimator)
    logits = model(x)
    assert logits.shape == (80, classes)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert model(x.double()).dtype == torch.float64
    assert np.array_equal(model(torch.tensor(X)).argmax(dim=1).numpy(), estimator.predict(X))
    attack = Square(Linf(0.3), queries=60)
    x_adv = attack(model, x, t, torch.arange(80))
    assert (x_adv - x).abs().max() <= 0.3 + 1e-6
    share = (estimator.predict(x_adv.double().numpy()) == y).mean()
    assert share < estimator.score(X, y) - 0.3
    report = robust_accuracy(model, attack, x, t, generator=torch.Generator().manual_seed(0))
    assert float(report) < estimator.score(X, y) - 0.3


def test_probabilities_are_logits_of_the_same_softmax():
    X, y, x, _ = table(3)
    estimator = LogisticRegression().fit(X, y)
    torch.testing.assert_close(
        black_box(estimator)(x.double()).softmax(dim=1),
        torch.tensor(estimator.predict_proba(x.double().numpy())),
    )
    svm = SVC().fit(X, y)
    torch.testing.assert_close(
        black_box(svm)(x.double()), torch.tensor(svm.decision_function(x.double().numpy()))
    )


def test_evaluate_takes_it():
    X, y, x, t = table(2)
    estimator = RandomForestClassifier(10, random_state=0).fit(X, y)
    report = evaluate(
        black_box(estimator), (x, t), Linf(0.2), [Square(Linf(0.2), queries=30)], progress=False
    )
    assert float(report.clean) == pytest.approx((estimator.predict(x.double().numpy()) == y).mean())
    assert float(report.robust) < float(report.clean)


def test_labels_alone_are_steps_and_it_says_so():
    X, y, x, t = table(3)
    with pytest.warns(LabelsOnlyWarning, match="Nearest says labels alone:"):
        model = black_box(Nearest().fit(X, y))
    assert torch.equal(model(x), nn.functional.one_hot(t, 3).float())


@pytest.mark.parametrize("names", [["dog", "ant", "cat"], [-1, 5, 3]])
def test_labels_of_any_kind_are_the_places_among_the_classes(names):
    X, y, x, _ = table(3)
    labels = np.asarray(names)[y]
    estimator = LogisticRegression().fit(X, labels)
    model = black_box(estimator)
    t = model.encode(labels)
    assert t.dtype == torch.int64
    assert np.array_equal(estimator.classes_[t.numpy()], labels)
    said = model(x).argmax(dim=1)
    assert np.array_equal(estimator.classes_[said.numpy()], estimator.predict(x.double().numpy()))
    stranger = "cow" if isinstance(names[0], str) else 4
    with pytest.raises(ValueError, match=rf"{stranger}.* is none of the classes"):
        model.encode([names[0], stranger])
    with pytest.raises(ValueError, match=r"zzz.* is none of the classes"):
        black_box(LogisticRegression().fit(X, np.asarray(["a", "b", "c"])[y])).encode(["zzz"])


def test_a_function_of_arrays_sees_the_inputs_shape_and_may_write_into_its_argument():
    weights, seen = np.random.default_rng(0).normal(size=(12, 4)), []

    def scores(images):
        seen.append(images.shape)
        images *= 2
        return images.reshape(len(images), -1) @ weights

    model, x = black_box(scores), torch.rand(5, 3, 2, 2, dtype=torch.float64)
    before = x.clone()
    torch.testing.assert_close(model(x), 2 * before.flatten(1) @ torch.tensor(weights))
    assert seen == [(5, 3, 2, 2)]
    assert torch.equal(x, before)
    whole = black_box(lambda images: (10 * images.reshape(len(images), -1) @ weights).astype(int))
    y = whole(x).argmax(dim=1)
    assert whole(x).dtype == torch.float64
    assert (whole(Square(Linf(0.5), queries=30)(whole, x, y)).argmax(dim=1) != y).any()


def test_an_estimator_sees_pictures_as_rows():
    X, y, x, t = table(2)
    model = black_box(LogisticRegression().fit(X, y))
    torch.testing.assert_close(model(x.view(80, 1, 2, 3)), model(x))
    with pytest.raises(ValueError, match=r"LogisticRegression was fitted with 6 features.* has 4"):
        model(torch.rand(2, 1, 2, 2))
    assert Square(Linf(0.1), queries=3)(model, x.view(80, 1, 2, 3), t).shape == (80, 1, 2, 3)


def test_attacks_by_gradients_say_that_there_are_none():
    X, y, x, t = table(2)
    model = black_box(LogisticRegression().fit(X, y))
    with pytest.raises(ValueError, match=r"differentiable way.*advnotes.attacks.Square"):
        PGD(Linf(0.1))(model, x, t)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(2, 2), "Linear maps tensors to logits already"),
        (lambda: black_box(abs), "BlackBox maps tensors to logits already"),
        (lambda: LogisticRegression(), "LogisticRegression has no classes_: fit it first"),
        (lambda: LinearRegression().fit([[0.0], [1.0]], [0, 1]), "where it is a regressor"),
        (lambda: 7, "expected a classifier with predict_proba"),
        (lambda: float, "expected a classifier with predict_proba"),
        (
            lambda: SVC(decision_function_shape="ovo").fit([[0.0], [1], [2]], [0, 1, 2]),
            "scores pairs of classes",
        ),
        (
            lambda: RandomForestClassifier(2).fit([[0.0], [1.0]], [[0, 1], [1, 0]]),
            "answers several questions at once",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        black_box(make())


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (lambda a: a.sum(axis=1), r"shape \(4, classes\), one for each sample and class, got \(4,\)"),
        (lambda a: a[:2], r"got \(2, 3\)"),
        (lambda a: a.astype(str), "scores must be numbers"),
    ],
)
def test_scores_of_another_kind_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        black_box(scores)(torch.rand(4, 3))
    with pytest.raises(ValueError, match="labels are the numbers of the scores"):
        black_box(scores).encode([0])
