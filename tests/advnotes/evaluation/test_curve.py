"""Accuracy against eps: by which attack, for models of every sort."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from advnotes import zoo
from advnotes.attacks import APGD, PGD, Square
from advnotes.data import mnist
from advnotes.evaluation import Report, evaluate
from advnotes.evaluation.curve import curve_radii
from advnotes.losses import margin_loss
from advnotes.threats import L1, L2, Linf
from tests.advnotes.evaluation import models

X, Y = models.points(40)


def curve_of(model: Any, attacks: list[Any], threat: Any, **options: Any) -> Report:
    settings: dict[str, Any] = {"diagnose": False, "progress": False} | options
    return evaluate(model, (X, Y), threat, attacks, **settings)


@pytest.mark.parametrize(
    ("curve", "threat", "factors"),
    [
        (False, Linf(0.1), []),
        (True, Linf(0.0), []),
        (True, Linf(0.5), [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0]),
        (True, L2(0.5), [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0]),
        ([0.2, 0.1 + 1e-9], Linf(0.1), [0.0, 1.0, 2.0]),
        ([0.5], Linf(torch.full((40,), 0.1)), [0.0, 0.5, 1.0]),
    ],
)
def test_radii_are_multiples_of_eps_within_the_range(curve: Any, threat: Any, factors: list[float]) -> None:
    assert curve_radii(curve, threat, (0.0, 1.0)) == pytest.approx(factors)


def test_a_model_without_gradients_is_measured_by_an_attack_without_gradients() -> None:
    linear = models.Linear()

    def hidden(x: Tensor) -> Tensor:
        return linear(x.detach())

    radii = [0.02, 0.05, 0.1, 0.2]
    report = curve_of(hidden, [Square(Linf(0.05), queries=300)], Linf(0.05), curve=radii)
    for radius, share in report.curve:
        exact = int(linear.withstands(X, Y, radius).sum())
        assert exact <= share.count <= exact + 2
    assert report.curve[-1][1].count == 0
    assert "Square" in report.curve_attack
    assert "no gradients" in report.curve_attack
    assert "PGD" not in report.curve_attack


def test_in_l1_the_curve_is_no_worse_than_apgd() -> None:
    network, (x, y) = zoo.mnist_natural(), mnist("test", size=20)
    settings: dict[str, Any] = dict(diagnose=False, progress=False)
    weak = PGD(L1(3.0), steps=2)
    report = evaluate(network, (x, y), L1(3.0), [weak], curve=[6.0], **settings)
    apgd = APGD(L1(6.0), steps=20, loss=margin_loss)
    direct = evaluate(network, (x, y), L1(6.0), [apgd], curve=False, **settings)
    assert dict(report.curve)[6.0].count <= direct.robust.count + 1
    assert "APGD (margin loss, 20 steps)" in report.curve_attack


def test_a_model_that_draws_is_measured_on_the_mean_over_draws() -> None:
    report = curve_of(models.Noisy().eval(), [PGD(Linf(0.05), steps=3)], Linf(0.05), curve=[0.2])
    assert "EOT of PGD" in report.curve_attack
    assert report.curve[-1][1].count == 0
