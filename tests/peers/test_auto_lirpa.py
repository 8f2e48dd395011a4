"""Our bounds beside auto_LiRPA's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advnotes import zoo
from advnotes.defences import interval_bounds, linear_margins
from advnotes.defences.linear_bounds import differences
from advnotes.nets import Normalize
from advnotes.threats import L2, Linf
from tests.advnotes.defences.networks import networks
from tests.peers.lirpa import auto_lirpa


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Iterator[Any]:
    """The library."""
    pytest.importorskip(
        "torch.onnx._internal.torchscript_exporter", reason="this torch has its graphs elsewhere"
    )
    with auto_lirpa(tmp_path_factory.mktemp("auto_LiRPA")) as library:
        yield library


def bounds_of(theirs, model, x, ball, method, c=None):
    bounded = theirs.BoundedModule(model, x)
    found = bounded.compute_bounds(x=(theirs.BoundedTensor(x, ball),), C=c, method=method)
    return [end.detach().double() for end in found]


def box(theirs, x, eps):
    return theirs.PerturbationLpNorm(norm=np.inf, x_L=(x - eps).clamp(0, 1), x_U=(x + eps).clamp(0, 1))


X = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(3))
ONE_LAYER = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)).eval()


class Shortcut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = (
            nn.Conv2d(1, 3, 3),
            nn.Conv2d(3, 3, 3, padding=1),
            nn.Linear(48, 3),
        )

    def forward(self, x):
        h = torch.relu(self.first(x))
        return self.last(torch.relu(self.second(h) + h).flatten(1))


def network(name):
    """Theirs has no bounds of advnotes.nets.Normalize under CROWN, nor of dropout."""
    if name == "shortcut":
        return Shortcut().eval()
    parts = [part for part in networks()[name] if not isinstance(part, (Normalize, nn.Dropout))]
    return nn.Sequential(*parts).eval()


NAMES = ("linear", "mlp", "strided", "shortcut")


def pairs(y, classes):
    """The coefficients of all differences, ``[batch, classes, classes]``."""
    other = torch.arange(classes).repeat(len(y))
    return differences(y.repeat_interleave(classes), other, classes).view(len(y), classes, classes)


@pytest.mark.parametrize("name", NAMES)
def test_intervals_are_theirs(theirs, name):
    model = network(name)
    low, high = bounds_of(theirs, model, X, box(theirs, X, 0.1), "IBP")
    ours = interval_bounds(model, (X - 0.1).clamp(0, 1), (X + 0.1).clamp(0, 1), rounding=False)
    torch.testing.assert_close(ours[0].double(), low, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours[1].double(), high, atol=1e-5, rtol=1e-5)
    sound = interval_bounds(model, (X - 0.1).clamp(0, 1), (X + 0.1).clamp(0, 1))
    torch.testing.assert_close(sound[0], low, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("eps", [0.01, 0.1, 0.3])
def test_linear_bounds_of_one_hidden_layer_are_theirs(theirs, eps):
    y = torch.arange(5) % 3
    low, _ = bounds_of(
        theirs, ONE_LAYER.double(), X.double(), box(theirs, X.double(), eps), "CROWN", pairs(y, 3)
    )
    others = torch.nn.functional.one_hot(y, 3) == 0
    ours = linear_margins(ONE_LAYER, X.double(), y, Linf(eps))
    ONE_LAYER.float()
    torch.testing.assert_close(ours[others], low[others], atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("eps", [0.01, 0.1])
def test_linear_bounds_of_more_layers_are_at_least_as_high(theirs, name, eps):
    """Ours take the better of intervals and lines for hidden units, theirs the lines."""
    model, y = network(name).double(), torch.arange(5) % 3
    low, _ = bounds_of(theirs, model, X.double(), box(theirs, X.double(), eps), "CROWN", pairs(y, 3))
    ours = linear_margins(model, X.double(), y, Linf(eps))
    others = torch.nn.functional.one_hot(y, 3) == 0
    assert bool((ours >= low - 5e-5)[others].all())
    if eps == 0.01:
        torch.testing.assert_close(ours[others], low[others], atol=1e-2, rtol=1e-2)


def test_linear_bounds_in_l2_are_at_least_as_high(theirs):
    model, y = networks()["mlp"].double(), torch.arange(5) % 3
    low, _ = bounds_of(
        theirs, model, X.double(), theirs.PerturbationLpNorm(norm=2, eps=0.2), "CROWN", pairs(y, 3)
    )
    ours = linear_margins(model, X.double(), y, L2(0.2))
    others = torch.nn.functional.one_hot(y, 3) == 0
    assert bool((ours >= low - 5e-5)[others].all())


def test_linear_bounds_of_the_digits_are_theirs(theirs):
    model = zoo.mnist_robust().network[1:]  # without the normalisation
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([3, 8])
    low, _ = bounds_of(theirs, model, x, box(theirs, x, 0.02), "CROWN", pairs(y, 10).float())
    ours = linear_margins(model, x, y, Linf(0.02))
    others = torch.nn.functional.one_hot(y, 10) == 0
    assert bool((ours >= low - 0.05)[others].all())
    torch.testing.assert_close(ours[others], low[others], atol=0.2, rtol=0.02)
