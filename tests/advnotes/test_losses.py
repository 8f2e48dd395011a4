"""Losses of single samples."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch.distributions import Categorical, kl_divergence

from advnotes import data, zoo
from advnotes.attacks import APGD
from advnotes.losses import (
    cross_entropy,
    dlr,
    entropy,
    kl,
    kl_slope,
    margin,
    margin_loss,
    reach_dlr,
    targeted_dlr,
    targeted_margin,
)
from advnotes.threats import Linf


def test_margin_of_negative_logits():
    assert margin(torch.tensor([[-1.0, -5.0, -9.0]]), torch.tensor([0])).item() == 4
    assert margin(torch.tensor([[-1.0, -5.0, -9.0]]), torch.tensor([2])).item() == -8


@given(st.integers(0, 10_000), st.integers(2, 6), st.floats(-50, 50))
def test_margin_is_positive_where_the_prediction_is_right_and_does_not_see_a_shift(seed, classes, shift):
    torch.manual_seed(seed)
    logits, y = torch.randn(9, classes).double(), torch.randint(0, classes, (9,))
    assert torch.equal(margin(logits, y) > 0, logits.argmax(1) == y)
    torch.testing.assert_close(margin(logits + shift, y), margin(logits, y))
    assert torch.equal(margin_loss(logits, y), -margin(logits, y))


def test_margin_wants_two_classes():
    with pytest.raises(ValueError, match="at least 2 classes"):
        margin(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64))


def test_cross_entropy_is_of_each_sample_and_stable():
    logits, y = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]]), torch.tensor([0, 0])
    torch.testing.assert_close(cross_entropy(logits, y), torch.tensor([0.0, 1000.0]))


def test_dlr_by_hand_and_whatever_the_scale():
    logits, y = torch.tensor([[3.0, 1.0, 0.5, -2.0], [0.0, 4.0, 2.0, 0.0]]), torch.tensor([0, 2])
    expected = torch.tensor([-(3.0 - 1.0) / (3.0 - 0.5), (4.0 - 2.0) / (4.0 - 0.0)])
    torch.testing.assert_close(dlr(logits, y), expected)
    torch.testing.assert_close(dlr(1e4 * logits - 7, y), expected)
    assert dlr(torch.zeros(1, 3), y[:1]).isfinite().all()
    with pytest.raises(ValueError, match="at least 3 classes"):
        dlr(logits[:, :2], y)


@pytest.mark.parametrize("classes", [3, 4, 10])
def test_dlr_has_a_slope_but_for_the_third_likeliest_class_and_none_at_all_there(classes):
    """By the place of the label: 0 for the likeliest class. The slope is asked in parts, as a mean of losses does."""
    logits = torch.linspace(2, -1, classes).repeat(classes, 1).requires_grad_()
    loss = dlr(logits, torch.arange(classes))
    gradient = sum(torch.autograd.grad((loss / 3).sum(), logits, retain_graph=True)[0] for _ in range(3))
    sizes = gradient.abs().amax(dim=1)
    assert sizes[2] == 0
    assert loss[2] == 1
    others = torch.arange(classes) != 2
    assert (sizes[others] > 0.1).all()
    # Right, on the way, and beyond the third: in the unit of the first difference but one.
    torch.testing.assert_close(loss[:2].detach(), torch.tensor([-0.5, 0.5]))
    torch.testing.assert_close(loss[3:].detach(), torch.arange(3, classes) / 2)


def test_towards_the_third_likeliest_class_the_targeted_ratio_has_a_slope():
    logits, y = torch.tensor([[3.0, 1.0, 0.5, -2.0]], requires_grad=True), torch.tensor([0])
    (gradient,) = torch.autograd.grad(targeted_dlr(logits, y, torch.tensor([2])).sum(), logits)
    assert gradient[0, 2] > 0.1


def test_reach_dlr_by_hand_and_whatever_the_scale():
    logits = torch.tensor([[3.0, 1.0, 0.5, -2.0], [0.0, 4.0, 2.0, 1.0]])
    for y, expected in (
        ([0, 1], [-2.0, -2.0]),
        ([1, 2], [2.0, 2.0]),
        ([2, 3], [2.5, 3.0]),
        ([3, 0], [5.0, 4.0]),
    ):
        spread = torch.tensor([3.0 - (0.5 - 2.0) / 2, 4.0 - (1.0 + 0.0) / 2])
        for shown in (logits, 1e4 * logits - 7):
            loss = reach_dlr(shown, torch.tensor(y))
            torch.testing.assert_close(loss, torch.tensor(expected) / spread)
    with pytest.raises(ValueError, match=r"at least 4 classes.*use margin_loss"):
        reach_dlr(logits[:, :3], torch.tensor([0, 0]))


@given(st.integers(0, 10_000), st.integers(4, 7))
def test_reach_dlr_leads_to_a_class_from_every_place(seed, classes):
    """Lowering it raises the logit of the class to be reached, whatever place that has among the others."""
    torch.manual_seed(seed)
    logits = torch.randn(classes, classes).double().requires_grad_()
    y = logits.argsort(dim=1, descending=True)[
        torch.arange(classes), torch.arange(classes)
    ]  # each place once
    loss = reach_dlr(logits, y)
    assert torch.equal(loss < 0, logits.argmax(dim=1) == y)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert (gradient.gather(1, y[:, None]) < 0).all()


def test_reach_dlr_reaches_the_third_likeliest_class_and_others_as_often_as_the_margin_loss():
    net, (x, _) = zoo.mnist_natural(), data.mnist("test", size=60)
    seeds = torch.arange(len(x))
    with torch.no_grad():
        order = net(x).argsort(dim=1, descending=True)
    for place, at_least in ((2, 0.85), (3, 0.7)):

        def reached(loss, goal=order[:, place]):
            x_adv = APGD(Linf(0.15), targeted=True, steps=30, loss=loss)(net, x, goal, seeds)
            return float((net(x_adv).argmax(dim=1) == goal).float().mean())

        assert reached(reach_dlr) >= max(at_least, reached(margin_loss) - 0.08)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ratios_of_tiny_logits_have_gradients_that_a_layer_can_carry(dtype):
    """Logits as small as the smallest numbers: the gradient must survive a layer with large weights."""
    logits = (1e-37 * torch.tensor([[3.0, 1.0, 0.5, -2.0, -4.0]])).to(dtype).requires_grad_()
    y, target = torch.tensor([0]), torch.tensor([2])
    for loss in (dlr(logits, y), reach_dlr(logits, target), targeted_dlr(logits, y, target)):
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert (1e4 * gradient).isfinite().all()
        assert gradient.abs().max() > 0
    # From 1e-12 on the ratio is exact.
    for scale in (1e-10, 1.0, 1e10):
        shown = (scale * torch.tensor([[3.0, 1.0, 0.5, -2.0, -4.0]], dtype=torch.float64)).to(dtype)
        torch.testing.assert_close(dlr(shown, y), torch.tensor([-0.8], dtype=dtype))
        expected = -targeted_margin(shown, y, target) / targeted_dlr(shown, y, target)
        torch.testing.assert_close(expected, -scale * torch.tensor([3.75], dtype=dtype))


def test_kl_and_entropy_by_hand():
    p = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    q = torch.tensor([[0.25, 0.5, 0.25], [0.2, 0.3, 0.5]])
    log_p, ln2 = p.clamp_min(1e-30).log(), torch.tensor(2.0).log()
    torch.testing.assert_close(kl(log_p, q.log() + 3), torch.stack([0.5 * ln2, 0 * ln2]))
    torch.testing.assert_close(entropy(log_p - 2)[0], ln2)
    # Certain of one class, and certain of another: the KL is the distance of the logits, the entropy nothing.
    sure = torch.tensor([[1000.0, 0.0]])
    torch.testing.assert_close(kl(sure, -sure), torch.tensor([1000.0]))
    assert float(entropy(sure)) == 0
    assert kl(sure.half(), -sure.half()).dtype == torch.float32


def test_kl_is_torchs_and_zero_where_nothing_differs():
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(9, 4, generator=generator) for _ in range(2))
    torch.testing.assert_close(kl(p, q), kl_divergence(Categorical(logits=p), Categorical(logits=q)))
    assert torch.equal(kl(p, p), torch.zeros(9))
    # Saturated predictions have a finite divergence.
    sure = torch.tensor([[200.0, -200.0]])
    assert kl(sure, sure.flip(1)).isfinite().all()


@given(st.integers(0, 1000), st.floats(0, 50), st.floats(0, 100))
def test_kl_slope_is_the_gradient_of_the_kl(seed, size, change):
    torch.manual_seed(seed)
    logits = size * torch.randn(6, 4).double()
    other = (logits + change * torch.randn(6, 4)).requires_grad_()
    (gradient,) = torch.autograd.grad(kl(logits, other).sum(), other)
    torch.testing.assert_close(kl_slope(logits, other.detach()), gradient, atol=1e-12, rtol=1e-7)
