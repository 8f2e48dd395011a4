"""Digits that a computer says in ten voices; no download."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from advnotes.data.bundled import bundle

__all__ = ["Spoken", "spoken"]

BUNDLE = Path(__file__).with_name("spoken.npz")
LONGEST = 4096
MU = 255
SPLITS = ("train", "validation", "test")


class Spoken(NamedTuple):
    """What :func:`spoken` returns."""

    sounds: Float[Tensor, "n 1 4096"]
    digits: Int64[Tensor, " n"]
    voices: list[str]
    rate: int


def spoken(split: str = "train") -> Spoken:
    """The digits zero to nine in English, said by a computer: 280, 40 and 80 sounds of half a second, from the package.

    Each voice says each digit at two speeds and two pitches. The splits are by voice: seven for "train", one for
    "validation", two for "test", a low and a high one, so that a test voice was never heard. No person was recorded.
    These are clean sounds of one synthesiser: far easier than people on a telephone.

    Args:
        split: "train", "validation" or "test".

    Returns:
        Sounds in [-0.9, 0.9] at 8,000 samples a second, each with silence behind it up to 4,096 samples; the digits;
        the name of each sound's voice; and the rate.

    Raises:
        ValueError: where the split is unknown.
        RuntimeError: where the bundle is missing or damaged.

    Source: espeak-ng 1.51, by ``tools/make_spoken.py``; ``spoken.json`` beside the bundle says more.
    """
    if split not in SPLITS:
        raise ValueError(f"spoken has the splits {', '.join(map(repr, SPLITS))}; got {split!r}")
    card = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))
    with bundle(BUNDLE) as members:
        coded, lengths, digits, voices = (members[name] for name in ("sounds", "lengths", "digits", "voices"))
    names = [card["voices"][v] for v in voices]
    rows = [row for row, name in enumerate(names) if name in card["splits"][split]]
    ends = np.cumsum(lengths, dtype=np.int64)
    sounds = torch.zeros(len(rows), 1, LONGEST)
    for place, row in enumerate(rows):
        sound = torch.from_numpy(coded[ends[row] - lengths[row] : ends[row]].astype(np.float32))
        sounds[place, 0, : len(sound)] = _decoded(sound)
    return Spoken(sounds, torch.from_numpy(digits[rows]).long(), [names[row] for row in rows], card["rate"])


def _decoded(coded: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
    """The inverse of mu-law; 127 and 128, the two values next to 0, are both taken for silence."""
    value = 2 * coded / MU - 1
    sound = value.sign() * ((1 + MU) ** value.abs() - 1) / MU
    return torch.where(value.abs() < 1.5 / MU, 0.0, sound)
