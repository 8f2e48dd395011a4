"""A copy has the logits and gradients of its model, in which nothing changes, or there is none."""

import copy

import pytest
import torch
from torch import nn

from advnotes.fast import prepared
from advnotes.fast.layers import Affine
from tests.advnotes.fast.models import MANY, MODELS, every_model, fingerprint, gradient


@every_model
@pytest.mark.parametrize("one_call", [True, False])
def test_same_logits_and_gradients_from_another_model(name, one_call, monkeypatch):
    monkeypatch.setattr("advnotes.fast.layers.one_call", lambda x: one_call)
    model, x = MODELS[name]
    before = fingerprint(model)
    fast = prepared(model, x, passes=MANY)
    assert fast is not model
    for batch in (
        x,
        x[:1],
        x.contiguous(memory_format=torch.channels_last),
        x.flip(0)[::2],
        torch.cat([x, x]),
    ):
        for ours, theirs in zip(gradient(fast, batch), gradient(model, batch.contiguous()), strict=True):
            scale = theirs.abs().max().item()
            torch.testing.assert_close(ours, theirs, atol=2e-5 * scale, rtol=1e-4)
        with torch.no_grad():
            torch.testing.assert_close(fast(batch), model(batch.contiguous()), atol=1e-5, rtol=1e-4)
    assert fingerprint(model) == before


def test_norms_sums_and_rectifiers_disappear_into_convolutions():
    model, x = MODELS["resnet"]
    left = [type(m) for m in prepared(model, x, passes=MANY).modules() if not list(m.children())]
    assert sum(issubclass(kind, Affine) for kind in left) == 7
    assert not {nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.Linear, nn.Flatten} & set(left)


def test_the_copy_does_not_follow_the_model_and_asks_for_no_gradients_of_it():
    model, x = copy.deepcopy(MODELS["resnet"][0]), MODELS["resnet"][1]
    fast = prepared(model, x, passes=MANY)
    was = fast(x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data.mul_(1.5)
    assert not torch.allclose(prepared(model, x, passes=MANY)(x), was)
    assert not was.requires_grad
    fast(x.clone().requires_grad_()).sum().backward()
    assert all(parameter.grad is None for parameter in model.parameters())


def hooked(kind):
    def make():
        model = copy.deepcopy(MODELS["resnet"][0])
        getattr(model[4].one, f"register_{kind}_hook")(lambda *_: None)
        return model

    return make


def parametrized():
    model = copy.deepcopy(MODELS["resnet"][0])
    nn.utils.parametrizations.weight_norm(model[1])
    return model


def patched():
    model = copy.deepcopy(MODELS["resnet"][0])
    model[1].forward = lambda x, was=model[1].forward: was(x) * 2
    return model


def compiled_in_place():
    model = copy.deepcopy(MODELS["resnet"][0])
    model.compile(backend="eager")
    return model


LEFT_ALONE = {
    "forward hook": hooked("forward"),
    "forward pre-hook": hooked("forward_pre"),
    "backward hook": hooked("full_backward"),
    "parametrised": parametrized,
    "patched": patched,
    "compiled": lambda: torch.compile(MODELS["resnet"][0], backend="eager"),
    "compiled in place": compiled_in_place,
    "parallel": lambda: nn.DataParallel(MODELS["resnet"][0]),
    "scripted": lambda: torch.jit.trace(MODELS["resnet"][0], MODELS["resnet"][1]),
    "in train mode": lambda: copy.deepcopy(MODELS["resnet"][0]).train(),
    "a layer in train mode": lambda: nn.Sequential(
        copy.deepcopy(MODELS["resnet"][0]).eval(), nn.Dropout(0.5)
    ),
    "half": lambda: copy.deepcopy(MODELS["resnet"][0]).bfloat16(),
    "no module": lambda: MODELS["resnet"][0].forward,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("case", LEFT_ALONE)
def test_wrappers_hooks_and_modes_are_left_alone(case):
    model = LEFT_ALONE[case]()
    assert prepared(model, MODELS["resnet"][1], passes=MANY) is model


def test_double_precision_and_few_passes_are_left_alone():
    model, x = MODELS["resnet"]
    assert prepared(model, x, passes=20) is model
    assert prepared(model, x, passes=0, precision=torch.bfloat16) is model
    double = copy.deepcopy(model).double()
    assert prepared(double, x.double(), passes=MANY) is double
    assert prepared(double, x, passes=MANY) is double
