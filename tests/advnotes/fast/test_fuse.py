"""A copy is its model, at whatever input: each architecture of a family, and the package's own."""

import logging

import pytest
import torch
from torch import nn

from advnotes.fast import prepared, why_not
from advnotes.fast.layers import Affine
from advnotes.imagenet import EfficientNetLite
from tests.advnotes.fast.family import family, settled
from tests.advnotes.fast.models import MANY, gradient

torch.manual_seed(0)
FAMILY = {name: settled(model) for name, model in family().items()}
X = torch.rand(6, 3, 8, 8)


def error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Relative; a gradient of zero, where all rectifiers are closed, has to be zero."""
    difference = (ours - theirs).norm().item()
    return difference and difference / theirs.norm().item()


@pytest.mark.parametrize("name", FAMILY)
def test_a_copy_is_its_model_where_preparation_did_not_look(name):
    model = FAMILY[name]
    assert why_not(model, X) == ""
    fast = prepared(model, X, passes=MANY)
    assert fast is not model
    unseen = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for points in (4 * unseen - 2, unseen[:1], unseen.round()):
        (ours, g), (theirs, wanted) = gradient(fast, points), gradient(model, points)
        assert error(ours, theirs) < 1e-5
        assert error(g, wanted) < 1e-5
        with torch.no_grad():
            assert error(fast(points), model(points)) < 1e-5


@pytest.mark.parametrize(
    ("name", "layers"),
    [("residual", 7), ("mixer", 4), ("doubled", 2), ("tokens with norm", 2), ("norm after linear", 3)],
)
def test_a_fold_that_does_not_hold_costs_no_other(name, layers):
    left = [type(m) for m in prepared(FAMILY[name], X, passes=MANY).modules() if not list(m.children())]
    assert sum(issubclass(kind, Affine) for kind in left) == layers
    assert (nn.BatchNorm1d in left) == (name == "tokens with norm")
    assert nn.BatchNorm2d not in left


def test_the_package_s_own_network_for_imagenet_has_a_copy():
    for seed in range(8):
        # Where a unit stands at its kink the gradient hangs on rounding, and there is no copy: so it is with three
        # starts of ten when an old processor is imitated.
        torch.manual_seed(seed)
        model, x = EfficientNetLite(classes=10), torch.rand(4, 3, 32, 32)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
        with torch.no_grad():
            model(x)
        fast = prepared(model.eval(), x, passes=MANY)
        if fast is not model:
            break
    assert fast is not model
    (logits, slope), (logits_before, slope_before) = gradient(fast, x[:2]), gradient(model, x[:2])
    assert error(logits, logits_before) < 1e-4  # 50 layers deep
    # A unit at its kink may fall to either side, as the processor rounds.
    assert error(slope, slope_before) < 1e-2


def test_the_reason_is_told_and_logged(caplog):
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.Dropout())
    with caplog.at_level(logging.DEBUG, logger="advnotes.fast"):
        assert prepared(model, X, passes=MANY) is model
    assert caplog.messages == [f"no copy of Sequential: {why_not(model, X)}"]
    assert "mode" in caplog.text
    assert "only modules with float32 inputs" in why_not(model.eval(), X.double())
