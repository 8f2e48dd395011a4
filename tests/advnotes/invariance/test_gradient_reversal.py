"""Gradient reversal: the identity forwards, minus lambda times the gradient backwards, and the schedule of lambda."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from advnotes.invariance import GradientReversal, growing_strength, reverse_gradient


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strength", [0.0, 0.3, 2.0, torch.tensor(1.5)])
def test_the_gradient_comes_back_reversed(dtype: torch.dtype, strength: float | torch.Tensor):
    x = torch.randn(5, 3, dtype=dtype, requires_grad=True)
    out = reverse_gradient(x, strength)
    assert torch.equal(out, x)
    assert out.dtype == dtype
    (gradient,) = torch.autograd.grad(out.pow(3).sum(), x)
    assert torch.allclose(gradient, -float(strength) * 3 * x**2)


def test_what_stands_before_climbs_and_what_stands_after_descends():
    before, after = nn.Linear(4, 3).double(), nn.Linear(3, 1).double()
    x = torch.randn(6, 4).double()
    straight = torch.autograd.grad(after(before(x)).square().mean(), [before.weight, after.weight])
    layer = GradientReversal(0.7)
    reversed_ = torch.autograd.grad(after(layer(before(x))).square().mean(), [before.weight, after.weight])
    assert torch.allclose(reversed_[0], -0.7 * straight[0])
    assert torch.allclose(reversed_[1], straight[1])
    layer.strength = 0.0
    (none,) = torch.autograd.grad(after(layer(before(x))).square().mean(), [before.weight])
    assert (none == 0).all()


def test_twice_is_the_product_and_second_derivatives_are_those_of_the_reversed_gradient():
    x = torch.randn(4).double().requires_grad_()
    (twice,) = torch.autograd.grad(reverse_gradient(reverse_gradient(x, 2.0), 3.0).sum(), x)
    assert torch.equal(twice, torch.full_like(x, 6.0))
    (first,) = torch.autograd.grad(reverse_gradient(x, 0.5).pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    # d/dx of -0.5 * 3 r(x)^2, where the way back through r is reversed once more.
    assert torch.allclose(second, 0.25 * 6 * x)


def test_the_input_is_left_alone_and_nothing_is_traced_without_a_gradient():
    x = torch.randn(3)
    out = reverse_gradient(x)
    assert not out.requires_grad
    assert repr(GradientReversal(0.25)) == "GradientReversal(strength=0.25)"
    assert not list(GradientReversal().parameters())


@given(st.floats(0, 1))
def test_the_schedule_is_the_papers(progress: float):
    assert growing_strength(progress) == pytest.approx(2 / (1 + math.exp(-10 * progress)) - 1, abs=1e-12)


def test_the_schedule_grows_from_nothing_to_almost_one():
    values = [growing_strength(p / 10) for p in range(11)]
    assert values[0] == 0
    assert values == sorted(values)
    assert values[-1] == pytest.approx(0.9999, abs=1e-4)


@pytest.mark.parametrize("progress", [-0.1, 1.01, math.nan])
def test_progress_is_a_share(progress: float):
    with pytest.raises(ValueError, match="share"):
        growing_strength(progress)


@pytest.mark.parametrize("strength", [-1.0, math.inf, math.nan])
def test_a_layer_refuses_other_strengths(strength: float):
    with pytest.raises(ValueError, match="strength"):
        GradientReversal(strength)
