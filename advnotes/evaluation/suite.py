"""The attacks of an evaluation: which ones, and what they are called."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from advnotes.attacks import APGD, AutoAttack, Square, TargetedAPGD, Transfer
from advnotes.attacks.attack import Attack
from advnotes.attacks.parts.wrapper import Wrapper
from advnotes.evaluation.samples import check_threat
from advnotes.evaluation.subject import choices
from advnotes.identity import same
from advnotes.threats import Bounds, Threat

__all__ = ["ENSEMBLES", "asked", "chosen", "named", "ready", "remarks"]

ENSEMBLES = ("standard", "plus", "quick")

SomeAttack = TypeVar("SomeAttack", bound=Attack)


def asked(attacks: object, threat: Threat, bounds: Bounds, count: int) -> str | list[Attack]:
    """What was asked for: the name of an ensemble, or attacks that fit the evaluation.

    Args:
        attacks: whatever was given.
        threat: what the adversary may do.
        bounds: the range of the input.
        count: how many samples there are.

    Raises:
        ValueError: where it is neither.
    """
    if isinstance(attacks, str) and attacks in ENSEMBLES:
        return attacks
    if isinstance(attacks, str) or not isinstance(attacks, Sequence) or not attacks:
        raise ValueError(
            f"attacks is one of {', '.join(map(repr, ENSEMBLES))} or a sequence of attacks, such as [PGD(Linf(0.3))], "
            f"got {attacks!r}"
        )
    return [_checked(attack, threat, bounds, count) for attack in attacks]


def chosen(attacks: str | Sequence[Attack], threat: Threat, classes: int, bounds: Bounds) -> list[Attack]:
    """The attacks that were asked for; an ensemble as its members."""
    if isinstance(attacks, str):
        return list(_ensemble(attacks, threat, classes, bounds))
    found: list[Attack] = []
    for attack in attacks:
        found += attack.members(classes) if isinstance(attack, AutoAttack) else [attack]
    return [ready(attack, bounds) for attack in found]


def remarks(attacks: str | Sequence[Attack], threat: Threat, classes: int) -> tuple[str, ...]:
    """What differs from the methods as they were published, against a model of so few classes."""
    if isinstance(attacks, str):
        attacks = [AutoAttack(threat, plus=attacks == "plus") if attacks != "quick" else TargetedAPGD(threat)]
    inner = [_inner(attack) for attack in attacks]
    said = [attack.remarks(classes) for attack in inner if isinstance(attack, (AutoAttack, TargetedAPGD))]
    return tuple(dict.fromkeys(line for lines in said for line in lines))


def named(attacks: Sequence[Attack]) -> dict[str, Attack]:
    """The attacks, equal ones once, by their classes' names and, where that is not enough, by what sets them apart."""
    once: list[Attack] = []
    for attack in attacks:
        if not any(same(attack, other) for other in once):
            once.append(attack)
    kinds = Counter(_kind(attack) for attack in once)
    names: dict[str, Attack] = {}
    for attack in once:
        kind = _kind(attack)
        text = name = kind + (
            _difference(attack, [other for other in once if _kind(other) == kind]) if kinds[kind] > 1 else ""
        )
        count = 2
        while name in names:  # two that differ in what text does not show, such as two lambdas
            name, count = f"{text} ({count})", count + 1
        names[name] = attack
    return names


def ready(attack: SomeAttack, bounds: Bounds) -> SomeAttack:
    """The attack in these bounds, leaving samples alone once they are fooled, where that changes no verdict."""
    if isinstance(attack, Transfer):  # it would stop once its source is fooled
        return attack
    if isinstance(attack, Wrapper):
        return dataclasses.replace(attack, attack=ready(attack.attack, bounds))
    if not getattr(attack, "best", True):
        return dataclasses.replace(attack, bounds=bounds)
    return dataclasses.replace(attack, bounds=bounds, early_stop=True)


def _ensemble(name: str, threat: Threat, classes: int, bounds: Bounds) -> Sequence[Attack]:
    if name != "quick":
        return AutoAttack(threat, plus=name == "plus", bounds=bounds).members(classes)
    settings: dict[str, Any] = dict(bounds=bounds, early_stop=True)
    return (
        APGD(threat, steps=20, **settings),
        TargetedAPGD(threat, steps=20, targets=3, **settings),
        Square(threat, queries=100, **settings),
    )


def _checked(attack: object, threat: Threat, bounds: Bounds, count: int) -> Attack:
    """An attack that fits the evaluation."""
    if not isinstance(attack, Attack):
        raise ValueError(f"expected attacks such as PGD(Linf(0.3)), got {attack!r}")
    kind = _kind(attack)
    if attack.targeted:
        raise ValueError(
            f"{kind} is targeted, but robust accuracy is about leaving the true class: give it targeted=False"
        )
    if attack.training:
        raise ValueError(f"{kind} has training=True, but a model is evaluated as it is used, in eval mode")
    if attack.bounds != bounds:
        raise ValueError(
            f"{kind} works in the bounds {attack.bounds}, the evaluation in {bounds}: make them one"
        )
    own = getattr(_inner(attack), "threat", None)
    if isinstance(own, Threat):
        check_threat(own, count)
    if isinstance(own, Threat) and type(own) is type(threat):
        larger = torch.as_tensor(own.eps).double() > torch.as_tensor(threat.eps).double() * (1 + 1e-6)
        if bool(larger.any()):
            raise ValueError(
                f"{kind} may move inputs by {own}, further than the threat of the evaluation allows, {threat}: give "
                "it that threat"
            )
    return attack


def _inner(attack: Attack) -> Attack:
    """The attack inside all wrappers."""
    while isinstance(attack, Wrapper):
        attack = attack.attack
    return attack


def _kind(attack: Attack) -> str:
    if isinstance(attack, Wrapper):
        return f"{type(attack).__name__} of {_kind(attack.attack)}"
    return str(getattr(attack, "name", type(attack).__name__))


def _difference(attack: Attack, others: Sequence[Attack]) -> str:
    """The choices in which an attack differs from the first of its kind or, if it is that, from any other."""
    said = {
        item.name: [choices(getattr(one, item.name)) for one in others] for item in dataclasses.fields(attack)
    }
    mine = [
        f"{name}={choices(getattr(attack, name))}"
        for name, values in said.items()
        if len(set(values)) > 1 and name != "threat"
    ]
    return f" ({', '.join(mine)})" if mine else ""
