"""Attacks that are made of another one: what they share."""

import dataclasses
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.fields import field_values
from advnotes.threats import Bounds

__all__ = ["Wrapper", "innermost"]

SomeWrapper = TypeVar("SomeWrapper", bound="Wrapper")


@dataclass(frozen=True)
class Wrapper(Attack):
    """An attack around another one, whose requirements and options it takes over.

    Args:
        attack: the one that is wrapped; the other settings of every attack are its own.

    Raises:
        ValueError: where ``attack`` is none.
    """

    attack: Attack
    targeted: bool = field(init=False)
    bounds: Bounds = field(init=False)
    training: bool = field(init=False)
    early_stop: bool = field(init=False)
    fast: bool = field(init=False)
    precision: torch.dtype | None = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.attack, Attack):
            raise ValueError(
                f"{type(self).__name__} wants an attack such as PGD(Linf(0.3)), got {self.attack!r}"
            )
        for name, value in field_values(self.attack, dataclasses.fields(Attack)).items():
            object.__setattr__(self, name, value)
        super().__post_init__()

    @property
    def estimated_passes(self) -> int:
        """As many as the wrapped attack's."""
        return self.attack.estimated_passes

    def check_batch(self, count: int) -> None:
        """As the wrapped attack does."""
        self.attack.check_batch(count)

    def rows(self: SomeWrapper, rows: Tensor | slice) -> SomeWrapper:
        """With the wrapped attack's settings for these rows."""
        return dataclasses.replace(self, attack=self.attack.rows(rows))


def innermost(attack: Attack) -> Attack:
    """The attack inside all wrappers."""
    while isinstance(attack, Wrapper):
        attack = attack.attack
    return attack
