"""The Adult census: who earns more than 50,000 dollars, with what a fair answer should not depend on; no download."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from advnotes.data.bundled import bundle
from advnotes.data.splits import select, splits_of

__all__ = ["Adult", "adult"]

BUNDLE = Path(__file__).with_name("adult.npz")
ADULT = splits_of(train=28_561, validation=4_000, test=16_281)
TRAIN = ADULT["train+validation"][2]  # records in front of the test set's
APART = ("race", "sex", "income")  # categories that are no part of the input
LOW = torch.tensor([17.0, 1.0, 0.0, 0.0, 1.0])  # the ranges of the numbers in the whole set
HIGH = torch.tensor([90.0, 16.0, 99_999.0, 4_356.0, 99.0])
WIDE = [2, 3]  # capital gain and loss: mostly 0, else thousands


class Adult(NamedTuple):
    """What :func:`adult` returns."""

    x: Float[Tensor, "n 84"]
    y: Int64[Tensor, " n"]
    sex: Int64[Tensor, " n"]
    race: Int64[Tensor, " n"]
    columns: list[str]


def adult(split: str = "train", size: int | None = None) -> Adult:
    r"""Records of the census of the United States of 1994, of people over 16 who work: no download.

    A quarter earns more than 50,000 dollars a year: 31% of the men and 11% of the women. Sex and race are given beside
    the input and not in it, which does not hide them: "relationship: Husband" is a column.

    Args:
        split: "train" (28,561), "validation" (4,000), "train+validation", the original training set, or "test", the
            original 16,281. Two thirds of the records are men's.
        size: take only the first ``size`` records; the order is the original, which is none.

    Returns:
        ``(x, y, sex, race, columns)``. ``x`` holds five numbers in [0, 1] (age from 17 to 90, education as a level
        from 1 to 16, capital gain and loss as :math:`\log(1 + \text{dollars})` over its largest value, hours of work
        a week from 1 to 99), then five categories as zeros and ones, unknown entries in columns of their own;
        ``columns`` says what each column is. ``y`` is 1 where more than 50,000 dollars are earned. ``sex`` is 0 for
        women and 1 for men, ``race`` the census's five categories by the alphabet: American Indian or Eskimo, Asian
        or Pacific Islander, Black, Other, White.

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.
        RuntimeError: where the bundled file is damaged.

    Source: Becker and Kohavi 1996, https://doi.org/10.24432/C5XW20; licence CC BY 4.0; checksums and what was left out
    are in ``adult.json`` beside this module.
    """
    pool, start, stop = select("adult", ADULT, split, size)
    offset = 0 if pool == "train" else TRAIN
    rows = slice(offset + start, offset + stop)
    with bundle(BUNDLE) as members:
        names = json.loads(members["names"].tobytes().decode())
        numbers = torch.from_numpy(members["numbers"][rows].astype(np.float32))
        places = torch.from_numpy(members["categories"][rows].astype(np.int64))
    low, high = LOW.clone(), HIGH.clone()
    numbers[:, WIDE], low[WIDE], high[WIDE] = numbers[:, WIDE].log1p(), low[WIDE].log1p(), high[WIDE].log1p()
    parts, columns = [(numbers - low) / (high - low)], list(names["numbers"])
    column = dict(zip(names["categories"], places.unbind(dim=1), strict=True))
    for name, values in names["categories"].items():
        if name not in APART:
            parts.append(one_hot(column[name], len(values)).float())
            columns += [f"{name}: {value}" for value in values]
    return Adult(torch.cat(parts, dim=1), column["income"], column["sex"], column["race"], columns)
