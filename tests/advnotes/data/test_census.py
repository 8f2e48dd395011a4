"""The census as a table: the numbers that were published, and the same records as the encoded ones."""

import pandas as pd
import pytest

from advnotes.data import adult, census


def test_the_numbers_are_those_that_were_published() -> None:
    """adult.names: 7,841 of the 32,561 training records earn more; 2,399 of them lack an entry, 1,221 of the test's."""
    both, test = census("train+validation"), census("test")
    assert (len(both), len(test)) == (32_561, 16_281)
    assert ((both.income == ">50K").sum(), (test.income == ">50K").sum()) == (7_841, 3_846)
    assert (both.isna().any(axis=1).sum(), test.isna().any(axis=1).sum()) == (2_399, 1_221)
    assert both.isna().sum()[["workclass", "occupation", "country"]].tolist() == [1_836, 1_843, 583]
    assert both.loc[0, ["age", "education", "capital gain", "workclass", "income"]].tolist() == [
        39,
        13,
        2174,
        "State-gov",
        "<=50K",
    ]


def test_every_split_has_the_same_types_and_categories() -> None:
    train, test = census("train", size=50), census("test", size=50)
    assert (train.dtypes == test.dtypes).all()
    assert [str(kind) for kind in train.dtypes[:5]] == ["int64"] * 5
    assert all(isinstance(kind, pd.CategoricalDtype) for kind in train.dtypes[5:])
    assert len(train.country.cat.categories) == 41
    assert "?" not in train.workclass.cat.categories


@pytest.mark.parametrize("split", ["validation", "test"])
def test_it_has_the_records_of_the_encoded_census(split: str) -> None:
    table, encoded = census(split, size=300), adult(split, size=300)
    assert (table.income == ">50K").astype(int).tolist() == encoded.y.tolist()
    assert table.sex.cat.codes.tolist() == encoded.sex.tolist()
    assert table.age.tolist() == (encoded.x[:, 0] * 73 + 17).round().int().tolist()
    unknown = encoded.x[:, encoded.columns.index("occupation: ?")] == 1
    assert table.occupation.isna().tolist() == unknown.tolist()


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="has the splits 'train'"):
        census("tests")
