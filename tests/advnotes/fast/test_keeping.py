"""Copies that are kept from one attack to the next."""

import copy
import gc
import types
import weakref

import pytest
import torch
from torch import nn

from advnotes import data, play, zoo
from advnotes.attacks import PGD
from advnotes.fast import keeping, prepared
from advnotes.fast.trace import traced
from advnotes.metrics import robust_accuracy
from advnotes.robust import AdversarialTraining
from advnotes.threats import Linf
from tests.advnotes.fast.models import MANY, MODELS, every_model, gradient, mlp_on_digits, new_copy
from tests.advnotes.fast.test_trace import ODD, Wrapped


def shifted(model: nn.Module) -> None:
    """Other parameters and statistics in the same memory, as a step of training leaves them."""
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                tensor.mul_(1.1).add_(0.01 * torch.rand_like(tensor))


@every_model
def test_a_kept_copy_is_one_of_the_present_parameters_bit_for_bit(name):
    model, x = copy.deepcopy(MODELS[name][0]), MODELS[name][1]
    with keeping():
        kept = prepared(model, x, passes=MANY)
        versions = [tensor._version for tensor in [*model.parameters(), *model.buffers()]]
        assert prepared(model, x, passes=MANY) is kept
        assert [tensor._version for tensor in [*model.parameters(), *model.buffers()]] == versions
        shifted(model)
        assert prepared(model, x, passes=MANY) is kept
        for ours, anew in zip(gradient(kept, x), gradient(new_copy(model, x), x), strict=True):
            torch.testing.assert_close(ours, anew, atol=0, rtol=0)


class Configured(nn.Module):
    """Its forward looks at what no attribute of a module shows."""

    config = types.SimpleNamespace(scale=1.0)

    def __init__(self) -> None:
        super().__init__()
        self.net, self.factor = copy.deepcopy(MODELS["resnet"][0]), 1.0
        self.eval()

    def forward(self, x):
        return self.net(x) * self.config.scale * self.factor


def other_memory(model):
    model.net[1].weight.data = model.net[1].weight.data * 2


def other_norm(model):
    model.net[2] = nn.BatchNorm2d(8).eval()


def doubled_input(module, args):
    return (2 * args[0],)


CHANGES = {
    "an attribute": lambda model: setattr(model, "factor", 2.0),
    "what forward looks at": lambda model: setattr(model.config, "scale", 2.0),
    "forward itself": lambda model: setattr(Configured, "forward", lambda self, x: 3 * self.net(x)),
    "a parameter's memory": other_memory,
    "parameters assigned": lambda model: model.load_state_dict(
        {name: 1.5 * value for name, value in model.state_dict().items()}, assign=True
    ),
    "a module": other_norm,
    "a setting": lambda model: setattr(model.net[2], "eps", 0.5),
    "a hook": lambda model: model.net[1].register_forward_pre_hook(doubled_input),
    "a mode": lambda model: model.net[2].train(),
    "a container": lambda model: model.net.append(nn.Tanh().eval()),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_kept_copy_is_dropped_where_the_model_is_another(case, monkeypatch):
    monkeypatch.setattr(Configured, "forward", Configured.forward)
    monkeypatch.setattr(Configured, "config", types.SimpleNamespace(scale=1.0))
    model, x = Configured(), MODELS["resnet"][1]
    with keeping():
        was = prepared(model, x, passes=MANY)(x)
        CHANGES[case](model)
        with torch.no_grad():
            expected = copy.deepcopy(model)(x)  # batch statistics move with each pass in train mode
            assert not torch.allclose(expected, was, rtol=0.01)
            torch.testing.assert_close(prepared(model, x, passes=MANY)(x), expected, atol=1e-5, rtol=1e-4)


def test_a_hook_for_all_modules_is_seen_too():
    model, x = MODELS["resnet"]
    with keeping():
        prepared(model, x, passes=MANY)
        hook = nn.modules.module.register_module_forward_hook(lambda *_: None)
        try:
            assert prepared(model, x, passes=MANY) is model
        finally:
            hook.remove()
        assert prepared(model, x, passes=MANY) is not model


def test_copies_are_let_go_with_their_models_and_at_the_end():
    model, x = copy.deepcopy(MODELS["resnet"][0]), MODELS["resnet"][1]
    with keeping():
        first = weakref.ref(prepared(model, x, passes=MANY))
        del model
        gc.collect()
        assert first() is None
        model = MODELS["resnet"][0]
        with keeping():  # one inside another is the same
            second = weakref.ref(prepared(model, x, passes=MANY))
        assert second() is not None
    gc.collect()
    assert second() is None
    assert prepared(model, x, passes=MANY) is not prepared(model, x, passes=MANY)


@pytest.fixture
def looked_at(monkeypatch):
    """The models that were traced, a line for each time."""
    models = []

    def counting(model, like):
        models.append(model)
        return traced(model, like)

    monkeypatch.setattr("advnotes.fast.prepare.traced", counting)
    return models


def test_training_looks_once_at_what_a_model_does(looked_at):
    torch.manual_seed(0)
    x, y = data.mnist("train", size=256)
    game = AdversarialTraining(mlp_on_digits(), attack=PGD(Linf(0.1), steps=3, best=False))
    play(game, [(x, y)], torch.optim.Adam(game.parameters(), lr=2e-3, fused=True), steps=60, progress=False)
    assert len(looked_at) == 1
    assert robust_accuracy(game.model, PGD(Linf(0.1), fast=False), x, y).value > 0.7


def test_a_model_without_a_copy_is_looked_at_again_only_where_it_has_changed(looked_at):
    model, x = Wrapped(ODD["control flow"]), MODELS["resnet"][1]
    with keeping():
        for _ in range(3):
            assert prepared(model, x, passes=MANY) is model
        assert len(looked_at) == 1
        model.odd = None
        for _ in range(3):
            assert prepared(model, x, passes=MANY) is not model
    assert len(looked_at) == 2


def test_a_copy_from_outside_autocast_is_none_within():
    model, x = MODELS["zoo"]
    with keeping():
        assert prepared(model, x, passes=MANY) is not model
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert prepared(model, x, passes=MANY) is model
        assert prepared(model, x, passes=MANY) is not model


def test_what_is_kept_pays_for_one_pass():
    model, x = zoo.mnist_robust(), data.mnist("test", size=128)[0]
    assert prepared(model, x, passes=1) is model
    with keeping():
        assert prepared(model, x, passes=1) is not model
        assert prepared(model, x[:32], passes=1) is model
