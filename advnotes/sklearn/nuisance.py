"""The nuisance of a pivot: continuous columns, categories, or both, checked before any work starts."""

import numbers
import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_consistent_length
from torch import Tensor

__all__ = ["read_nuisance"]

#: More categories than this are probably numbers that were meant to be continuous.
MANY_KINDS = 20


def read_nuisance(nuisance: Any, kept: NDArray[np.bool_]) -> list[Tensor]:
    """The nuisances: continuous columns together, standardised, ``[rows, columns]``; then codes of each category.

    Args:
        nuisance: of all rows.
        kept: the rows that are wanted; what stands in the others is only checked.

    Raises:
        ValueError: where one is missing, a category has fewer than two kinds, a number is not finite, or a continuous
            column is constant.
    """
    # pandas tells a missing value in a list from a string; NumPy would write "nan" instead.
    given = nuisance if isinstance(nuisance, (pd.DataFrame, pd.Series, list, tuple)) else np.asarray(nuisance)
    try:
        frame = pd.DataFrame(given)
    except ValueError as error:
        raise ValueError(
            f"expected a nuisance for each row, [rows] or [rows, several]; pandas says: {error}"
        ) from None
    check_consistent_length(frame, kept)
    continuous: list[NDArray[Any]] = []
    categories: list[Tensor] = []
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        where = f" {name!r}" if frame.shape[1] > 1 else ""
        absent = column.isna().to_numpy()
        if absent.any():
            raise ValueError(
                f"the nuisance{where} of row {absent.argmax()} is missing: fill it, or leave such rows out"
            )
        if not _is_continuous(column):
            categories.append(_codes(column[kept], where))
            continue
        continuous.append(column[kept].to_numpy(dtype=np.float64))
        if bool((continuous[-1] == continuous[-1][0]).all()):
            raise ValueError(f"expected a nuisance that varies, got a constant one{where}: leave it out")
    if not continuous:
        return categories
    values = check_array(np.column_stack(continuous), dtype=np.float64, input_name="nuisance")
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    return [torch.from_numpy(standard.astype(np.float32)), *categories]


def _is_continuous(column: "pd.Series[Any]") -> bool:
    """Whether a column holds floating-point numbers, also among objects."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if column.dtype == object:
        real = all(isinstance(value, numbers.Real) for value in column)
        return real and not all(isinstance(value, numbers.Integral) for value in column)
    return bool(pd.api.types.is_float_dtype(column.dtype))


def _codes(column: "pd.Series[Any]", where: str) -> Tensor:
    """The categories of a column, numbered from 0 on in sorted order."""
    values = column.to_numpy()
    if values.dtype == object and len({isinstance(value, str) for value in values}) > 1:
        raise ValueError(
            f"the kinds of the nuisance{where} must be of one type, got strings and others among them"
        )
    kinds, codes = np.unique(values, return_inverse=True)
    if len(kinds) < 2:
        raise ValueError(
            f"expected a categorical nuisance{where} of at least 2 kinds, got {len(kinds)}: leave it out"
        )
    if len(kinds) > MANY_KINDS:
        warnings.warn(
            f"the nuisance{where} has {len(kinds)} kinds and is taken for a category: for a continuous one pass "
            "floating-point numbers, such as nuisance.astype(float)",
            stacklevel=4,
        )
    return torch.from_numpy(codes.astype(np.int64))
