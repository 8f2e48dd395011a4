"""Small drawn pictures of people, each in six skin tones; no download."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from advnotes.data.bundled import bundle
from advnotes.data.splits import unit

__all__ = ["Portraits", "portraits"]

BUNDLE = Path(__file__).with_name("portraits.npz")
TONES = 6
SPLITS = ("train", "test", "all")


class Portraits(NamedTuple):
    """What :func:`portraits` returns."""

    images: Float[Tensor, "n 3 32 32"]
    tones: Int64[Tensor, " n"]
    names: list[str]


def portraits(split: str = "train") -> Portraits:
    """Emoji of people with head and shoulders, such as a pilot or a child, in each of six skin tones, from the package.

    One tone of each person is kept for the test: the k-th person's is k modulo 6. So a generator that has seen "train"
    has seen everybody, but nobody in all tones.

    Args:
        split: "train", five tones of each person; "test", the sixth; or "all".

    Returns:
        Pictures in [0, 1] on white; tones from 0, which is yellow, and 1, the lightest, to 5, the darkest; and whom
        each shows.

    Raises:
        ValueError: where the split is unknown.
        RuntimeError: where the bundle is missing or damaged.

    Source: Google's Noto Emoji (Apache-2.0) by way of emoji-datasource-google; ``portraits.json`` beside the bundle
    says what was changed.
    """
    if split not in SPLITS:
        raise ValueError(f"portraits has the splits {', '.join(map(repr, SPLITS))}; got {split!r}")
    names = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))["names"]
    with bundle(BUNDLE) as members:
        people = members["portraits"]  # [person, row, column, tone and colour]
        count, side = people.shape[:2]
        each = people.reshape(count, side, side, TONES, 3).transpose(0, 3, 4, 1, 2)
        images = unit(each.reshape(count * TONES, 3, side, side))
    person, tone = torch.arange(count).repeat_interleave(TONES), torch.arange(TONES).repeat(count)
    kept = person % TONES == tone
    taken = {"train": ~kept, "test": kept, "all": torch.ones_like(kept)}[split]
    return Portraits(images[taken], tone[taken], [names[k] for k in person[taken].tolist()])
