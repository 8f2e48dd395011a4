"""The Adult census as a table of pandas: whole numbers and names, unknown entries missing; no download."""

import json

import numpy as np
import pandas as pd

from advnotes.data.adult import ADULT, BUNDLE, TRAIN
from advnotes.data.bundled import bundle
from advnotes.data.splits import select

__all__ = ["census"]

#: How the files write an entry that nobody knows.
UNKNOWN = "?"


def census(split: str = "train", size: int | None = None) -> pd.DataFrame:
    """Records of the census of the United States of 1994 as they stand in its files, of people over 16 who work.

    What :func:`adult` encodes, for methods that take tables. A tenth of the records lacks workclass, occupation or
    country.

    Args:
        split: "train" (28,561), "validation" (4,000), "train+validation", the original training set, or "test", the
            original 16,281.
        size: take only the first ``size`` records; the order is the original, which is none.

    Returns:
        A frame with the int64 columns age (years), education (a level from 1 to 16), capital gain and capital loss
        (dollars) and hours (of work a week), then the categories workclass, marital status, occupation, relationship,
        race, sex, country and income ("<=50K" or ">50K"), where every split has the same categories. Unknown entries
        are missing.

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.
        RuntimeError: where the bundled file is damaged.

    Source: Becker and Kohavi 1996, https://doi.org/10.24432/C5XW20; licence CC BY 4.0; without the columns fnlwgt (a
    weight) and education (its number is kept), as ``adult.json`` beside this module says.
    """
    pool, start, stop = select("adult", ADULT, split, size)
    offset = 0 if pool == "train" else TRAIN
    rows = slice(offset + start, offset + stop)
    with bundle(BUNDLE) as members:
        names = json.loads(members["names"].tobytes().decode())
        numbers, places = members["numbers"][rows].astype(np.int64), members["categories"][rows]
    columns: dict[str, object] = dict(zip(names["numbers"], numbers.T.copy(), strict=True))
    for (name, values), codes in zip(names["categories"].items(), places.T, strict=True):
        known = [value for value in values if value != UNKNOWN]
        numbered = np.array([known.index(value) if value in known else -1 for value in values])
        columns[name] = pd.Categorical.from_codes(numbered[codes], categories=pd.Index(known))
    return pd.DataFrame(columns)
