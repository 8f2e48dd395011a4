"""Columns as a network has them: there and back, for numbers of several modes and for categories of any type."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advnotes.generators import Categories, Modes


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def three_modes(n: int = 3000) -> "pd.Series[float]":
    """Modes at 0, 10 and 30, of widths 1, 0.2 and 2."""
    drawn = random(5)
    kind = drawn.integers(3, size=n)
    return pd.Series(drawn.normal(np.array([0, 10, 30])[kind], np.array([1, 0.2, 2])[kind]))


def spike_and_tail() -> "pd.Series[int]":
    """As capital gains: mostly 0, some thousands, a few 99,999."""
    drawn = random(7)
    gains = np.where(drawn.random(2000) < 0.9, 0, drawn.integers(100, 20_000, 2000))
    gains[:5] = 99_999
    return pd.Series(gains)


COLUMNS = {
    "modes": three_modes(),
    "spike": spike_and_tail(),
    "wide": pd.Series(random().lognormal(0, 3, 500)),
    "large": pd.Series(random().normal(1e200, 1e199, 500)),
    "tiny": pd.Series(random().normal(0, 1e-200, 500)),
    "single precision": pd.Series(random().normal(size=500).astype("float32")),
    "bytes": pd.Series(random().integers(0, 256, 500).astype("uint8")),
    "two values": pd.Series([3.0, 4.0] * 20),
    "nullable": pd.Series(random().integers(0, 500, 400), dtype="Int64").where(random().random(400) < 0.8),
    "missing": pd.Series(random().normal(size=400)).where(random().random(400) < 0.8),
    "whole with missing": pd.Series(random().integers(0, 99, 400)).where(random().random(400) < 0.8),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_numbers_come_back(name: str) -> None:
    column = COLUMNS[name]
    modes = Modes(column, random())
    places, codes = modes.encode(column, random(1))
    back = modes.decode(places, codes, column.isna().to_numpy())
    assert back.dtype == column.dtype
    assert back.isna().tolist() == column.isna().tolist()
    known = ~column.isna().to_numpy()
    was, now = (one[known].to_numpy(dtype=np.float64) for one in (column, back))
    assert np.abs(now - was).max() <= 1e-5 * (was.max() - was.min())
    assert np.abs(places).max() <= 1 + 1e-9  # tanh can say each of them
    assert codes.max() < modes.size


@pytest.mark.parametrize("name", COLUMNS)
def test_single_precision_is_enough(name: str) -> None:
    """Networks have float32."""
    column = COLUMNS[name]
    modes = Modes(column, random())
    places, codes = modes.encode(column, random(1))
    was, now = (
        one.dropna().to_numpy(dtype=np.float64)
        for one in (column, modes.decode(places.astype("f4").astype("f8"), codes, column.isna().to_numpy()))
    )
    assert np.abs(now - was).max() <= 1e-5 * (was.max() - was.min())


def test_modes_are_found_and_a_value_is_one_of_those_near_it() -> None:
    column = three_modes()
    modes = Modes(column, random())
    centres = (modes.centre * modes.deviation + modes.mean) * modes.unit
    for centre, width in ((0, 0.5), (10, 0.5), (30, 1)):
        assert np.abs(centres - centre).min() < width
    _, codes = modes.encode(column, random(1))
    assert np.abs(centres[codes] - column.to_numpy()).max() < 9


def test_a_mode_is_drawn_in_proportion_to_its_density() -> None:
    """Bayes' rule with the mixture's own weights, for one value repeated."""
    column = pd.Series(random(3).normal(0, 1, 4000))
    modes = Modes(column, random())
    x = (0.7 / modes.unit - modes.mean) / modes.deviation
    density = np.exp(modes.log_weight - ((x - modes.centre) / modes.spread) ** 2 / 2) / modes.spread
    density[np.abs(x - modes.centre) > modes.reach] = 0
    _, codes = modes.encode(pd.Series(np.full(20_000, 0.7)), random(4))
    shares = np.bincount(codes, minlength=modes.size) / 20_000
    assert shares == pytest.approx(density / density.sum(), abs=0.02)


def test_samples_stay_in_the_range_and_whole() -> None:
    modes = Modes(spike_and_tail(), random())
    drawn = random(2)
    places, codes = drawn.uniform(-1, 1, 2000), drawn.integers(modes.size, size=2000)
    back = modes.decode(places, codes)
    assert back.dtype == np.int64
    assert 0 <= back.min() <= back.max() <= 99_999


def test_a_type_s_largest_numbers_do_not_overflow() -> None:
    ends = np.iinfo(np.int64)
    column = pd.Series(np.linspace(ends.min, ends.max, 50, dtype=np.float64)[1:-1].astype(np.int64))
    column = pd.concat([column, pd.Series([ends.min, ends.max])], ignore_index=True)
    modes = Modes(column, random())
    places, codes = modes.encode(column, random(1))
    back = modes.decode(places, codes)
    assert back.dtype == np.int64
    assert np.abs(back.to_numpy(float) - column.to_numpy(float)).max() < 1e-5 * 2.0**64


def test_a_value_that_was_never_missing_cannot_be_missing_later() -> None:
    modes = Modes(three_modes(), random())
    with pytest.raises(ValueError, match="lacks the value of row 1, and fit saw none missing"):
        modes.encode(pd.Series([0.0, np.nan]), random())


CATEGORIES = {
    "texts": pd.Series(["ä", "日本", "", "ä", None]),
    "None and NaN": pd.Series(["a", None, np.nan, "a"]),
    "strings": pd.Series(["x", pd.NA, "y"], dtype="string"),
    "truth": pd.Series([True, False, True]),
    "nullable truth": pd.Series([True, None, False], dtype="boolean"),
    "ordered": pd.Series(
        pd.Categorical(["low", "high", None], categories=["low", "middle", "high"], ordered=True)
    ),
    "numbers": pd.Series([1.5, -0.0, np.nan, 1.5]),
    "Int64": pd.Series([2**62 + 1, None], dtype="Int64"),
    "bins": pd.Series(pd.cut([1, 5, 9], [0, 4, 10])),
    "nothing": pd.Series([np.nan, np.nan]),
    "one": pd.Series(["only"]),
}


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories_come_back_as_they_were(name: str) -> None:
    column = CATEGORIES[name]
    categories = Categories(column)
    codes = categories.encode(column)
    back = categories.decode(codes)
    pd.testing.assert_series_equal(
        back, column.where(column.notna(), None) if name == "None and NaN" else column
    )
    assert set(codes) == set(range(categories.size))
    assert [categories.code(value) for value in column] == codes.tolist()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=1, max_size=30))
def test_any_texts_come_back(entries: list[str | None]) -> None:
    column = pd.Series(entries, dtype=object)
    categories = Categories(column)
    assert categories.decode(categories.encode(column)).tolist() == entries


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=40, unique=True))
def test_any_numbers_come_back(entries: list[float]) -> None:
    column = pd.Series(entries)
    modes = Modes(column, random())
    places, codes = modes.encode(column, random(1))
    back = modes.decode(places, codes)
    assert np.abs(back - column).max() <= 1e-5 * (column.max() - column.min())


def test_what_was_not_seen_is_named() -> None:
    categories = Categories(pd.Series(["a", "b"], name="kind"))
    assert categories.code("z") == categories.code(None) == categories.code(["a"]) == -1
    with pytest.raises(ValueError, match="column 'kind' has 'z' in row 1, which fit did not see"):
        categories.encode(pd.Series(["a", "z"], name="kind"))
