"""Gradients of the input: where there are none, and errors that do not mean that."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from advnotes.attacks import FAB, PGD
from advnotes.gradients import (
    MaskedGradientWarning,
    NotDifferentiableError,
    gradient_error,
    has_no_gradient,
    value_and_gradient,
    warn_of_masked_gradients,
)
from advnotes.threats import Linf


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(4, 6, generator=generator), torch.tensor([0, 1, 2, 0])


def test_value_and_gradient_of_a_square_have_no_graph():
    point = torch.tensor([[1.0, -2.0], [0.5, 0.0]])
    loss, won, gradient = value_and_gradient(lambda x: (x.square().sum(dim=1), x[:, 0] > 0.7), point)
    assert torch.equal(loss, torch.tensor([5.0, 0.25]))
    assert torch.equal(gradient, 2 * point)
    assert won is not None
    assert won.tolist() == [True, False]
    assert not any(values.requires_grad for values in (loss, gradient, point))


class Checkpointed(nn.Module):
    """A network that saves memory by the reentrant method."""

    def __init__(self, reentrant):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.reentrant = nn.Linear(6, 8), nn.Linear(8, 3), reentrant

    def forward(self, x):
        return self.last(checkpoint(self.first, x, use_reentrant=self.reentrant).relu())


@pytest.mark.parametrize("attack", [PGD(Linf(0.1), fast=False), FAB(Linf(0.1), steps=2, fast=False)])
def test_reentrant_checkpointing_is_no_missing_gradient(attack):
    x, y = batch()
    with pytest.raises(RuntimeError, match="use_reentrant=False") as raised:
        attack(Checkpointed(True), x, y)
    assert not isinstance(raised.value, NotDifferentiableError)
    assert raised.value.__cause__ is not None
    # Known as torch raises it, and as it is passed on.
    for error in (raised.value, raised.value.__cause__):
        assert "use_reentrant=False" in (gradient_error(error) or "")
    assert attack(Checkpointed(False), x, y).shape == x.shape


class NoBackward(torch.autograd.Function):
    """Itself; its backward pass fails as it is told to."""

    @staticmethod
    def forward(ctx, x, message):
        ctx.message = message
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError(ctx.message)


def test_recurrent_layers_of_cudnn_come_with_what_helps():
    x, y = batch()
    words = "cudnn RNN backward can only be called in training mode"
    with pytest.raises(RuntimeError, match=r"cudnn\.flags\(enabled=False\).*torch: cudnn RNN backward"):
        PGD(Linf(0.1))(lambda x: NoBackward.apply(x[:, :3], words), x, y)
    assert gradient_error(RuntimeError(words)) is not None


def test_an_unknown_error_is_raised_as_it_is():
    x, y = batch()
    with pytest.raises(RuntimeError, match=r"^a bug of the model$"):
        PGD(Linf(0.1))(lambda x: NoBackward.apply(x[:, :3], "a bug of the model"), x, y)
    assert gradient_error(RuntimeError("a bug of the model")) is None
    assert gradient_error(ValueError("the loss does not depend on the input")) is None


@pytest.mark.parametrize(
    "model",
    [
        lambda x: x.detach()[:, :3],
        lambda x: torch.from_numpy(x.numpy())[:, :3],
        lambda x: (x[:, :3] > 0.5).long(),
    ],
    ids=["detached", "NumPy", "whole numbers"],
)
@pytest.mark.parametrize("attack", [PGD(Linf(0.1)), FAB(Linf(0.1), steps=2)])
def test_a_model_without_a_way_back_to_its_input_is_named(model, attack):
    x, _ = batch()
    y = model(x).argmax(dim=1)
    with pytest.raises(NotDifferentiableError, match=r"differentiable way.*BPDA.*Square"):
        attack(model, x, y)


def test_what_counts_as_no_gradient():
    nan, inf = torch.nan, torch.inf
    gradient = torch.tensor([[0.0, 0.0], [0.0, 1e-40], [nan, 1.0], [inf, 0.0], [-1.0, 2.0]])
    assert has_no_gradient(gradient).tolist() == [True, False, True, True, False]


def test_the_warning_counts_what_was_not_won_of_all_that_were_attacked():
    no_gradient, won = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    with pytest.warns(MaskedGradientWarning, match="1 of 3 samples.*and were not fooled"):
        warn_of_masked_gradients(no_gradient, won)
    with pytest.warns(MaskedGradientWarning, match="1 of 100 samples.*did not move by it"):
        warn_of_masked_gradients(no_gradient, won, 100, evaluated=False)
