"""The attacks of an evaluation: which ones run, how they are configured, and their names in the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from advnotes.attacks import (
    APGD,
    EOT,
    FAB,
    PGD,
    AutoAttack,
    DeepFool,
    Square,
    TargetedAPGD,
    TargetedFAB,
    Transfer,
)
from advnotes.attacks.attack import Attack, NormAttack
from advnotes.attacks.parts.boundary import MANY_CLASSES
from advnotes.attacks.parts.wrapper import Wrapper, innermost
from advnotes.evaluation.inputs import check_radius
from advnotes.evaluation.names import attack_name
from advnotes.losses import margin_loss
from advnotes.threats import Bounds, Threat

__all__ = ["SUITES", "averaged_pgd", "build_suite", "configure", "costs", "deviations", "parse_attacks"]

SUITES = ("standard", "plus", "quick")

SomeAttack = TypeVar("SomeAttack", bound=Attack)


def parse_attacks(attacks: object, threat: Threat, bounds: Bounds, count: int) -> str | list[Attack]:
    """The name of a suite, or attacks that fit the evaluation.

    Args:
        attacks: what the caller passed.
        threat: what the adversary may do.
        bounds: the range of the input.
        count: how many samples there are.

    Raises:
        ValueError: where it is neither.
    """
    if isinstance(attacks, str) and attacks in SUITES:
        return attacks
    if isinstance(attacks, str) or not isinstance(attacks, Sequence) or not attacks:
        raise ValueError(
            f"attacks is one of {', '.join(map(repr, SUITES))} or a sequence of attacks, such as [PGD(Linf(0.3))], "
            f"got {attacks!r}"
        )
    return [_checked(attack, threat, bounds, count) for attack in attacks]


def build_suite(
    attacks: str | Sequence[Attack], threat: Threat, classes: int, bounds: Bounds, randomised: bool = False
) -> list[Attack]:
    """The attacks that run, configured; AutoAttack as its members.

    Args:
        attacks: what :func:`parse_attacks` returned.
        threat: what the adversary may do.
        classes: of the model.
        bounds: the range of the input.
        randomised: whether the model draws at random. The suites then average over its draws.
    """
    if attacks == "quick":
        members = _quick(threat, bounds, randomised)
    elif isinstance(attacks, str):
        plus = attacks == "plus" and not randomised
        members = [AutoAttack(threat, plus=plus, randomised=randomised, bounds=bounds)]
    else:
        members = list(attacks)
    found: list[Attack] = []
    for attack in members:
        found += attack.members(classes) if isinstance(attack, AutoAttack) else [attack]
    return [configure(attack, bounds, randomised) for attack in found]


def _quick(threat: Threat, bounds: Bounds, randomised: bool) -> list[Attack]:
    if randomised:
        return [averaged_pgd(threat, bounds)]
    return [
        APGD(threat, steps=20, bounds=bounds),
        TargetedAPGD(threat, steps=20, targets=3, bounds=bounds),
        Square(threat, queries=100, bounds=bounds),
    ]


def averaged_pgd(threat: Threat, bounds: Bounds) -> EOT:
    """A short attack on a model that draws at random."""
    return EOT(PGD(threat, steps=20, loss=margin_loss, bounds=bounds), samples=8)


def configure(
    attack: SomeAttack, bounds: Bounds, randomised: bool = False, averaged: bool = False
) -> SomeAttack:
    """The attack in these bounds, with the early stopping and the choice of points that suit the model.

    A model with one answer for each input: early stopping wherever it changes no verdict. A model that draws at random:
    no early stopping, because an attack would stop at the first lucky draw, and no choice of the best point, which
    would be the luckiest, unless the attack averages over draws.

    Args:
        attack: any.
        bounds: the range of the input.
        randomised: whether the model draws at random.
        averaged: whether the attack is inside of an :class:`~advnotes.attacks.EOT`.
    """
    if isinstance(attack, Transfer):  # it would stop once its source is fooled
        return attack
    if isinstance(attack, Wrapper):
        inner = configure(attack.attack, bounds, randomised, averaged or isinstance(attack, EOT))
        return dataclasses.replace(attack, attack=inner)
    changes: dict[str, Any] = {"bounds": bounds}
    if randomised:
        changes["early_stop"] = False
        if isinstance(attack, PGD) and not averaged and attack.restarts == 1:
            changes["best"] = False
    elif attack.returns_best:
        changes["early_stop"] = True
    return dataclasses.replace(attack, **changes)


def deviations(
    attacks: str | Sequence[Attack], threat: Threat, classes: int, randomised: bool = False
) -> tuple[str, ...]:
    """What differs from the attacks as they were published, against a model of so many classes."""
    notes: list[str] = []
    if isinstance(attacks, str) and randomised:
        what = "PGD" if attacks == "quick" else "AutoAttack's version for models that draw at random"
        notes = [f"The attacks average over the model's draws (EOT): {attacks!r} is {what}."]
        attacks = [] if attacks == "quick" else [AutoAttack(threat, randomised=True)]
    elif isinstance(attacks, str):
        attacks = [AutoAttack(threat, plus=attacks == "plus") if attacks != "quick" else TargetedAPGD(threat)]
    for attack in map(innermost, attacks):
        if isinstance(attack, (AutoAttack, TargetedAPGD)):
            notes += attack.remarks(classes)
    return tuple(dict.fromkeys(notes))


def costs(attacks: str | Sequence[Attack], classes: int) -> tuple[str, ...]:
    """Which of the caller's attacks take long because the model has many classes, to be said before they start.

    Of the suites, :func:`deviations` says it.
    """
    if isinstance(attacks, str):
        return ()
    inner = [innermost(attack) for attack in attacks]
    names = [
        attack_name(attack)
        for attack in inner
        if (isinstance(attack, FAB) and not isinstance(attack, TargetedFAB))
        or (isinstance(attack, DeepFool) and attack.candidates is None)
    ]
    if classes < MANY_CLASSES or not names:
        return ()
    return (
        f"{', '.join(dict.fromkeys(names))} may take a backward pass for each of the {classes} classes at every step: "
        "slow. APGD-T and FAB-T look at the likeliest classes only, as does DeepFool(candidates=10).",
    )


def _checked(attack: object, threat: Threat, bounds: Bounds, count: int) -> Attack:
    """An attack that fits the evaluation."""
    if not isinstance(attack, Attack):
        raise ValueError(f"expected attacks such as PGD(Linf(0.3)), got {attack!r}")
    name = attack_name(attack)
    if attack.targeted:
        raise ValueError(
            f"{name} is targeted, but robust accuracy is about leaving the true class: give it targeted=False"
        )
    if attack.training:
        raise ValueError(f"{name} has training=True, but a model is evaluated as it is used, in eval mode")
    if tuple(attack.bounds) != bounds:
        raise ValueError(
            f"{name} works in the bounds {attack.bounds}, the evaluation in {bounds}: give both the same"
        )
    inner = innermost(attack)
    if isinstance(inner, NormAttack):
        check_radius(inner.threat, count)
        own, allowed = (torch.as_tensor(one.eps).double() for one in (inner.threat, threat))
        if type(inner.threat) is type(threat) and bool((own > allowed * (1 + 1e-6)).any()):
            raise ValueError(
                f"{name} may move inputs by {inner.threat}, further than the threat of the evaluation allows, "
                f"{threat}: give it that threat"
            )
    return attack
