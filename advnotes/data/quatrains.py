"""Chinese quatrains of the Tang dynasty, and single lines of frequent characters; no download."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from advnotes.data.bundled import bundle
from advnotes.data.splits import Splits, select, splits_of

__all__ = ["Verses", "quatrains", "verse_lines"]

BUNDLE = Path(__file__).with_name("quatrains.npz")
QUATRAINS = splits_of(train=3000, validation=300, test=472)
LINES = splits_of(train=15_000, validation=1500, test=2008)


class Verses(NamedTuple):
    """What :func:`quatrains` and :func:`verse_lines` return."""

    tokens: Int64[Tensor, "n length"]
    characters: str
    glosses: list[str]


def quatrains(split: str = "train", size: int | None = None) -> Verses:
    """Chinese poems of four lines, five characters each, from the years 618 to 907 or a little later: no download.

    The poems that Yu et al. 2016 let SeqGAN imitate are of this kind.

    Args:
        split: "train" (3,000), "validation" (300), "train+validation" or "test" (472), each a random sample.
        size: take only the first ``size`` poems.

    Returns:
        The poems as rows of 20 places in ``characters`` (3,743 of them), and English words for the 300 characters that
        come first there.

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.
        RuntimeError: where the bundle is missing or damaged.

    Source: https://github.com/chinese-poetry/chinese-poetry, licence MIT; ``quatrains.json`` beside the bundle says
    what was kept.
    """
    tokens, characters, glosses = _read("quatrains", QUATRAINS, split, size)
    return Verses(tokens, characters, glosses)


def verse_lines(split: str = "train", size: int | None = None) -> Verses:
    """Single lines of five characters from Tang poems of any length, made of the 300 most frequent ones: no download.

    Args:
        split: "train" (15,000), "validation" (1,500), "train+validation" or "test" (2,008), each a random sample; no
            line comes twice.
        size: take only the first ``size`` lines.

    Returns:
        The lines as rows of 5 places in ``characters`` (300 of them, the most frequent first), and an English word for
        each character.

    Raises:
        ValueError: where the split is unknown or ``size`` is out of range.
        RuntimeError: where the bundle is missing or damaged.

    Source: as :func:`quatrains`; the glosses are ours.
    """
    tokens, characters, glosses = _read("lines", LINES, split, size)
    return Verses(tokens, characters[: len(glosses)], glosses)


def _read(member: str, splits: Splits, split: str, size: int | None) -> tuple[Tensor, str, list[str]]:
    pool, start, stop = select(member, splits, split, size)
    offset = 0 if pool == "train" else splits["train+validation"][2]
    with bundle(BUNDLE) as members:
        rows = members[member][offset + start : offset + stop].astype(np.int64)
    card = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))
    return torch.from_numpy(rows), card["characters"], card["glosses"]
