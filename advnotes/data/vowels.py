"""Nine men say /ae/ in Japanese: real sequences of unequal length; no download."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advnotes.data.bundled import bundle
from advnotes.data.splits import select, splits_of

__all__ = ["Vowels", "vowels"]

BUNDLE = Path(__file__).with_name("vowels.npz")
UTTERANCES = splits_of(train=270, validation=0, test=370)
UNIT = 1e-4  # of the stored whole numbers


class Vowels(NamedTuple):
    """What :func:`vowels` returns: sequences, each ``[length, 12]``, and who speaks, ``[n]``, from 0 to 8."""

    sequences: list[NDArray[np.float64]]
    speakers: NDArray[np.int64]


def vowels(split: str = "train", size: int | None = None) -> Vowels:
    """Nine men who say the vowels /ae/ one after the other, some 30 times each, as twelve numbers a step; no download.

    A step is 6.4 milliseconds. Its twelve numbers are the coefficients of a smooth spectrum (LPC cepstrum). An
    utterance has 7 to 29 steps.

    Args:
        split: "train", 30 utterances of each speaker, one speaker after the other; or "test", 370 that were recorded
            at other times.
        size: take only the first ``size`` utterances.

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.
        RuntimeError: where the bundled file is damaged.

    Source: Kudo, Toyama and Shimbo 1999, https://doi.org/10.24432/C5NS47; licence CC BY 4.0; checksums and what was
    changed are in ``vowels.json`` beside this module.
    """
    pool, start, stop = select("vowels", {name: UTTERANCES[name] for name in ("train", "test")}, split, size)
    offset = 0 if pool == "train" else UTTERANCES["train"][2]
    rows = slice(offset + start, offset + stop)
    with bundle(BUNDLE) as members:
        ends = members["lengths"].astype(np.int64).cumsum()
        sequences = np.split(members["steps"] * UNIT, ends[:-1])[rows]
        return Vowels(sequences, members["speakers"][rows].astype(np.int64))
