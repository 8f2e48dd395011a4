"""BPDA: the function's value to the last bit, the stand-in's gradient, and a defence that falls to it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import BPDA, PGD
from advnotes.threats import Linf


def levels(x):
    return (x * 3).round() / 3


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=9))
def test_forward_is_the_function_and_backward_the_stand_in(values):
    x = torch.tensor(values, requires_grad=True)
    step = BPDA(levels, stand_in=torch.sin)
    y = step(x)
    assert torch.equal(y, levels(x))
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.cos(x))
    assert torch.equal(torch.autograd.grad(BPDA(levels)(x).sum(), x)[0], torch.ones_like(x))


def test_the_function_may_leave_pytorch_and_gets_no_gradient():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(2.0))

        def forward(self, x):
            assert not torch.is_grad_enabled()
            return torch.from_numpy((self.weight.numpy() * x.numpy()).round())

    step = BPDA(Scale())
    assert [name for name, _ in step.named_parameters()] == ["function.weight"]
    x = torch.rand(4, requires_grad=True)
    step(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(4))
    assert step.function.weight.grad is None


def test_without_gradients_the_stand_in_is_not_asked():
    step = BPDA(levels, stand_in=lambda x: 1 / 0)
    with torch.no_grad():
        assert torch.equal(step(torch.tensor([0.1, 0.4])), torch.tensor([0.0, 1 / 3]))
    with pytest.raises(ZeroDivisionError):
        step(torch.rand(3))


def test_other_shapes_want_a_stand_in_of_their_own():
    x = torch.rand(2, 1, 4, 4, requires_grad=True)

    def shrink(x):
        return levels(x)[:, :, ::2, ::2]

    with pytest.raises(ValueError, match=r"function's shape \(2, 1, 2, 2\), got \(2, 1, 4, 4\)"):
        BPDA(shrink)(x)
    y = BPDA(shrink, stand_in=lambda x: nn.functional.avg_pool2d(x, 2))(x)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.full_like(x, 0.25))


def test_a_rounding_defence_falls():
    net, (x, y) = zoo.mnist_natural(), data.mnist("test", size=50)
    attack = PGD(Linf(0.3), steps=15)
    with pytest.warns(UserWarning, match="gradient that was zero"):
        blind = attack(lambda x: net(levels(x)), x, y, torch.arange(50))
    seeing = attack(nn.Sequential(BPDA(levels), net), x, y, torch.arange(50))
    with torch.no_grad():
        right = [(net(levels(a)).argmax(1) == y).float().mean() for a in (blind, seeing)]
    assert right[0] > 0.6
    assert right[1] < 0.1
