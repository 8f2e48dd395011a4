"""The bundled portraits: what the card says, what the licence covers, and what is kept for the test."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from advnotes.data.portraits import BUNDLE, TONES, portraits

ROOT = Path(__file__).resolve().parents[3]


def test_they_are_what_their_card_says():
    card = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(BUNDLE.read_bytes()).hexdigest() == card["portraits.npz"]["sha256"]
    assert (ROOT / card["made by"]).is_file()
    assert card["licence"].startswith("Apache-2.0")
    assert "advnotes/data/portraits.npz" in (ROOT / "LICENSE-text").read_text(encoding="utf-8")
    everybody = portraits("all")
    assert everybody.images.shape == (672, 3, 32, 32)
    assert everybody.names[::TONES] == card["names"]
    assert everybody.images.min() >= 0
    assert everybody.images.max() == 1
    assert torch.equal(everybody.images[:, :, 0, 0].min(dim=1).values.median(), torch.tensor(1.0))  # on white


def test_everybody_is_in_both_splits_and_nobody_in_one_tone_twice():
    train, test, everybody = (portraits(split) for split in ("train", "test", "all"))
    assert len(train.images) == 5 * len(test.images) == 560
    assert set(train.names) == set(test.names) == set(everybody.names)
    pairs = [set(zip(part.names, part.tones.tolist(), strict=True)) for part in (train, test)]
    assert not pairs[0] & pairs[1]
    assert len(pairs[0] | pairs[1]) == len(everybody.images)


def test_a_person_keeps_the_drawing_and_changes_the_skin():
    everybody = portraits("all")
    skin = everybody.images.view(112, TONES, 3, 32, 32)[
        everybody.names[::TONES].index("bald_man"), :, :, 10, 16
    ]
    yellow, brightness = skin[0], skin[1:].mean(dim=1)
    assert yellow[0] > 0.9 > yellow[2] + 0.3
    assert (brightness.diff() < 0).all()


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="portraits has the splits 'train', 'test', 'all'; got 'validation'"):
        portraits("validation")
