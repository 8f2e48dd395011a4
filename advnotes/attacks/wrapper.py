"""Attacks that are made of another one: what they share."""

from dataclasses import dataclass, field

from advnotes.attacks.attack import Attack
from advnotes.threats import Bounds

__all__ = ["Wrapper"]


@dataclass(frozen=True)
class Wrapper(Attack):
    """An attack that uses another one, and asks for, allows and does what that one does.

    Args:
        attack: the one that is wrapped; ``targeted``, ``bounds``, ``training`` and ``early_stop`` are its own.

    Raises:
        ValueError: where ``attack`` is none.
    """

    attack: Attack
    targeted: bool = field(init=False)
    bounds: Bounds = field(init=False)
    training: bool = field(init=False)
    early_stop: bool = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.attack, Attack):
            raise ValueError(
                f"{type(self).__name__} wants an attack such as PGD(Linf(0.3)), got {self.attack!r}"
            )
        for name in ("targeted", "bounds", "training", "early_stop"):
            object.__setattr__(self, name, getattr(self.attack, name))
        super().__post_init__()
