"""Every attack within a norm, in every norm that it is for: short ones, for tests of what all attacks promise."""

import pytest

from advnotes.attacks import (
    APGD,
    BIM,
    FAB,
    FGSM,
    MIFGSM,
    PGD,
    AutoAttack,
    CarliniWagner,
    DeepFool,
    Square,
    TargetedAPGD,
    TargetedFAB,
    Universal,
)
from advnotes.threats import L1, L2, Linf

__all__ = ["ATTACKS", "THREATS", "each_of"]

THREATS = [Linf(0.1), L2(0.8), L1(4.0)]
ATTACKS = [
    attack
    for threat in THREATS
    for attack in (
        FGSM(threat),
        BIM(threat, steps=5),
        PGD(threat, steps=4, restarts=2),
        PGD(threat, momentum=0.9),
        Square(threat, queries=60),
        APGD(threat, steps=10, restarts=2),
        TargetedAPGD(threat, steps=8),
        MIFGSM(threat),
        AutoAttack(threat, steps=4, queries=20),
        FAB(threat, steps=5, restarts=2),
        TargetedFAB(threat, steps=5),
        Universal(threat, steps=25, batch_size=4),
    )
] + [
    DeepFool(THREATS[0]),
    DeepFool(THREATS[1]),
    CarliniWagner(THREATS[1], steps=30, searches=5, step_size=0.05),
]


def each_of(attacks: list) -> pytest.MarkDecorator:
    """Run a test with each attack."""
    return pytest.mark.parametrize(
        "attack", attacks, ids=lambda a: f"{type(a).__name__}-{type(a.threat).__name__}"
    )
