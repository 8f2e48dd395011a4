"""Sequences of unequal length as users have them: arrays, Series, frames, lists; checked before any work starts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import Tensor

__all__ = ["read_sequences"]

Array = NDArray[np.float64]

#: How an alphabet becomes numbers.
LETTERS = (
    "write letters as numbers, one channel for each letter of the alphabet, such as "
    "np.eye(len(alphabet))[[alphabet.index(letter) for letter in sequence]]"
)


def read_sequences(estimator: BaseEstimator, given: Any, *, reset: bool) -> list[Array]:
    """The sequences, each ``[length, channels]``.

    Args:
        estimator: what asks; ``n_features_in_`` is set and compared where the sequences are rows of a table.
        given: a table ``[sequences, length]`` (array or frame), an array ``[sequences, length, channels]``, or a list,
            tuple, Series or array of objects, with a 1-D or 2-D array, a Series, a frame or a list in each place.
        reset: whether they are those of ``fit``: then two are needed.

    Raises:
        ValueError: where there are no such sequences, one is empty, holds text or has a missing or infinite value, or
            they differ in their channels; it says which one, and what to do.
        TypeError: for a sparse matrix.
    """
    if issparse(given):
        raise TypeError("Sparse data was passed, but dense data is required: make it dense by X.toarray()")
    if isinstance(given, (str, bytes)):
        raise ValueError(f"expected a list of sequences, got one text, {given[:20]!r}: {LETTERS}")
    if isinstance(given, pd.Series) or (
        isinstance(given, np.ndarray) and given.ndim == 1 and given.dtype == object
    ):
        given = list(given)
    if isinstance(given, Iterator):
        given = list(given)
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if isinstance(given, (list, tuple)):
        read = [_read(place, one) for place, one in enumerate(given)]
    elif np.ndim(given) == 3:
        read = [_read(place, one) for place, one in enumerate(np.asarray(given))]
    else:
        read = [row[:, None] for row in _table(estimator, given, reset=reset)]
    if len(read) < (2 if reset else 1):
        raise ValueError(
            f"Found {len(read)} sample(s) where a minimum of {2 if reset else 1} is required: expected a list of "
            "sequences, or a table with one sequence in each row"
        )
    for place, one in enumerate(read):
        if one.shape[1] != read[0].shape[1]:
            raise ValueError(
                f"sequence {place} has {one.shape[1]} channels and sequence 0 has {read[0].shape[1]}: sequences are "
                "[length, channels], and only their lengths may differ"
            )
    return read


def _table(estimator: BaseEstimator, given: Any, *, reset: bool) -> Array:
    """A table with one sequence in each row, with scikit-learn's own checks."""
    try:
        return np.asarray(
            validate_data(
                estimator, given, reset=reset, dtype=np.float64, ensure_min_samples=2 if reset else 1
            )
        )
    except ValueError as error:
        text = str(error).splitlines()[0]
        if "could not convert string" in text:
            raise ValueError(f"{text}: {LETTERS}") from None
        if "NaN" in text:
            raise ValueError(
                f"{text} A sequence that is shorter than others is not filled up with NaN: give a list of sequences, "
                "or fill gaps by pandas' interpolate()"
            ) from None
        raise


def _read(place: int, given: Any) -> Array:
    """One sequence of a list."""
    try:
        values = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    except ValueError as error:
        raise ValueError(f"sequence {place} is no table of steps and channels; NumPy says: {error}") from None
    if values.ndim == 0 and values.dtype.kind not in "OUS":
        raise ValueError(
            f"expected sequences, but place {place} holds {given!r}: give a list with a sequence in each place, "
            "such as [sequence] for a single one"
        )
    if values.dtype.kind in "US":
        raise ValueError(f"sequence {place} holds text: {LETTERS}")
    if values.dtype.kind in "cmM":
        kind = "complex numbers" if values.dtype.kind == "c" else "times"
        raise ValueError(
            f"sequence {place} holds {kind}: give real numbers, such as parts or seconds as channels"
        )
    try:
        values = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sequence {place} is not made of numbers ({error}): {LETTERS}") from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            f"sequence {place} has the shape {np.shape(given)}: expected [length] or [length, channels] with at least "
            "one of each; leave empty sequences out"
        )
    if not np.isfinite(values).all():
        step, channel = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"sequence {place} has {values[step, channel]} at step {step}, channel {channel}: fill gaps, such as by "
            "pandas' interpolate(), or cut the sequence there"
        )
    return np.asarray(values)
