"""``check_attack``: every attack of the package passes, and each broken one is told what it breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from advnotes.attacks import FGSM, PGD, HopSkipJump, NormAttack
from advnotes.identity import modules
from advnotes.nets import mlp
from advnotes.testing import check_attack
from advnotes.threats import L2, Linf
from tests.advnotes.attacks.every import ATTACKS, THREATS, each_of

OPTIONS = [
    attack
    for threat in THREATS
    for attack in (
        PGD(threat, steps=3, momentum=0.9, early_stop=True),
        PGD(threat, steps=2, training=True),
        PGD(threat, steps=2, precision=torch.bfloat16),
        PGD(replace(threat, eps=threat.eps * torch.linspace(0.5, 1, 6)), steps=2),
    )
] + [
    HopSkipJump(THREATS[0], steps=2, directions=10),
    HopSkipJump(THREATS[1], steps=2, directions=10, early_stop=True),
    PGD(Linf(0.5), steps=2, bounds=(-1.0, 1.0)),
    FGSM(Linf(0.1), targeted=True),
]


def quick(attack: NormAttack) -> NormAttack:
    """The attack with few steps: what it promises does not depend on how far it gets."""
    few = {"steps": 3, "queries": 10, "searches": 2}
    return replace(attack, **{name: count for name, count in few.items() if hasattr(attack, name)})


@each_of([quick(attack) for attack in ATTACKS] + OPTIONS)
def test_the_package_s_attacks_keep_what_an_attack_promises(attack):
    check_attack(attack)


def test_a_model_and_a_batch_of_ones_own_are_taken_and_left_alone():
    torch.manual_seed(0)
    model, x, y = mlp(5, 8, 3).train(), torch.rand(4, 5), torch.tensor([0, 1, 2, 0])
    before = [parameter.clone() for parameter in model.parameters()]
    check_attack(PGD(Linf(0.1), steps=2), model, x, y)
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())
    check_attack(PGD(Linf(0.1), steps=2), lambda x: model(x), x, y)
    with pytest.raises(ValueError, match="pass model, x and y together"):
        check_attack(PGD(Linf(0.1)), model)


def test_the_check_leaves_the_global_generators_alone():
    state = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    check_attack(FGSM(Linf(0.1)))
    assert torch.equal(torch.get_rng_state(), state[0])
    assert str(np.random.get_state()) == state[1]  # noqa: NPY002


@dataclass(frozen=True)
class Sign(NormAttack):
    """A plain attack, which the broken ones below change in one place."""

    def perturb(self, model, x, y, generator):
        return self.threat.nearest(x + self.move(model, x, y, generator), x, self.bounds)

    def move(self, model, x, y, generator):
        eps = torch.as_tensor(self.threat.eps).to(x).view(-1, 1, 1, 1)
        return eps * (0.5 - x).sign()


class Broken(Sign):
    """The call itself is replaced, so that nothing that :class:`NormAttack` does stands in the way."""

    def __call__(self, model, x, y, generator=None):
        return self.broken(model, x, y, generator)

    def plain(self, model, x, y, generator=None):
        return super().__call__(model, x, y, generator)


class AnArray(Broken):
    def broken(self, model, x, y, generator):
        return self.plain(model, x, y, generator).numpy()


class AnotherShape(Broken):
    def broken(self, model, x, y, generator):
        return self.plain(model, x, y, generator).flatten(1)


class Squeezed(Broken):
    def broken(self, model, x, y, generator):
        x_adv = self.plain(model, x, y, generator)
        return x_adv[0] if len(x) == 1 else x_adv


class AnotherPrecision(Broken):
    def broken(self, model, x, y, generator):
        return self.plain(model, x, y, generator).double()


class WithGraph(Broken):
    def broken(self, model, x, y, generator):
        return self.plain(model, x, y, generator).requires_grad_()


class InPlace(Broken):
    def broken(self, model, x, y, generator):
        return x.detach().copy_(self.plain(model, x, y, generator))


class TheInput(Sign):
    def perturb(self, model, x, y, generator):
        return x


class NotFinite(Broken):
    def broken(self, model, x, y, generator):
        x_adv = self.plain(model, x, y, generator)
        x_adv[0, 0, 0, 0] = torch.nan
        return x_adv


class OutOfRange(Sign):
    def perturb(self, model, x, y, generator):
        return x + 0.05


class OutOfBall(Sign):
    def perturb(self, model, x, y, generator):
        return (x + 1.5 * self.move(model, x, y, generator)).clamp(*self.bounds)


class ChangesWeights(Sign):
    def perturb(self, model, x, y, generator):
        model(x)
        for module in _modules(model):
            module.head.weight.add_(1.0)
        return super().perturb(model, x, y, generator)


class LeavesGradients(Sign):
    def perturb(self, model, x, y, generator):
        for module in _modules(model):
            module.head.weight.grad = torch.zeros_like(module.head.weight)
        return super().perturb(model, x, y, generator)


class Freezes(Sign):
    def perturb(self, model, x, y, generator):
        for module in _modules(model):
            module.requires_grad_(False)
        return super().perturb(model, x, y, generator)


class LeavesEvalMode(Broken):
    def broken(self, model, x, y, generator):
        _modules(model)[0].eval()
        return self.plain(model, x, y, generator)


class MovesStatistics(Broken):
    def broken(self, model, x, y, generator):
        with torch.no_grad():
            for module in _modules(model):
                module.body[1].running_mean += 1
        return self.plain(model, x, y, generator)


class ForgetsAfterAnError(Broken):
    def broken(self, model, x, y, generator):
        modes = {module: module.training for module in _modules(model)[0].modules()}
        for module in modes:
            module.eval()
        with torch.no_grad():
            for _ in range(3):
                model(x)
        x_adv = self.plain(model, x, y, generator)
        for module, mode in modes.items():
            module.training = mode
        return x_adv


class WritesIntoX(Broken):
    def broken(self, model, x, y, generator):
        x_adv = self.plain(model, x, y, generator)
        x.detach()[0] = 0.5
        return x_adv


class DrawsGlobally(Sign):
    def move(self, model, x, y, generator):
        return super().move(model, x, y, generator) * torch.rand(1).to(x).clamp_max(0.999)


class DrawsFromNumPy(Sign):
    def move(self, model, x, y, generator):
        np.random.rand()  # noqa: NPY002
        return super().move(model, x, y, generator)


class InTrainMode(Sign):
    def perturb(self, model, x, y, generator):
        for module in _modules(model):
            module.body[2].train()
        model(x)
        for module in _modules(model):
            module.body[2].eval()
        return super().perturb(model, x, y, generator)


@dataclass(frozen=True)
class Counts(Sign):
    """Not the same twice: it remembers how often it was called."""

    calls: ClassVar[list[int]] = []

    def move(self, model, x, y, generator):
        self.calls.append(1)
        return super().move(model, x, y, generator) / len(self.calls)


class ContinuesTheGraph(Broken):
    def broken(self, model, x, y, generator):
        return self.plain(model, x, y, generator) + 0 * x


class AsksForAGraph(Broken):
    def broken(self, model, x, y, generator):
        x_adv = self.plain(model, x, y, generator)
        return x_adv * 0.999 if x.requires_grad else x_adv


class OtherwiseInInference(Broken):
    def broken(self, model, x, y, generator):
        x_adv = self.plain(model, x, y, generator)
        return x_adv * 0.999 if torch.is_inference_mode_enabled() else x_adv


class UsesTheBatch(Sign):
    def move(self, model, x, y, generator):
        return super().move(model, x, y, generator) * x.mean()


class OneRadius(Sign):
    """The largest radius for all."""

    def perturb(self, model, x, y, generator):
        eps = torch.as_tensor(self.threat.eps).max().item()
        return x + (eps * (0.5 - x).sign())


class NoHalf(Sign):
    def __call__(self, model, x, y, generator=None):
        return super().__call__(model, x, y, generator).float()


def _modules(model) -> list[nn.Module]:
    """The example model: it, or what a function around it holds."""
    return [module for top in modules(model).values() for module in top.modules() if hasattr(module, "head")]


BROKEN = [
    (AnArray, "expected a tensor as the result, got ndarray"),
    (AnotherShape, r"the shape .*\[6, 1, 8, 8\].* of x for a batch of 6, got .*\[6, 64\]"),
    (Squeezed, "of x for a batch of 1, got"),
    (AnotherPrecision, "the dtype torch.float32 of x for a batch of 6, got torch.float64"),
    (WithGraph, "a result without a graph"),
    (InPlace, "x and y to be left alone"),
    (TheInput, "shares the memory of x"),
    (NotFinite, "a finite result"),
    (OutOfRange, r"within the bounds \(0.0, 1.0\), got values from .* to 1.0"),
    (OutOfBall, r"at most eps = 0.1 by Linf\(eps=0.1\), got 0.15"),
    (ChangesWeights, "nothing to change by an attack, but the parameter head.weight"),
    (LeavesGradients, "but the .grad of head.weight"),
    (Freezes, "but the requires_grad of"),
    (LeavesEvalMode, "but the train/eval mode of the whole"),
    (MovesStatistics, "but the buffer body.1.running_mean"),
    (ForgetsAfterAnError, "by an attack whose model raised an error, but the train/eval mode"),
    (WritesIntoX, "x and y to be left alone by an attack"),
    (DrawsGlobally, "the global generators to be left alone by an attack that is given its own generator"),
    (DrawsFromNumPy, "the global generators to be left alone"),
    (InTrainMode, "the model in eval mode during the attack, got the other mode"),
    (Counts, "the same result for the same seeds"),
    (ContinuesTheGraph, "the graph of x neither continued nor used"),
    (AsksForAGraph, "the same result for inputs that require a gradient"),
    (OtherwiseInInference, "the same result in inference mode"),
    (UsesTheBatch, r"the same result for sample \d alone and among others \(or by_sample = False\)"),
    (OneRadius, "at most eps = 0.05 by"),
    (NoHalf, "in torch.bfloat16, got torch.float32"),
]


def test_the_plain_attack_passes():
    check_attack(Sign(Linf(0.1)))
    check_attack(Sign(L2(0.1)))


@pytest.mark.parametrize(("kind", "message"), BROKEN, ids=[kind.__name__ for kind, _ in BROKEN])
def test_a_broken_attack_is_told_what_it_breaks(kind, message):
    with pytest.raises(AssertionError, match=message):
        check_attack(kind(Linf(0.1), fast=False))
