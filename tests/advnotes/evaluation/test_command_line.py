"""What the arguments of the command line name."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from advnotes.evaluation.command_line import (
    load_attacks,
    load_data,
    load_model,
    parse_precision,
    parse_threat,
)
from advnotes.threats import L1, L2, Linf


def test_threats() -> None:
    assert parse_threat("linf:8/255") == Linf(8 / 255)
    assert parse_threat("L-inf: 0.3") == Linf(0.3)
    assert parse_threat("l2:1/2") == L2(0.5)
    assert parse_threat("l1:12") == L1(12.0)


@pytest.mark.parametrize("name", ["mine:net", "mine:made", "mine:Net", "mine:function", "other_name.py:net"])
def test_models(name: str, here: Path) -> None:
    model = load_model(name)
    x = torch.rand(3, 4)
    assert torch.equal(model(x), x[:, :3])
    assert not getattr(model, "training", False)


def test_data(here: Path) -> None:
    load_model("mine:net")
    mine = sys.modules["mine"]
    x, y = mine.pair
    grey = (255 * x).byte()
    np.savez("a.npz", x=x.numpy(), y=y.numpy())
    np.savez("bytes.npz", x=grey.numpy(), y=y.numpy())
    save_file({"x": x, "y": y}, "a.safetensors")
    torch.save({"x": x, "y": y}, "a.pt")
    torch.save((x, y), "pair.pt")
    torch.save(mine.net, "pickled.pt")
    np.savez("names.npz", images=x.numpy())
    for source in ("a.npz", "a.safetensors", "a.pt", "pair.pt", "mine:pair"):
        found = load_data(source)
        assert isinstance(found, tuple)
        assert torch.equal(found[0], x)
        assert torch.equal(found[1], y)
    found = load_data("bytes.npz")
    assert isinstance(found, tuple)
    assert torch.equal(found[0], grey.float() / 255)
    assert load_data("mine:dataset") is mine.dataset
    assert isinstance(load_data("mine:loader"), torch.utils.data.DataLoader)
    digits = load_data("mnist:test", 7)
    assert isinstance(digits, tuple)
    assert digits[0].shape == (7, 1, 28, 28)
    with pytest.raises(ValueError, match=r"names\.npz must hold x and y.*holds images"):
        load_data("names.npz")
    with pytest.raises(ValueError, match=r"pickled\.pt cannot be read"):
        load_data("pickled.pt")


def test_precisions_and_suites() -> None:
    assert parse_precision(None) is None
    assert parse_precision("bfloat16") is torch.bfloat16
    assert load_attacks("plus") == "plus"
