"""What an attack costs: the passes that it announces are those that it takes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from advnotes.attacks import APGD, BIM, EOT, FGSM, MIFGSM, PGD, Attack, Pose, Square
from advnotes.model_state import PassCounter
from advnotes.threats import L1, L2, Linf

#: Each with the number of its starts, and of the points that each start is looked at beyond its steps.
COSTS: list[tuple[Attack, int, int]] = [
    (FGSM(Linf(0.1)), 1, 0),
    (BIM(L2(0.1), steps=7), 1, 1),
    (MIFGSM(Linf(0.1), steps=7), 1, 1),
    (PGD(Linf(0.1), steps=7), 1, 1),
    (PGD(L1(0.5), steps=5, restarts=3), 3, 1),
    (PGD(Linf(0.1), steps=7, best=False), 1, 0),
    (Square(Linf(0.1), queries=30), 1, 0),
    (Square(L2(0.1), queries=15, restarts=2), 2, 0),
    (APGD(Linf(0.1), steps=20), 1, 1),
    (APGD(L2(0.1), steps=10, restarts=3), 3, 1),
    (APGD(L1(0.5), steps=20, wider_first=True), 1, 3),  # three widths
    (APGD(L1(0.5), steps=20, restarts=2, wider_first=True), 2, 3),
    (Pose(steps=4, restarts=2), 2, 1),
    (EOT(PGD(Linf(0.1), steps=3), samples=4), 1, 4),
]


@pytest.mark.parametrize(
    ("attack", "starts", "beyond"),
    COSTS,
    ids=[f"{type(attack).__name__}-{n}" for n, (attack, *_) in enumerate(COSTS)],
)
def test_an_attack_takes_the_passes_that_it_announces(attack, starts, beyond):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 5)).eval()
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    counted = PassCounter(net)
    if not isinstance(attack, EOT):
        attack = dataclasses.replace(attack, fast=False)
    attack(counted, x, net(x).argmax(dim=1), torch.arange(6))
    assert counted.passes == len(x) * (attack.estimated_passes + starts * beyond)
