"""The bundled emoji and photographs: what the card says, what the licences cover, and pictures made of them."""

import hashlib
import json
from pathlib import Path

import torch

from advnotes.data.things import BUNDLE, on_photographs, things

ROOT = Path(__file__).resolve().parents[3]


def test_they_are_what_their_card_says():
    card = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(BUNDLE.read_bytes()).hexdigest() == card["things.npz"]["sha256"]
    assert (ROOT / card["made by"]).is_file()
    assert card["emoji, licence"].startswith("Apache-2.0")
    assert all(
        "CC0" in licence or "public domain" in licence for licence in card["photographs, licences"].values()
    )
    assert "advnotes/data/things.npz" in (ROOT / "LICENSE-text").read_text(encoding="utf-8")
    found = things()
    assert found.emoji.shape == (len(found.names), 4, 64, 64) == (174, 4, 64, 64)
    assert len(set(found.names)) == 174
    assert found.photographs.shape == (4, 3, 256, 256)
    assert found.titles == ["astronaut", "chelsea", "coffee", "rocket"]
    red, green = found.emoji[found.names.index("strawberry")][:2, 36, 32]
    assert red > green + 0.3


def test_things_stand_on_the_photographs():
    found = things()
    make = [
        on_photographs(found.emoji[:6], found.photographs[:1], 48, torch.Generator().manual_seed(s))
        for s in (0, 0, 1)
    ]
    assert torch.equal(make[0], make[1])
    assert not torch.equal(make[0], make[2])
    assert make[0].shape == (6, 3, 48, 48)
    assert make[0].min() >= 0
    assert make[0].max() <= 1
    clear = torch.zeros(2, 4, 8, 8)
    plain = torch.rand(3, 1, 1).expand(1, 3, 20, 20)
    ground = on_photographs(clear, plain.contiguous(), 16, torch.Generator().manual_seed(0))
    torch.testing.assert_close(ground, plain[:, :, :16, :16].expand(2, -1, -1, -1))
    solid = torch.ones(1, 4, 8, 8)
    share = (on_photographs(solid, plain.contiguous(), 32, torch.Generator().manual_seed(0)) == 1).all(dim=1)
    assert 0.2 < share.float().mean() < 0.6
    assert torch.equal(plain, plain[:1].expand_as(plain))
