import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from advnotes.data import bundled, digits, mnist

CARD = json.loads(bundled.BUNDLE.with_suffix(".json").read_text())


def test_the_card_names_this_bundle_and_its_licence():
    content = bundled.BUNDLE.read_bytes()
    assert CARD["mnist.npz"] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert len(content) <= 10_500_000
    assert CARD["licence"].startswith("CC BY-SA 3.0")


@pytest.fixture(scope="module")
def training() -> tuple[torch.Tensor, torch.Tensor]:
    return mnist("train+validation")


@pytest.mark.parametrize("prefix", ["train", "t10k"])
def test_every_pixel_and_label_is_the_original(prefix, training):
    """The original IDX files, built again from what is loaded, have MNIST's own checksums."""
    x, y = training if prefix == "train" else mnist("test")
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    pixels = x.mul(255).round_().to(torch.uint8).numpy()
    size = len(x).to_bytes(4, "big")
    side = (28).to_bytes(4, "big")
    images = hashlib.sha256(b"\0\0\x08\x03" + size + side + side + pixels.tobytes())
    labels = hashlib.sha256(b"\0\0\x08\x01" + size + y.to(torch.uint8).numpy().tobytes())
    assert images.hexdigest() == CARD["inputs, sha256"][f"{prefix}-images-idx3-ubyte"]
    assert labels.hexdigest() == CARD["inputs, sha256"][f"{prefix}-labels-idx1-ubyte"]
    assert (x.min(), x.max()) == (0, 1)


def test_validation_is_the_end_of_the_training_set(training):
    x, y = training
    for split, rows in (("train", slice(0, 55_000)), ("validation", slice(55_000, 60_000))):
        part, labels = mnist(split)
        assert torch.equal(part, x[rows])
        assert torch.equal(labels, y[rows])


@pytest.mark.parametrize(
    ("split", "size", "members"), [("test", 1, 1), ("test", 1000, 1), ("validation", 1001, 2)]
)
def test_size_takes_the_first_images_and_unpacks_no_more(split, size, members, monkeypatch):
    x, y = mnist(split)
    unpacked = []
    read = np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(
        np.lib.npyio.NpzFile, "__getitem__", lambda self, key: unpacked.append(key) or read(self, key)
    )
    some, labels = mnist(split, size=size)
    assert torch.equal(some, x[:size])
    assert torch.equal(labels, y[:size])
    assert sum("images" in key for key in unpacked) == members


def test_each_call_gives_tensors_of_its_own():
    x, _ = mnist("test", size=10)
    x.fill_(-1)
    assert mnist("test", size=10)[0].min() == 0


@pytest.mark.parametrize("load", [mnist, digits])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("tests",), "has the splits 'train'"), (("test", 0), "from 1 to"), (("test", 10_001), "got 10001")],
)
def test_a_wrong_split_or_size_is_refused(load, arguments, message):
    with pytest.raises(ValueError, match=message):
        load(*arguments)


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "pointer":  # what a clone holds where a large-file extension was not installed
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    else:
        path.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])


@pytest.mark.parametrize("how", ["missing", "truncated", "pointer", "one bit"])
def test_a_damaged_bundle_says_how_to_mend_it(how, tmp_path, monkeypatch):
    copy = tmp_path / "mnist.npz"
    shutil.copy(bundled.BUNDLE, copy)
    damage(copy, how)
    monkeypatch.setattr(bundled, "BUNDLE", copy)
    with pytest.raises(RuntimeError, match=r"missing or damaged .* install advnotes again"):
        mnist("train", size=1000)


def test_digits_are_all_there_once_scaled_and_stratified():
    seen = []
    for split, size in (("train", 1258), ("validation", 180), ("test", 359)):
        x, y = digits(split)
        assert x.shape == (size, 1, 8, 8)
        assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
        assert (x.min(), x.max()) == (0, 1)
        share = torch.bincount(y, minlength=10) / size
        assert (share - 0.1).abs().max() < 0.01
        seen.append(torch.cat([x.flatten(1) * 16, y[:, None]], dim=1))
    data = load_digits()
    rows = torch.cat(seen).numpy().astype(int)
    original = np.column_stack([data.data, data.target]).astype(int)
    assert sorted(map(tuple, rows)) == sorted(map(tuple, original))
    both, _ = digits("train+validation")
    assert torch.equal(both, torch.cat([digits("train")[0], digits("validation")[0]]))


def test_the_digits_split_never_moves():
    order = bundled.digit_order(load_digits().target)
    content = np.concatenate([order["train"], order["test"]]).astype("<i8").tobytes()
    assert (
        hashlib.sha256(content).hexdigest()
        == "a83d9c542b8aa8a91293d397a26af6697abfc5e8ec65d86d116b54eb1b22348a"
    )


def test_the_first_digits_are_a_mixture_of_all_classes():
    for split in ("train", "validation", "test"):
        assert len(digits(split, size=100)[1].unique()) == 10
