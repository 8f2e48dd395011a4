"""Tables as users of pandas have them: rows, labels, domains and weights, checked before any work starts."""

import numbers
from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from advnotes.checks import check_count

__all__ = [
    "Widths",
    "are_marked",
    "are_missing",
    "check_widths",
    "read_classes",
    "read_domains",
    "read_labels",
    "read_rows",
    "read_weights",
]

#: Widths of hidden layers: one number, or several.
Widths = SupportsIndex | Sequence[int] | NDArray[np.integer[Any]]

Flags = NDArray[np.bool_]
Array = NDArray[Any]


def check_widths(name: str, widths: object, least: int = 1) -> tuple[int, ...]:
    """Widths of hidden layers: one whole number, or a sequence or an array of ``least`` or more of them."""
    try:
        given = tuple(np.atleast_1d(np.asarray(widths, dtype=object)).tolist())
    except ValueError:
        given = ()
    if len(given) < least:
        raise ValueError(
            f"{name} must be the widths of {least} or more hidden layers, such as (64, 64), got {widths!r}"
        )
    return tuple(check_count(f"each width in {name}", width) for width in given)


def read_rows(estimator: BaseEstimator, X: Any, *, reset: bool) -> NDArray[np.float64]:
    """The rows as numbers, with scikit-learn's own checks.

    Raises:
        ValueError: where they are not numbers, or one is missing; it names the column and says what to do.
    """
    for name, dtype in dict(X.dtypes).items() if isinstance(X, pd.DataFrame) else ():
        if dtype.kind in "mM":
            raise ValueError(
                f"column {name!r} of X holds times: turn them into numbers, such as days since a date"
            )
    try:
        return np.asarray(validate_data(estimator, X, reset=reset, dtype=np.float64))
    except (TypeError, ValueError) as error:
        if advice := _advice(X):
            raise type(error)(f"{str(error).splitlines()[0]} {advice}") from None
        raise


def _columns(X: Any) -> Iterator[tuple[object, "pd.Series[Any]"]]:
    """The columns of a table with their names, or with their places where they have none."""
    if isinstance(X, pd.DataFrame) or (isinstance(X, np.ndarray) and X.ndim == 2):
        frame = pd.DataFrame(X)
        for place, name in enumerate(frame.columns):
            yield name, frame.iloc[:, place]


def _advice(X: Any) -> str:
    """What to do with the first column that is not made of numbers; empty where all are."""
    for name, column in _columns(X):
        absent = column.isna().to_numpy()
        odd = pd.to_numeric(column[~absent].astype(object), errors="coerce").isna().to_numpy()
        if odd.any():
            row = int(np.flatnonzero(~absent)[odd.argmax()])
            return (
                f"Column {name!r} of X is no number in row {row}, {column.iloc[row]!r}: encode it in front, such as by "
                f"make_column_transformer((OneHotEncoder(handle_unknown='ignore'), [{name!r}]), "
                "remainder='passthrough') in a pipeline."
            )
        if absent.any():
            return (
                f"Column {name!r} of X has {int(absent.sum())} missing value(s), the first in row {absent.argmax()}: "
                "fill them in front, such as by SimpleImputer() in a pipeline, or leave such rows out."
            )
    return ""


