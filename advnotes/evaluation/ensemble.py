"""The attacks of an evaluation: which ones, what they are called, and their share of a batch."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from advnotes.attacks import PGD, Square, Transfer
from advnotes.attacks.attack import Attack, NormAttack
from advnotes.attacks.wrapper import Wrapper
from advnotes.evaluation.subject import choices
from advnotes.losses import margin_loss
from advnotes.threats import Bounds, Threat

__all__ = ["ENSEMBLES", "chosen", "named", "part", "ready"]

ENSEMBLES = ("standard", "plus", "quick")

SomeAttack = TypeVar("SomeAttack", bound=Attack)


def chosen(attacks: str | Sequence[Attack], threat: Threat, classes: int, bounds: Bounds) -> list[Attack]:
    """The attacks that were asked for, by name or one by one.

    Raises:
        ValueError: where there are none, or one of them does not fit the evaluation.
    """
    if isinstance(attacks, str):
        if attacks not in ENSEMBLES:
            raise ValueError(
                f"attacks is one of {', '.join(map(repr, ENSEMBLES))} or a sequence of attacks, got {attacks!r}"
            )
        return [ready(attack, bounds) for attack in _ensemble(attacks, threat, classes, bounds)]
    if not isinstance(attacks, Sequence) or not attacks:
        raise ValueError(
            f"attacks is one of {', '.join(map(repr, ENSEMBLES))} or a sequence of attacks, such as [PGD(Linf(0.3))], "
            f"got {attacks!r}"
        )
    return [ready(_checked(attack, threat, bounds), bounds) for attack in attacks]


def named(attacks: Sequence[Attack]) -> dict[str, Attack]:
    """The attacks, each once, by their classes' names and, where that is not enough, by what sets them apart."""
    once = list({choices(attack): attack for attack in attacks}.values())
    kinds = Counter(_kind(attack) for attack in once)
    names: dict[str, Attack] = {}
    for attack in once:
        name = kind = _kind(attack)
        if kinds[kind] > 1:
            name += _difference(attack, [other for other in once if _kind(other) == kind])
        count = 2
        while name in names:
            name, count = f"{kind} #{count}", count + 1
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


def part(attack: Attack, rows: Int[Tensor, " rows"]) -> Attack:
    """The attack for some of the samples, where it has choices of each sample's own."""
    if isinstance(attack, Wrapper):
        return dataclasses.replace(attack, attack=part(attack.attack, rows))
    return attack.rows(rows) if isinstance(attack, NormAttack) else attack


def _ensemble(name: str, threat: Threat, classes: int, bounds: Bounds) -> Sequence[Attack]:
    settings: dict[str, Any] = dict(bounds=bounds, early_stop=True)
    quick = [PGD(threat, steps=20, **settings), PGD(threat, steps=20, loss=margin_loss, **settings)]
    if name == "quick":
        return [*quick, Square(threat, queries=200, **settings)]
    return [*quick, Square(threat, **settings)]


def _checked(attack: object, threat: Threat, bounds: Bounds) -> Attack:
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
    inner = attack
    while isinstance(inner, Wrapper):
        inner = inner.attack
    own = getattr(inner, "threat", None)
    if isinstance(own, Threat) and type(own) is type(threat):
        larger = torch.as_tensor(own.eps).double() > torch.as_tensor(threat.eps).double() * (1 + 1e-6)
        if bool(larger.any()):
            raise ValueError(
                f"{kind} may move inputs by {own}, further than the threat of the evaluation allows, {threat}: give it "
                "that threat"
            )
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
