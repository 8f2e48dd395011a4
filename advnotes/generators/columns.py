"""Columns of a table as a network has them: numbers by their mode and the place in it, all else one-hot."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

__all__ = ["Categories", "Modes"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


class Categories:
    """A column of which each value is a category, a missing one too; it comes back as what it was.

    Args:
        column: of any type whose values can be told apart.
    """

    def __init__(self, column: "pd.Series[Any]") -> None:
        self.values = column.drop_duplicates().reset_index(drop=True)
        absent = self.values.isna()
        if absent.sum() > 1:  # None and NaN
            self.values = self.values[~absent.cumsum().gt(1) | ~absent].reset_index(drop=True)
            absent = self.values.isna()
        self.missing = int(absent.to_numpy().argmax()) if absent.any() else None
        self.code_of = {value: code for code, value in enumerate(self.values) if not absent[code]}

    @property
    def size(self) -> int:
        """How many categories there are."""
        return len(self.values)

    def code(self, value: object) -> int:
        """The number of a category; -1 where there is no such category."""
        if pd.api.types.is_scalar(value) and pd.isna(value):  # type: ignore[call-overload]
            return -1 if self.missing is None else self.missing
        try:
            return self.code_of.get(value, -1)
        except TypeError:  # not hashable
            return -1

    def encode(self, column: "pd.Series[Any]") -> Codes:
        """The number of each value's category.

        Raises:
            ValueError: where a value was not seen.
        """
        codes = column.astype(object).map(self.code_of).astype(np.float64).to_numpy(copy=True)
        codes[column.isna().to_numpy()] = np.nan if self.missing is None else self.missing
        if np.isnan(codes).any():
            row = int(np.isnan(codes).argmax())
            raise ValueError(
                f"column {column.name!r} has {column.iloc[row]!r} in row {row}, which fit did not see"
            )
        return codes.astype(np.int64)

    def decode(self, codes: Codes) -> "pd.Series[Any]":
        """The values of categories."""
        return self.values.iloc[codes].reset_index(drop=True)


class Modes:
    r"""Mode-specific normalisation of a column of numbers (Xu et al. 2019, section 4.2).

    A variational mixture of Gaussians :math:`\sum_k \mu_k\, \mathcal N(\eta_k, \phi_k)` is fitted. A value :math:`c` is
    one of its modes, drawn in proportion to :math:`\mu_k\, \mathcal N(c; \eta_k, \phi_k)`, and the place in it,

    .. math:: \alpha = \frac{c - \eta_k}{4 \phi_k}.

    A missing value lies in the middle of the heaviest mode: whether there is one is to be said beside it. Values come
    back within the range that was seen, whole where all were whole.

    Differs from the paper: a mode is drawn among those within whose reach, :math:`4 \phi_k`, the value lies, and where
    it lies in none, the likeliest one reaches further, so that the generator's tanh can say every value; the mixture
    sees at most 10,000 rows; modes with less than a two-hundredth of the weight are left out.

    Args:
        column: numbers, finite or missing, of at least two values.
        random: draws the mixture's first state and its rows.
        modes: at most so many.
    """

    def __init__(self, column: "pd.Series[Any]", random: np.random.Generator, modes: int = 10) -> None:
        values = read_numbers(column)
        known = values[~np.isnan(values)]
        self.dtype, self.low, self.high = column.dtype, known.min(), known.max()
        self.ends = column.min(), column.max()
        self.whole = bool((known == np.round(known)).all())
        self.missing = len(known) < len(values)
        self.unit = float(np.abs(known).max())
        self.mean, self.deviation = (known / self.unit).mean(), (known / self.unit).std() or 1.0
        x = self._standard(known)
        seen = x if len(x) <= 10_000 else random.choice(x, 10_000, replace=False)
        mixture = BayesianGaussianMixture(
            n_components=min(modes, len(np.unique(seen)), len(seen)),
            weight_concentration_prior_type="dirichlet_process",
            weight_concentration_prior=1e-3,
            random_state=int(random.integers(2**31)),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(seen[:, None])
        kept = mixture.weights_ > min(0.005, mixture.weights_.max() / 2)
        self.log_weight = np.log(mixture.weights_[kept])
        self.centre, self.spread = mixture.means_[kept, 0], np.sqrt(mixture.covariances_[kept, 0, 0])
        self.reach = 4 * self.spread
        away = np.abs(x[:, None] - self.centre)
        lost = (away > self.reach).all(axis=1)
        likeliest = self._log_density(x[lost]).argmax(axis=1)
        np.maximum.at(self.reach, likeliest, away[lost, likeliest])

    @property
    def size(self) -> int:
        """How many modes there are."""
        return len(self.centre)

    def _standard(self, values: Array) -> Array:
        return (values / self.unit - self.mean) / self.deviation

    def _log_density(self, x: Array) -> Array:
        return self.log_weight - np.log(self.spread) - ((x[:, None] - self.centre) / self.spread) ** 2 / 2

    def encode(self, column: "pd.Series[Any]", random: np.random.Generator) -> tuple[Array, Codes]:
        """The place of each value in its mode, and the mode's number.

        Raises:
            ValueError: where a value is missing and none was in ``fit``.
        """
        values = read_numbers(column)
        absent = np.isnan(values)
        if absent.any() and not self.missing:
            raise ValueError(
                f"column {column.name!r} lacks the value of row {absent.argmax()}, and fit saw none missing"
            )
        x = self._standard(values[~absent])
        score = self._log_density(x)
        inside = np.abs(x[:, None] - self.centre) <= self.reach * (1 + 1e-9)
        score[~inside & inside.any(axis=1, keepdims=True)] = -np.inf
        modes = (score + random.gumbel(size=score.shape)).argmax(axis=1)
        places, codes = np.zeros(len(values)), np.full(len(values), self.log_weight.argmax())
        places[~absent], codes[~absent] = (x - self.centre[modes]) / self.reach[modes], modes
        return places, codes

    def decode(
        self, places: Array, codes: Codes, absent: NDArray[np.bool_] | None = None
    ) -> "pd.Series[Any]":
        """The values at places in modes, of the column's own type, missing where ``absent``."""
        absent = np.zeros(len(codes), dtype=bool) if absent is None else absent
        values = ((self.centre[codes] + places * self.reach[codes]) * self.deviation + self.mean) * self.unit
        values = np.round(values) if self.whole else values
        return write_numbers(values, absent, self)


def read_numbers(column: "pd.Series[Any]") -> Array:
    """A column as doubles, missing values as NaN."""
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def write_numbers(values: Array, absent: NDArray[np.bool_], like: Modes) -> "pd.Series[Any]":
    """Doubles as a column of the type of another one, within its range."""
    low, high = like.ends
    if isinstance(like.dtype, np.dtype) and like.dtype.kind in "iu":
        inside = (values > like.low) & (values < like.high)  # doubles beside the largest int64 are beyond it
        ends = np.where(values <= like.low, low, high).astype(like.dtype)
        return pd.Series(np.where(inside, np.where(inside, values, 0).astype(like.dtype), ends))
    values = np.clip(values, like.low, like.high)
    if isinstance(like.dtype, np.dtype):
        return pd.Series(np.where(absent, np.nan, values).astype(like.dtype))
    whole = pd.api.types.is_integer_dtype(like.dtype)
    listed = [
        None if gone else int(value) if whole else value
        for value, gone in zip(values.tolist(), absent, strict=True)
    ]
    return pd.Series(listed, dtype=like.dtype)
