"""Tables of pandas as encoded rows and back: which column is which, and which tables cannot be learnt."""

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import one_hot

from advnotes.generators.columns import Categories, Modes, read_numbers
from advnotes.generators.conditions import Conditions
from advnotes.generators.table_networks import Layout

__all__ = ["Encoder", "check_frame"]


class Encoder:
    """Rows of a frame as the numbers of a network, and back to a frame of the same columns, types and order.

    Numbers of more than ``levels`` different values are a mode and a place in it (:class:`Modes`), all else is one-hot
    (:class:`Categories`), and missing is a category; whether a number is missing is two categories beside it. A column
    of one value has no place in the rows, and comes back as it was.

    Args:
        frame: what is to be learnt.
        random: draws what the mixtures draw.
        modes: of a column of numbers, at most.
        levels: numbers of so few different values are categories.
        most: categories that a column may have.

    Raises:
        ValueError: for a table that cannot be learnt: see :func:`check_frame`.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        random: np.random.Generator,
        *,
        modes: int = 10,
        levels: int = 20,
        most: int = 200,
    ) -> None:
        check_frame(frame, levels, most)
        self.names = frame.columns
        self.numbers: dict[int, Modes] = {}
        self.categories: dict[
            int, Categories
        ] = {}  # by the column's place; by ~place: is the number there missing?
        self.constants: dict[int, Categories] = {}
        for place in range(frame.shape[1]):
            column = frame.iloc[:, place]
            if is_number(column) and column.nunique() > max(levels, 1):
                self.numbers[place] = Modes(column, random, modes)
                if self.numbers[place].missing:
                    self.categories[~place] = Categories(column.isna())
            else:
                categories = Categories(column)
                (self.categories if categories.size > 1 else self.constants)[place] = categories
        sizes = [[column.size for column in kind.values()] for kind in (self.numbers, self.categories)]
        self.layout = Layout(len(self.numbers), *map(tuple, sizes))

    def encode(
        self, frame: pd.DataFrame, random: np.random.Generator
    ) -> tuple[Float[Tensor, "rows width"], Conditions]:
        """The rows of a frame, and what conditions can be drawn from them."""
        places, blocks, codes = [], [], []
        for place, number in self.numbers.items():
            inside, modes = number.encode(frame.iloc[:, place], random)
            places.append(torch.from_numpy(inside).float()[:, None])
            blocks.append(one_hot(torch.from_numpy(modes), number.size).float())
        for place, category in self.categories.items():
            column = frame.iloc[:, place] if place >= 0 else frame.iloc[:, ~place].isna()
            codes.append(torch.from_numpy(category.encode(column)))
            blocks.append(one_hot(codes[-1], category.size).float())
        rows = torch.cat([torch.empty(len(frame), 0), *places, *blocks], dim=1)
        drawn = torch.stack(codes, dim=1) if codes else torch.empty(len(frame), 0, dtype=torch.int64)
        return rows, Conditions(drawn, self.layout.categories)

    def decode(self, rows: Float[Tensor, "rows width"]) -> pd.DataFrame:
        """A frame of rows, each block read as its largest entry."""
        places, *blocks = rows.split([self.layout.numbers, *self.layout.blocks], dim=1)
        largest = [block.argmax(dim=1).numpy() for block in blocks]
        modes, codes = largest[: self.layout.numbers], largest[self.layout.numbers :]
        kinds = zip(self.categories.items(), codes, strict=True)
        read = {place: category.decode(code) for (place, category), code in kinds}
        for k, (place, number) in enumerate(self.numbers.items()):
            absent = read[~place].to_numpy() if number.missing else None
            read[place] = number.decode(places[:, k].double().numpy(), modes[k], absent)
        for place, constant in self.constants.items():
            read[place] = constant.decode(np.zeros(len(rows), dtype=np.int64))
        frame = pd.concat([read[place] for place in range(len(self.names))], axis=1, ignore_index=True)
        frame.columns = self.names
        return frame

    def wanted(self, given: Mapping[Any, Any]) -> dict[int, int]:
        """The categories that are given by the names of columns, as a code for each block of categories.

        Raises:
            ValueError: where there is no such column, it is one of numbers, or has no such value.
        """
        found = {}
        for name, value in given.items():
            place = list(self.names).index(name) if name in self.names else len(self.names)
            if place in self.numbers and not (~place in self.categories and is_absent(value)):
                raise ValueError(
                    f"column {name!r} is one of numbers, got given={given!r}: only categories can be asked for, and "
                    "None where numbers are missing"
                )
            if place in self.numbers:
                place, value = ~place, True
            column = (self.categories | self.constants).get(place)
            if column is None or (code := column.code(value)) < 0:
                there = (
                    ("columns", list(self.names)) if column is None else ("values", column.values.tolist())
                )
                raise ValueError(
                    f"there is no {name!r}: {value!r} in the table, whose {there[0]} are "
                    + ", ".join(map(repr, there[1][:20]))
                )
            if place in self.categories:
                found[list(self.categories).index(place)] = code
        return found

    def condition(
        self, wanted: dict[int, int], frequencies: Float[Tensor, " categories"]
    ) -> Float[Tensor, " categories"] | None:
        """The condition that asks for the rarest of wanted categories; None where none is wanted."""
        starts = np.cumsum([0, *self.layout.categories])
        flat = [int(starts[block]) + code for block, code in wanted.items()]
        if not flat:
            return None
        rarest = min(flat, key=lambda one: float(frequencies[one]))
        return one_hot(torch.tensor(rarest), self.layout.condition).float()

    def have(self, rows: Float[Tensor, "rows width"], wanted: dict[int, int]) -> Bool[Tensor, " rows"]:
        """Which rows have all wanted categories."""
        blocks = rows[:, self.layout.width - self.layout.condition :].split(self.layout.categories, dim=1)
        all_of_them = torch.ones(len(rows), dtype=torch.bool)
        for block, code in wanted.items():
            all_of_them &= blocks[block].argmax(dim=1) == code
        return all_of_them


def is_absent(value: object) -> bool:
    """Whether a value is None, NaN or the NA of pandas."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]


