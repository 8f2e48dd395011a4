"""Attacks and training on a copy, in both precisions."""

import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import FGSM, PGD
from advnotes.fast import Autocast, prepared
from advnotes.losses import margin_loss
from advnotes.metrics import robust_accuracy
from advnotes.robust import AdversarialTraining
from advnotes.threats import L2, Linf
from tests.advnotes.fast.models import MODELS, gradient, mlp_on_digits
from tests.advnotes.fast.test_trace import ODD, Wrapped


@pytest.mark.parametrize("threat", [Linf(0.1), L2(1.5)])
@pytest.mark.parametrize("early_stop", [False, True])
def test_attacks_reach_the_same_robust_accuracy_and_verdicts(threat, early_stop):
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=200)
    fooled = {}
    for fast in (True, False):
        attack = PGD(threat, steps=10, early_stop=early_stop, loss=margin_loss, fast=fast)
        x_adv = attack(model, x, y, torch.arange(200))
        assert (threat.norm(x_adv - x) <= threat.eps * (1 + 1e-5)).all()
        fooled[fast] = model(x_adv).argmax(1) != y
    assert 20 < fooled[True].sum() < 180
    # Rounding may turn a sign, and one sample at the boundary with it.
    assert (fooled[True] != fooled[False]).sum() <= 1


def test_an_attack_uses_the_copy_only_where_it_is_told_to():
    model, x = copy.deepcopy(MODELS["resnet"][0]), MODELS["resnet"][1].repeat(20, 1, 1, 1)
    y, seen_models = model(x).argmax(1), []

    class Spy(PGD):
        def perturb(self, model, x, y, generator=None):
            seen_models.append(model)
            return super().perturb(model, x, y, generator)

    one = Spy(Linf(0.05), best=False)(model, x, y, torch.arange(120))
    two = Spy(Linf(0.05), best=False, fast=False)(model, x, y, torch.arange(120))
    assert [m.model is model for m in seen_models] == [False, True]
    assert (one - two).abs().mean() < 1e-3
    assert torch.equal(two, PGD(Linf(0.05), best=False, fast=False)(model, x, y, torch.arange(120)))


def test_passes_are_what_an_attack_makes():
    assert FGSM(Linf(0.1)).estimated_passes == 1
    assert PGD(Linf(0.1), steps=7, restarts=3).estimated_passes == 21


@pytest.mark.parametrize("precise", ["copied", "autocast", "slow"])
def test_bfloat16_fools_the_model_itself_nearly_as_often(precise):
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=200)
    if precise == "autocast":
        model.register_forward_hook(lambda *_: None)
    source = torch.arange(200)
    attack = PGD(Linf(0.1), steps=10, early_stop=True, fast=precise != "slow")
    half = dataclasses.replace(attack, precision=torch.bfloat16)
    x_adv = half(model, x, y, source)
    assert x_adv.dtype == torch.float32
    assert (x_adv - x).abs().max() <= 0.1 + 1e-6
    ours, theirs = (int((model(a).argmax(1) != y).sum()) for a in (x_adv, attack(model, x, y, source)))
    assert 20 < theirs < 180
    assert abs(ours - theirs) <= 4


def test_what_only_bfloat16_was_fooled_by_is_attacked_again():
    """A model whose logits lie so near to each other that bfloat16 tells them apart by its rounding."""
    torch.manual_seed(0)
    linear = nn.Linear(192, 2)
    with torch.no_grad():
        linear.weight[1] = linear.weight[0]
        linear.weight[1, 0] += 1e-3
        linear.bias[:] = torch.tensor([5.0, 4.998])
    model = nn.Sequential(nn.Flatten(), linear).eval()
    x = torch.rand(400, 3, 8, 8)
    y = model(x).argmax(1)
    target = PGD(
        Linf(0.01), steps=5, early_stop=True, loss=margin_loss, precision=torch.bfloat16, random_start=False
    )
    source = torch.arange(400)
    in_half = prepared(model, x, passes=5, precision=torch.bfloat16)
    unsettled = target.perturb(in_half, x, y, source)
    lucky = (in_half(unsettled).argmax(1) != y) & (model(unsettled).argmax(1) == y)
    assert lucky.sum() >= 5
    x_adv = target(model, x, y, source)
    slow = dataclasses.replace(target, precision=None, fast=False)(model, x, y, source)
    assert torch.equal(x_adv[lucky], slow[lucky])
    assert torch.equal(x_adv[~lucky], unsettled[~lucky])


def test_bfloat16_answers_in_the_input_s_precision():
    model, x = MODELS["resnet"]
    fast = prepared(model, x, passes=1, precision=torch.bfloat16)
    # Where the processor has no instructions for it, oneDNN refuses to convolve in bfloat16, and autocast computes.
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert not isinstance(fast, Autocast)
    (logits, g), (wanted, slope) = gradient(fast, x), gradient(model, x)
    assert logits.dtype == g.dtype == torch.float32
    assert (logits - wanted).norm() < 0.05 * wanted.norm()
    assert F.cosine_similarity(g.flatten(), slope.flatten(), dim=0) > 0.98
    model = Wrapped(ODD["noise"])
    assert isinstance(prepared(model, x, passes=1, precision=torch.bfloat16), Autocast)


def test_precision_is_checked():
    model, x = MODELS["resnet"]
    with pytest.raises(ValueError, match=r"None or torch.bfloat16, got torch.float64"):
        PGD(Linf(0.1), precision=torch.float64)
    with pytest.raises(ValueError, match=r"wants float32 inputs, got torch.float64"):
        PGD(Linf(0.1), precision=torch.bfloat16)(model, x.double(), torch.zeros(6, dtype=torch.int64))


def test_training_sees_each_step_s_own_weights():
    torch.manual_seed(0)
    x, y = data.mnist("train", size=256)
    game = AdversarialTraining(mlp_on_digits(), attack=PGD(Linf(0.1), steps=3, best=False))
    optimizer = torch.optim.Adam(game.parameters(), lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        game.model_loss(x, y).backward()
        optimizer.step()
    assert robust_accuracy(game.model, PGD(Linf(0.1), fast=False), x, y).value > 0.7
