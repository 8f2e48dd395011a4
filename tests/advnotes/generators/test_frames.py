"""Tables as encoded rows and back, and what cannot be learnt."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch

from advnotes.generators import Encoder


def odd(n: int = 60) -> pd.DataFrame:
    """Columns of every kind, in a mixed order."""
    drawn = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "constant": 1,
            "age": drawn.integers(0, 90, n),
            "yes": drawn.random(n) < 0.5,
            "ünïcode": np.array(["ä", "日本", ""])[drawn.integers(3, size=n)],
            "income": np.where(drawn.random(n) < 0.8, drawn.normal(size=n), np.nan),
            "level": pd.array([1, 2, None] * (n // 3), dtype="Int64"),
            "never": np.nan,
            7: pd.Categorical(["low", "high"] * (n // 2), categories=["low", "none", "high"], ordered=True),
            "bytes": drawn.integers(0, 256, n).astype("uint8"),
            "count": pd.array([*range(n - 1), None], dtype="Int16"),
        },
        index=range(100, 100 + n),
    )


def encoder(frame: pd.DataFrame, **options: int) -> Encoder:
    return Encoder(frame, np.random.default_rng(0), **options)


@pytest.mark.parametrize("n", [60, 6, 3])
def test_a_frame_comes_back(n: int) -> None:
    frame = odd().head(n)
    before = frame.copy(deep=True)
    found = encoder(frame)
    rows, _ = found.encode(frame, np.random.default_rng(1))
    back = found.decode(rows)
    assert rows.shape == (n, found.layout.width)
    pd.testing.assert_frame_equal(back, frame.reset_index(drop=True), rtol=1e-4, atol=1e-5)
    pd.testing.assert_frame_equal(frame, before)


def test_one_row_and_constant_columns_have_no_place_in_the_rows() -> None:
    frame = odd().head(1)
    found = encoder(frame)
    assert found.layout.width == 0
    back = found.decode(torch.empty(3, 0))
    assert len(back) == 3
    pd.testing.assert_frame_equal(back.head(1), frame.reset_index(drop=True))


def test_which_column_is_which() -> None:
    """age has more than 20 different values, level two; whether a number is missing is two categories."""
    found = encoder(odd())
    assert [found.names[place] for place in found.numbers] == ["age", "income", "bytes", "count"]
    named = [found.names[place] if place >= 0 else f"no {found.names[~place]}" for place in found.categories]
    assert named == ["yes", "ünïcode", "no income", "level", 7, "no count"]
    assert found.layout.categories == (2, 3, 2, 3, 2, 2)
    assert [number.missing for number in found.numbers.values()] == [False, True, False, True]
    assert "age" not in [found.names[place] for place in encoder(odd(), levels=60).numbers]
    assert "level" in [found.names[place] for place in encoder(odd(), levels=1).numbers]
    assert all(len(number.centre) <= 3 for number in encoder(odd(), modes=3).numbers.values())


def test_conditions_speak_of_the_categories() -> None:
    frame = odd()
    found = encoder(frame)
    rows, conditions = found.encode(frame, np.random.default_rng(1))
    yes = frame.yes.value_counts(normalize=True)
    assert conditions.frequencies[:2].tolist() == pytest.approx([yes[v] / 6 for v in frame.yes.unique()])
    assert conditions.frequencies[-4:].tolist() == pytest.approx([1 / 12, 1 / 12, 59 / 360, 1 / 360])
    asked, chosen = conditions.draw(200, torch.Generator().manual_seed(0))
    assert (rows[chosen][:, -found.layout.condition :] * asked).sum(dim=1).eq(1).all()


def test_what_is_given_becomes_a_condition() -> None:
    frame = odd()
    found = encoder(frame)
    _, conditions = found.encode(frame, np.random.default_rng(1))
    wanted = found.wanted({"level": None, "yes": True, "constant": 1})
    assert sorted(wanted) == [0, 3]
    asked = found.condition(wanted, conditions.frequencies)
    assert asked is not None
    assert asked.sum() == 1
    assert 7 <= asked.argmax() < 10  # the level's, as a third is rarer than a half
    assert found.condition({}, conditions.frequencies) is None
    rows, _ = found.encode(frame, np.random.default_rng(1))
    assert found.have(rows, wanted).tolist() == (frame.level.isna() & frame.yes).tolist()
    missing = found.wanted({"income": None})
    assert found.have(rows, missing).tolist() == frame.income.isna().tolist()
    with pytest.raises(ValueError, match=r"no 'nobody': 1 in the table, whose columns are 'constant', 'age'"):
        found.wanted({"nobody": 1})
    with pytest.raises(ValueError, match="no 7: 'none' in the table, whose values are 'low', 'high'"):
        found.wanted({7: "none"})
    with pytest.raises(ValueError, match="column 'age' is one of numbers"):
        found.wanted({"age": 3})


TEXTS = [f"text {k}" for k in range(300)]
REFUSED = {
    "no rows": (pd.DataFrame({"a": []}), r"a table with rows and columns, got 0 sample"),
    "no columns": (
        pd.DataFrame(index=range(3)),
        r"got 3 sample\(s\) and 0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1",
    ),
    "two of a name": (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        "two columns have the name 'a': rename one",
    ),
    "dates": (
        pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}),
        "'a' holds times .* such as days since a date",
    ),
    "zones": (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"], utc=True)}), "'a' holds times"),
    "spans": (pd.DataFrame({"a": pd.to_timedelta([1, 2], "s")}), "'a' holds times"),
    "periods": (pd.DataFrame({"a": pd.period_range("2020", periods=2, freq="M")}), "'a' holds times"),
    "days": (
        pd.DataFrame({"a": [datetime.date(2020, 1, 1)]}),
        "'a' holds date objects, expected texts, numbers",
    ),
    "infinite": (pd.DataFrame({"a": [1.0, -np.inf]}), "'a' is infinite in row 1: leave such rows out"),
    "complex": (
        pd.DataFrame({"a": [1j]}),
        "Complex data not supported: column 'a' holds complex numbers: make two",
    ),
    "lists": (pd.DataFrame({"a": [[1], [2]]}), "'a' holds list objects"),
    "dicts": (pd.DataFrame({"a": [{"b": 1}]}), "'a' holds dict objects"),
    "mixed": (
        pd.DataFrame({"a": [1, "b"]}),
        r"'a' holds entries of several types \(number, text\): convert it",
    ),
    "text": (
        pd.DataFrame({"a": TEXTS}),
        "'a' has 300 different values in 300 rows, expected at most 200: leave out",
    ),
    "many": (pd.DataFrame({"a": pd.Categorical(TEXTS)}), "expected at most 200"),
    "sparse": (pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), "'a' is sparse: make it dense"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learnt_is_refused(name: str) -> None:
    frame, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        encoder(frame)