def is_number(column: "pd.Series[Any]") -> bool:
    """Whether a column is of real numbers and not of truth values."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def kind_of(entry: object) -> str | None:
    """What an entry of an object column is; None for what cannot be a category."""
    if isinstance(entry, str):
        return "text"
    if isinstance(entry, (bool, np.bool_)):
        return "truth value"
    return "number" if isinstance(entry, numbers.Real) else None


def check_frame(frame: pd.DataFrame, levels: int, most: int) -> None:
    """Raise ValueError for a table that cannot be learnt; it says which column, why, and what to do.

    Refused are tables without rows or columns, two columns of one name, dates and times, complex and infinite numbers,
    entries that are no texts, numbers or truth values, texts and numbers in one column, and columns of more than
    ``most`` categories, such as names and free text.
    """
    if 0 in frame.shape:
        raise ValueError(
            f"expected a table with rows and columns, got {frame.shape[0]} sample(s) and {frame.shape[1]} feature(s) "
            f"(shape={frame.shape}) while a minimum of 1 is required"
        )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"two columns have the name {twice!r}: rename one, such as by frame.columns = [...]")
    for name in frame.columns:
        check_column(frame[name], repr(name), levels, most)


def check_column(column: "pd.Series[Any]", name: str, levels: int, most: int) -> None:
    """As :func:`check_frame`, for one column."""
    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        raise ValueError(f"column {name} is sparse: make it dense by .sparse.to_dense()")
    if dtype.kind in "mM" or isinstance(dtype, pd.PeriodDtype):
        raise ValueError(
            f"column {name} holds times ({dtype}): turn them into numbers, such as days since a date"
        )
    if dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: column {name} holds complex numbers: make two of it, .real and .imag"
        )
    if is_number(column):
        infinite = np.isinf(read_numbers(column))
        if infinite.any():
            row = int(infinite.argmax())
            raise ValueError(
                f"column {name} is infinite in row {row}: leave such rows out, or replace it by a missing value"
            )
        return
    if dtype.kind == "O" and isinstance(dtype, np.dtype):
        entries = column[~column.isna()]
        odd = [entry for entry in entries if kind_of(entry) is None]
        if odd:
            raise ValueError(
                f"column {name} holds {type(odd[0]).__name__} objects, expected texts, numbers or truth values: make "
                "columns of what is in them, or turn them into texts"
            )
        kinds = {str(kind_of(entry)) for entry in entries}
        if len(kinds) > 1:
            raise ValueError(
                f"column {name} holds entries of several types ({', '.join(sorted(kinds))}): convert it to one, such "
                "as by .astype(str)"
            )
    different = column.nunique()
    if different > most:
        raise ValueError(
            f"column {name} has {different:,} different values in {len(column):,} rows, expected at most {most}: leave "
            "out names, identifiers and free text, which cannot be learnt; turn numbers that are written as text into "
            "numbers, such as by pd.to_numeric; or group rare categories"
        )