def read_labels(estimator: BaseEstimator, y: Any, rows: int) -> Array:
    """The labels ``[rows]`` as they are: of any type, missing ones among them.

    Raises:
        ValueError: where there are none, or not one for each row.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None: one label for each row"
        )
    if isinstance(y, Sequence) and not isinstance(y, str) and any(isinstance(label, str) for label in y):
        y = np.array(y, dtype=object)  # NumPy alone would make ["yes", -1, None] three strings
    labels = column_or_1d(y, warn=True)
    check_consistent_length(labels, np.empty(rows))
    return np.asarray(labels)


def are_missing(labels: Array) -> Flags:
    """Where there is no value: None, NaN, or the NA of pandas."""
    return np.asarray(pd.isna(labels), dtype=bool)


def are_marked(labels: Array, mark: int | float | str) -> Flags:
    """Where a label says that there is none: ``mark``, or ``mark`` as NumPy writes it among strings."""
    found = are_missing(labels)
    if mark != mark:  # NaN
        return found
    marks = {str(mark), mark} if isinstance(mark, numbers.Number) else {mark}
    same = [not gone and label in marks for gone, label in zip(found, labels.tolist(), strict=True)]
    return found | np.array(same, dtype=bool)


def read_classes(
    labels: Array, known: Flags, whose: str = "", why: str = ""
) -> tuple[Array, NDArray[np.int64]]:
    """The classes, sorted, and for each row the number of its class, or -1 where ``known`` is false.

    Args:
        labels: of all rows; those that are not known are not looked at.
        known: which rows have a label.
        whose: the rows that are meant, such as " of the source", for messages.
        why: what may have taken labels away, for messages.

    Raises:
        ValueError: where a known label is missing, labels are of several types or no classes, or there are fewer than
            two classes.
    """
    if bool((absent := known & are_missing(labels)).any()):
        raise ValueError(
            f"the label of row {absent.argmax()}{whose} is missing: give it, or leave such rows out"
        )
    found = labels[known]
    if found.dtype == object:
        strings = [isinstance(label, str) for label in found.tolist()]
        if any(strings) and not all(strings):
            kinds = sorted({type(label).__name__ for label in found.tolist()})
            raise ValueError(
                f"labels must be of one type, got {' and '.join(kinds)}: convert them to strings or numbers"
            )
        found = found if all(strings) else np.array(found.tolist())
    assert_all_finite(found, input_name="y")
    if len(found):
        check_classification_targets(found)
    classes, numbered = np.unique(found, return_inverse=True)
    if len(classes) < 2:
        some = "1 class" if len(classes) == 1 else "0 classes"
        raise ValueError(f"expected labels of at least 2 classes{whose}, got {some}{whose}{why}")
    codes = np.full(len(labels), -1, dtype=np.int64)
    codes[known] = numbered
    return classes, codes


def read_domains(target: Any, rows: int) -> Flags:
    """Whether each row is of the target domain.

    Raises:
        ValueError: where there is not one value for each row, or they are other than true and false or 1 and 0.
    """
    domains = np.asarray(column_or_1d(np.asarray(target, dtype=object)))
    check_consistent_length(np.empty(rows), domains)
    absent = are_missing(domains)
    if absent.any():
        raise ValueError(
            f"the domain of row {absent.argmax()} is missing: say True (target) or False (source)"
        )
    kinds = list(dict.fromkeys(domains.tolist()))
    if not all(isinstance(kind, numbers.Real) and kind in (0, 1) for kind in kinds):
        shown = ", ".join(map(repr, kinds[:5])) + (", ..." if len(kinds) > 5 else "")
        raise ValueError(
            "target must say of each row whether it is of the target domain, by True and False or 1 and 0, got the "
            f"values {shown}: pass, say, domain == {kinds[-1]!r} for an array of domains"
        )
    return domains.astype(bool)


def read_weights(sample_weight: Any, rows: int) -> NDArray[np.float64] | None:
    """How often each row counts ``[rows]``; None where all count alike.

    Raises:
        ValueError: where there is not one finite number from 0 on for each row, or all are 0.
    """
    if sample_weight is None:
        return None
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight", copy=True
    )
    if weights.shape != (rows,):
        raise ValueError(
            f"sample_weight must have the shape ({rows},), one for each row, got {weights.shape}"
        )
    if bool((weights < 0).any()):
        row = int((weights < 0).argmax())
        raise ValueError(f"sample_weight must be at least 0, got {weights[row]:g} in row {row}")
    if not weights.any():
        raise ValueError("sample_weight must be above 0 for some rows, got only zeros")
    return None if bool((weights == weights[0]).all()) else weights
