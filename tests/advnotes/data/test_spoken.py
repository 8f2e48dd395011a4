"""The bundled spoken digits: what the card says, unheard voices in the test, and sounds within their range."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from advnotes.data import spoken
from advnotes.data.spoken import BUNDLE

ROOT = Path(__file__).resolve().parents[3]
CARD = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))


def test_they_are_what_their_card_says():
    assert hashlib.sha256(BUNDLE.read_bytes()).hexdigest() == CARD["spoken.npz"]["sha256"]
    assert BUNDLE.stat().st_size == CARD["spoken.npz"]["bytes"] < 1_000_000
    assert (ROOT / CARD["made by"]).is_file()
    assert "no person was recorded" in CARD["licence"]
    assert "advnotes/data/spoken.npz" in (ROOT / "LICENSE-text").read_text(encoding="utf-8")


@pytest.mark.parametrize(("split", "count"), [("train", 280), ("validation", 40), ("test", 80)])
def test_each_voice_of_a_split_says_each_digit_four_times(split, count):
    said = spoken(split)
    assert said.sounds.shape == (count, 1, 4096)
    assert said.rate == CARD["rate"] == 8000
    for voice in CARD["splits"][split]:
        of_voice = torch.tensor([name == voice for name in said.voices])
        assert said.digits[of_voice].bincount().tolist() == [4] * 10


def test_test_voices_are_unheard():
    voices = [set(spoken(split).voices) for split in ("train", "validation", "test")]
    assert not voices[0] & voices[1]
    assert not (voices[0] | voices[1]) & voices[2]
    assert set.union(*voices) == set(CARD["voices"])


def test_sounds_are_loud_in_front_and_silent_behind():
    sounds = spoken("test").sounds.squeeze(1)
    assert ((sounds.abs().amax(dim=1) - 0.9).abs() < 0.02).all()
    short = sounds[sounds[:, 3500:].abs().amax(dim=1) == 0]
    assert len(short) > 20
    assert (sounds[:, :800].abs().amax(dim=1) > 0.05).all()
    assert sounds.mean(dim=1).abs().max() < 0.02


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_waves_fall_faster_than_they_rise_in_every_voice(split):
    """So a sound can be told from its mirror image, which the chapter on voices is about."""
    said = spoken(split)
    for voice in set(said.voices):
        slopes = said.sounds[[name == voice for name in said.voices]].diff(dim=2)
        slopes = slopes[slopes != 0]
        assert (slopes - slopes.mean()).pow(3).mean() < 0


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="spoken has the splits 'train', 'validation', 'test'; got 'all'"):
        spoken("all")
