"""Models that are no torch networks, as black boxes: scikit-learn's estimators and functions of NumPy arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["BlackBox", "LabelsOnlyWarning", "black_box"]

#: The logarithm of a probability of 0, as of a forest whose trees all agree, is taken of this instead.
LEAST_PROBABILITY = 1e-30

Array = np.ndarray[Any, np.dtype[Any]]


class LabelsOnlyWarning(UserWarning):
    """An estimator says its label alone, so that a search by scores sees steps and no slope."""


def black_box(model: object) -> BlackBox:
    """A callable from tensors to logits, without gradients, around a model that is no torch network.

    ``Square(Linf(0.1))(black_box(forest), x, y)``, ``robust_accuracy`` and ``evaluate`` take it as they take a network.
    An attack that wants gradients says that there are none.

    Args:
        model: what answers, the first that fits of

            - a fitted classifier of scikit-learn's kind (this package's own, pipelines and searches too), of which
              is taken: ``predict_proba``, whose logarithm is the logits; else ``decision_function``, where a binary
              one's score :math:`s` becomes the logits :math:`(0, s)`; else ``predict``, as 1 for the label and 0 for
              every other class;
            - a function of an array in the shape of the inputs, which returns the scores ``[batch, classes]``, higher
              where a class is likelier: logits, or logarithms of probabilities.

    An estimator sees a table: what is not ``[batch, features]`` is flattened. Its class numbers are the places of the
    labels in its ``classes_``: :meth:`BlackBox.encode` turns labels into them.

    Warns:
        LabelsOnlyWarning: where an estimator has ``predict`` alone.

    Raises:
        ValueError: where ``model`` is a torch module, an estimator that is not fitted or no classifier, or neither an
            estimator nor callable.
    """
    if isinstance(model, (nn.Module, BlackBox)):
        raise ValueError(
            f"{type(model).__name__} maps tensors to logits already: give it as it is, without black_box"
        )
    if not any(hasattr(model, name) for name in ("predict_proba", "decision_function", "predict")):
        if not callable(model) or isinstance(model, type):
            raise ValueError(
                "expected a classifier with predict_proba, decision_function or predict, or a function from an array "
                f"to scores [batch, classes], got {model!r}"
            )
        return BlackBox(model)
    # An estimator has what fitting it gave it: which methods and attributes these are is asked of the object.
    kind, classes = type(model).__name__, getattr(model, "classes_", None)
    if isinstance(classes, list):
        raise ValueError(f"{kind} answers several questions at once: give the estimator of one of them")
    if classes is None:
        raise ValueError(
            f"{kind} has no classes_: fit it first; where it is a regressor, it has no classes to be fooled about"
        )
    if hasattr(model, "predict_proba"):
        return BlackBox(_Probabilities(model), np.asarray(classes))
    if hasattr(model, "decision_function"):
        if len(classes) > 2 and _scores_pairs(model):
            raise ValueError(
                f"{kind} scores pairs of classes: make it with decision_function_shape='ovr', one score for each class"
            )
        return BlackBox(_Decisions(model), np.asarray(classes))
    warnings.warn(
        f"{kind} says labels alone: a search by scores such as Square sees steps and no slope, and finds less than "
        "there is. Give a model with predict_proba or decision_function where there is one.",
        LabelsOnlyWarning,
        stacklevel=2,
    )
    return BlackBox(_Labels(model), np.asarray(classes))


def _scores_pairs(model: Any) -> bool:
    """Whether an SVM scores each pair of classes, also where it stands inside a pipeline."""
    settings = model.get_params() if hasattr(model, "get_params") else {}
    return any(
        name.rpartition("__")[2] == "decision_function_shape" and value == "ovo"
        for name, value in settings.items()
    )


class BlackBox:
    """What :func:`black_box` returns: from inputs in a tensor to logits in a tensor, through NumPy.

    Args:
        scores: from an array of inputs to the scores ``[batch, classes]``.
        classes: the estimator's labels, one for each score; None where the classes are numbers already.
    """

    def __init__(self, scores: Callable[[Array], Any], classes: Array | None = None) -> None:
        self.scores, self.classes = scores, classes

    def __call__(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The logits, on the device of ``x`` and in its precision, at least float32; without a graph.

        Raises:
            ValueError: where the scores are not one number for each sample and class.
        """
        scores = np.asarray(self.scores(x.detach().cpu().numpy().copy()))
        wanted = "classes" if self.classes is None else str(len(self.classes))
        fits = scores.ndim == 2 and len(scores) == len(x)
        if not fits or (self.classes is not None and scores.shape[1] != len(self.classes)):
            raise ValueError(
                f"expected scores of shape ({len(x)}, {wanted}), one for each sample and class, got {scores.shape}: "
                "where a binary model gives one score s, return np.stack([0 * s, s], axis=1)"
            )
        if scores.dtype.kind not in "fiub":
            raise ValueError(f"scores must be numbers, got {scores.dtype}: return scores and not labels")
        return torch.as_tensor(scores.astype(np.float64)).to(
            x.device, torch.promote_types(x.dtype, torch.float32)
        )

    def encode(self, labels: Any) -> Int[Tensor, " batch"]:
        """Class numbers for labels as the estimator was fitted with, such as texts: their places in ``classes_``.

        Raises:
            ValueError: where a label is none of ``classes_``.
        """
        labels = np.asarray(labels)
        if self.classes is None:
            raise ValueError("a function of arrays has no classes_: its labels are the numbers of the scores")
        order = np.argsort(self.classes)
        places = np.searchsorted(self.classes[order], labels).clip(max=len(order) - 1)
        found = order[places]
        unknown = self.classes[found] != labels
        if unknown.any():
            raise ValueError(
                f"{labels[unknown][0]!r} is none of the classes that the estimator was fitted with: "
                f"{self.classes.tolist()}"
            )
        return torch.as_tensor(found)


class _Estimator:
    """An estimator, and inputs as the table that it wants."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def table(self, x: Array) -> Array:
        """Rows of features in double precision, as the estimator was fitted with."""
        rows = x.reshape(len(x), -1).astype(np.float64)
        features = getattr(self.estimator, "n_features_in_", rows.shape[1])
        if features != rows.shape[1]:
            raise ValueError(
                f"{type(self.estimator).__name__} was fitted with {features} features, but a sample of shape "
                f"{x.shape[1:]} has {rows.shape[1]}"
            )
        return rows


class _Probabilities(_Estimator):
    def __call__(self, x: Array) -> Array:
        return np.asarray(
            np.log(np.clip(self.estimator.predict_proba(self.table(x)), LEAST_PROBABILITY, None))
        )


class _Decisions(_Estimator):
    def __call__(self, x: Array) -> Array:
        score = np.asarray(self.estimator.decision_function(self.table(x)))
        return np.stack([np.zeros_like(score), score], axis=1) if score.ndim == 1 else score


class _Labels(_Estimator):
    def __call__(self, x: Array) -> Array:
        predicted = np.asarray(self.estimator.predict(self.table(x)))
        return np.asarray(predicted[:, None] == np.asarray(self.estimator.classes_)[None]).astype(np.float64)
