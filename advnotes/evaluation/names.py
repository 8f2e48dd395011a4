"""The names of attacks in a report, and their settings as text."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from advnotes.attacks.attack import Attack
from advnotes.attacks.parts.wrapper import Wrapper
from advnotes.fields import field_values
from advnotes.identity import identify, same
from advnotes.identity.objects import numbers

__all__ = ["attack_name", "config_text", "unique_names"]


@runtime_checkable
class _Named(Protocol):
    """An attack that says its own name, as a property or a field."""

    @property
    def name(self) -> str: ...


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
    return str(attack.name) if isinstance(attack, _Named) else type(attack).__name__


def config_text(thing: Any) -> str:
    """The settings of an attack as text, for the report. Different attacks may have the same: see ``identity``."""
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = ", ".join(f"{name}={config_text(value)}" for name, value in field_values(thing).items())
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


def _difference(attack: Attack, others: Sequence[Attack]) -> str:
    """The settings in which an attack differs from any other of its name."""
    texts = [{name: config_text(value) for name, value in field_values(one).items()} for one in others]
    text = ", ".join(
        f"{name}={config_text(value)}"
        for name, value in field_values(attack).items()
        if name != "threat" and len({other[name] for other in texts}) > 1
    )
    return f" ({text})" if text else ""
