"""The bundled quatrains: what the card says, fixed splits that share no poem, and lines of glossed characters."""

import hashlib
import json
from pathlib import Path

import pytest

from advnotes.data import quatrains, verse_lines
from advnotes.data.quatrains import BUNDLE

ROOT = Path(__file__).resolve().parents[3]
CARD = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))
SPLITS = ("train", "validation", "test")


def test_they_are_what_their_card_says():
    assert hashlib.sha256(BUNDLE.read_bytes()).hexdigest() == CARD["quatrains.npz"]["sha256"]
    assert BUNDLE.stat().st_size == CARD["quatrains.npz"]["bytes"] < 200_000
    assert (ROOT / CARD["made by"]).is_file()
    assert CARD["licence"].startswith("MIT")
    assert "advnotes/data/quatrains.npz" in (ROOT / "LICENSE-text").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("load", "counts", "length"), [(quatrains, (3000, 300, 472), 20), (verse_lines, (15_000, 1500, 2008), 5)]
)
def test_splits_have_their_sizes_and_share_nothing(load, counts, length):
    parts = [load(split) for split in SPLITS]
    assert [part.tokens.shape for part in parts] == [(count, length) for count in counts]
    rows = [{tuple(row) for row in part.tokens.tolist()} for part in parts]
    assert len(set.union(*rows)) == sum(counts)
    for part in parts:
        assert part.tokens.min() >= 0
        assert part.tokens.max() < len(part.characters) == len(set(part.characters))
    joined = load("train+validation").tokens
    assert joined[:7].equal(load("train", 7).tokens)
    assert joined[counts[0] :].equal(parts[1].tokens)


def test_a_line_reads_as_its_characters_and_their_glosses():
    held = verse_lines("train", 3)
    for row in held.tokens.tolist():
        assert all("\u4e00" <= held.characters[token] <= "\u9fff" for token in row)
    assert len(held.glosses) == len(held.characters) == 300
    assert held.glosses[held.characters.index("山")] == "mountain"
    assert held.glosses[held.characters.index("明")] == "bright"
    assert all(gloss.strip() == gloss != "" for gloss in held.glosses)


def test_a_famous_poem_is_there():
    """Wang Zhihuan's "On the Stork Tower", which every child in China knows."""
    poems = [quatrains(split) for split in SPLITS]
    texts = {
        "".join(part.characters[token] for token in row) for part in poems for row in part.tokens.tolist()
    }
    assert any(text.startswith("白日依山盡") for text in texts)


@pytest.mark.parametrize("load", [quatrains, verse_lines])
def test_another_split_or_size_is_refused(load):
    with pytest.raises(ValueError, match=r"has the splits 'train', .*; got 'all'"):
        load("all")
    with pytest.raises(ValueError, match="size must be a whole number from 1 to"):
        load("test", 0)
