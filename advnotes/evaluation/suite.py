"""The attacks of an evaluation: which ones run, how they are configured, and their names in the report."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

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
from advnotes.attacks.attack import Attack
from advnotes.attacks.parts.wrapper import Wrapper
from advnotes.evaluation.inputs import check_radius
from advnotes.identity import identify, same
from advnotes.identity.objects import numbers
from advnotes.losses import margin_loss
from advnotes.threats import Bounds, Threat

__all__ = [
    "SUITES",
    "build_suite",
    "config_text",
    "configure",
    "costs",
    "deviations",
    "parse_attacks",
    "unique_names",
]

SUITES = ("standard", "plus", "quick")

#: From so many classes on, attacks that take a backward pass for each of them are said to be slow before they start.
MANY_CLASSES = 50

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
        pgd = PGD(threat, steps=20, loss=margin_loss, bounds=bounds)
        return [EOT(pgd, samples=8)]
    return [
        APGD(threat, steps=20, bounds=bounds),
        TargetedAPGD(threat, steps=20, targets=3, bounds=bounds),
        Square(threat, queries=100, bounds=bounds),
    ]


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
    if isinstance(attacks, str) and randomised:
        what = "PGD" if attacks == "quick" else "AutoAttack's version for models that draw at random"
        return (f"The attacks average over the model's draws (EOT): {attacks!r} is {what}.",)
    if isinstance(attacks, str):
        attacks = [AutoAttack(threat, plus=attacks == "plus") if attacks != "quick" else TargetedAPGD(threat)]
    inner = [_inner(attack) for attack in attacks]
    texts = [attack.remarks(classes) for attack in inner if isinstance(attack, (AutoAttack, TargetedAPGD))]
    return tuple(dict.fromkeys(line for lines in texts for line in lines))


def costs(attacks: Sequence[Attack], classes: int) -> tuple[str, ...]:
    """What takes long because the model has many classes, to be said before it starts."""
    inner = [_inner(attack) for attack in attacks]
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


def unique_names(attacks: Sequence[Attack]) -> dict[str, Attack]:
    """The attacks by name, equal ones once: the class, and the settings that differ where a class occurs again."""
    distinct: list[Attack] = []
    for attack in attacks:
        if not any(same(attack, other) for other in distinct):
            distinct.append(attack)
    kinds = Counter(attack_name(attack) for attack in distinct)
    names: dict[str, Attack] = {}
    for attack in distinct:
        kind = attack_name(attack)
        others = [other for other in distinct if attack_name(other) == kind]
        text = name = kind + (_difference(attack, others) if kinds[kind] > 1 else "")
        count = 2
        while name in names:  # two that differ in what text does not show, such as two lambdas
            name, count = f"{text} ({count})", count + 1
        names[name] = attack
    return names


def attack_name(attack: Attack) -> str:
    """The attack's own name, or its class's, and those of the attacks around it."""
    if isinstance(attack, Wrapper):
        return f"{type(attack).__name__} of {attack_name(attack.attack)}"
    return str(getattr(attack, "name", type(attack).__name__))


def config_text(thing: Any) -> str:
    """The settings of an attack as text, for the report. Different attacks may have the same: see ``identity``."""
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = ", ".join(
            f"{item.name}={config_text(getattr(thing, item.name))}" for item in dataclasses.fields(thing)
        )
        return f"{type(thing).__name__}({fields})"
    if isinstance(thing, nn.Module):
        return f"{type(thing).__name__} {identify(thing).digest[:16]}"
    if isinstance(thing, Tensor):
        if thing.ndim == 0:
            return repr(thing.item())
        return f"{tuple(thing.shape)} numbers {numbers(thing)[:16]}"
    if isinstance(thing, (tuple, list)):
        return "(" + ", ".join(config_text(item) for item in thing) + ")"
    if isinstance(thing, (set, frozenset)):
        return "{" + ", ".join(sorted(map(config_text, thing))) + "}"
    if callable(thing) and hasattr(thing, "__qualname__"):
        return str(thing.__qualname__)
    return re.sub(r"0x[0-9a-fA-F]+", "", repr(thing))  # the same in every process


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
    attack_threat = getattr(_inner(attack), "threat", None)
    if isinstance(attack_threat, Threat):
        check_radius(attack_threat, count)
    if isinstance(attack_threat, Threat) and type(attack_threat) is type(threat):
        larger = torch.as_tensor(attack_threat.eps).double() > torch.as_tensor(threat.eps).double() * (
            1 + 1e-6
        )
        if bool(larger.any()):
            raise ValueError(
                f"{name} may move inputs by {attack_threat}, further than the threat of the evaluation allows, "
                f"{threat}: give it that threat"
            )
    return attack


def _inner(attack: Attack) -> Attack:
    """The attack inside all wrappers."""
    while isinstance(attack, Wrapper):
        attack = attack.attack
    return attack


def _difference(attack: Attack, others: Sequence[Attack]) -> str:
    """The settings in which an attack differs from any other of its name."""
    differing = [
        item.name
        for item in dataclasses.fields(attack)
        if item.name != "threat" and len({config_text(getattr(one, item.name)) for one in others}) > 1
    ]
    text = ", ".join(f"{name}={config_text(getattr(attack, name))}" for name in differing)
    return f" ({text})" if text else ""
