"""The bundled photographs: what their card says, that no photograph is in both splits, and patches cut from them."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from advnotes.data.photos import BUNDLE, patches, photos

ROOT = Path(__file__).resolve().parents[3]


def test_they_are_what_their_card_says():
    card = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(BUNDLE.read_bytes()).hexdigest() == card["photos.npz"]["sha256"]
    assert (ROOT / card["made by"]).is_file()
    assert all("public domain" in licence for licence in card["licences"].values())
    assert "advnotes/data/photos.npz" in (ROOT / "LICENSE-text").read_text(encoding="utf-8")
    train, test = photos("train"), photos("test")
    assert train.titles == ["astronaut", "coffee", "rocket", "palace", "flower", "raccoon"]
    assert test.titles == ["chelsea", "hopper"]
    assert train.images[-1].shape == (3, 384, 512)
    assert test.images[-1].shape == (3, 300, 256)
    assert all(image.min() >= 0 and image.max() <= 1 for image in train.images + test.images)
    sky = test.images[1][:, 20, 230]
    assert sky[2] > sky[0] + 0.2  # behind the admiral


def test_no_photograph_is_in_both_splits():
    for image in photos("train").images:
        for other in photos("test").images:
            assert not torch.equal(image[:, :64, :64], other[:, :64, :64])
    with pytest.raises(ValueError, match="photos has the splits 'train', 'test'; got 'all'"):
        photos("all")


def test_patches_are_cut_from_everywhere_and_half_of_them_are_mirrored():
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing="ij")
    image = torch.stack([rows / 10, columns / 10, torch.zeros(6, 9)])
    cut = patches([image], 4000, 4, torch.Generator().manual_seed(0))
    assert cut.shape == (4000, 3, 4, 4)
    mirrored = cut[:, 1, 0, 0] > cut[:, 1, 0, -1]
    assert 0.45 < mirrored.float().mean() < 0.55
    upright = torch.where(mirrored[:, None, None, None], cut.flip(3), cut)
    corners = {(round(10 * float(p[0, 0, 0])), round(10 * float(p[1, 0, 0]))) for p in upright}
    assert corners == {(top, left) for top in range(3) for left in range(6)}
    torch.testing.assert_close(upright - upright[:, :, :1, :1], (image[:, :4, :4]).expand_as(cut))


def test_a_photograph_is_drawn_by_its_area_and_the_generator_says_which():
    small, large = torch.zeros(3, 8, 8), torch.ones(3, 8, 24)
    cut = patches([small, large], 4000, 8, torch.Generator().manual_seed(0))
    assert 0.7 < cut.mean() < 0.8
    again = patches([small, large], 4000, 8, torch.Generator().manual_seed(0))
    assert torch.equal(cut, again)


def test_photographs_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 9×9 pixels"):
        patches([torch.zeros(3, 8, 20)], 1, 9)
    with pytest.raises(ValueError, match="photographs"):
        patches([], 1, 9)
    with pytest.raises(ValueError, match=r"got shape \(8, 20, 3\): image\.permute"):
        patches([torch.zeros(8, 20, 3)], 1, 3)
    with pytest.raises(ValueError, match=r"got shape \(8, 20\)"):
        patches([torch.zeros(8, 20)], 1, 3)
    with pytest.raises(ValueError, match="count"):
        patches([torch.zeros(3, 8, 20)], 0, 4)
