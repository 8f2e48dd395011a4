"""A folder with a user's module in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE = """
import torch
from torch import nn
from advnotes import FGSM, Linf

class Net(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
        self.layer = nn.Linear(4, 3)
        torch.nn.init.eye_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)

    def forward(self, x):
        return self.scale * self.layer(x)

net = Net()
saturated = Net(1e6)

def made():
    return Net()

def function(x):
    return net(x)

x = torch.rand(12, 4, generator=torch.Generator().manual_seed(0))
y = net(x).argmax(dim=1)
pair = (x, y)
dataset = torch.utils.data.TensorDataset(x, y)
number = 3
double = (x.double(), y)
attacks = [FGSM(Linf(8 / 255))]
one = attacks[0]

def make_attacks():
    return attacks

class Depth(Net):
    def __init__(self, depth):
        super().__init__()

def resnet(depth):
    return Net()

def keyword(*, depth):
    return Net()

def two(depth, width):
    return Net()

def five(x):
    return net(x) + torch.zeros(5, 3)

def faulty(x):
    return abs("text")

class Pictures(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, row):
        from PIL import Image
        return Image.new("L", (2, 2)), row

class Broken(Pictures):
    def __getitem__(self, row):
        return {}["label"]

def loader():
    return torch.utils.data.DataLoader(dataset, batch_size=5, shuffle=True)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a user's module in it, to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("mine", "other_name"):
        (tmp_path / f"{name}.py").write_text(MODULE)
    yield tmp_path
    for name in ("mine", "other_name", "broken_module"):
        sys.modules.pop(name, None)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What users meet who pass something else: calls are not checked against their annotations first."""
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
