"""Models that draw at random: no attack stops at a lucky draw, and the suites average over the draws."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advnotes import zoo
from advnotes.attacks import APGD, EOT, MIFGSM, PGD, Square, Transfer
from advnotes.data import mnist
from advnotes.evaluation import evaluate
from advnotes.evaluation.suite import build_suite, configure, deviations
from advnotes.losses import margin_loss
from advnotes.threats import Linf
from tests.advnotes.evaluation import models

THREAT, BOUNDS = Linf(0.1), (0.0, 1.0)


class Noise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = zoo.mnist_natural()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x + 0.3 * torch.randn_like(x))


def test_an_attack_on_the_mean_is_not_weakened_at_the_radius_where_that_shows() -> None:
    """At 0.1, EOT that stops at its first lucky vote leaves about 64% of the digits, and one that goes on 28%."""
    attack = EOT(PGD(THREAT, steps=20, loss=margin_loss), samples=8)
    settings: dict[str, Any] = dict(diagnose=False, curve=False, progress=False)
    report = evaluate(Noise().eval(), mnist("test", size=40), THREAT, [attack], **settings)
    assert report.clean.value > 0.85
    assert report.robust.value < 0.45
    assert "early_stop=True" not in report.attacks[0].settings


def test_the_quick_suite_is_as_strong() -> None:
    settings: dict[str, Any] = dict(diagnose=False, curve=False, progress=False)
    report = evaluate(Noise().eval(), mnist("test", size=40), THREAT, "quick", **settings)
    assert report.robust.value < 0.45
    assert [attack.name for attack in report.attacks] == ["EOT of PGD"]
    assert any("average over the model's draws" in note for note in report.notes)


@pytest.mark.parametrize("name", ["standard", "plus"])
def test_the_standard_suite_is_autoattacks_version_for_models_that_draw(name: str) -> None:
    first, second = build_suite(name, THREAT, 10, BOUNDS, randomised=True)
    for attack in (first, second):
        assert isinstance(attack, EOT)
        assert isinstance(attack.attack, APGD)
        assert attack.samples == 20
        assert not attack.attack.early_stop
    (note,) = deviations(name, THREAT, 10, randomised=True)
    assert "AutoAttack's version for models that draw at random" in note
    assert len(deviations(name, THREAT, 2, randomised=True)) == 2, "and that DLR wants three classes"


def test_nothing_stops_early_and_what_does_not_average_returns_its_last_point() -> None:
    stops = PGD(THREAT, early_stop=True)
    assert configure(stops, BOUNDS, randomised=True) == PGD(THREAT, best=False)
    assert configure(MIFGSM(THREAT), BOUNDS, randomised=True) == MIFGSM(THREAT, best=False)
    assert configure(EOT(stops), BOUNDS, randomised=True) == EOT(PGD(THREAT))
    assert configure(Square(THREAT, early_stop=True), BOUNDS, randomised=True) == Square(THREAT)
    several = PGD(THREAT, restarts=3, early_stop=True)
    assert configure(several, BOUNDS, randomised=True) == dataclasses.replace(several, early_stop=False)
    travels = Transfer(stops, models.Linear())
    assert configure(travels, BOUNDS, randomised=True) is travels
