"""A game: players, what each one wants, and the order in which they move."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.fields import field_values

Turns = tuple["str | tuple[str, ...]", ...]


class Game(nn.Module):
    r"""Networks that move in turns, each of them down the gradient of its own loss.

    A player :math:`p` is a submodule with parameters :math:`\theta_p`. When it moves, its optimizer steps
    along

    .. math:: -\nabla_{\theta_p} L_p(\theta; \text{batch})

    while all other parameters stand still. Few games are zero-sum, so every player has a loss of its own:
    the method ``<player>_loss(*batch)``, which returns a scalar to be minimised.

    ``turns`` is one round. An entry is a player, or a tuple of players that move at once: their gradients are
    all taken at the same point, then all of them step. A player may move several times in a round. Set it on
    the class, or in ``__init__`` where it depends on an argument.

    Example:
        >>> class GAN(Game):
        ...     turns = ("discriminator", "generator")
        ...
        ...     def __init__(self, generator, discriminator): ...
        ...     def discriminator_loss(self, real): ...
        ...     def generator_loss(self, real): ...

    What a game must remember from step to step (a counter, a running mean) belongs in a buffer: buffers are
    saved and restored with the players. Its :meth:`settings` tell it from another game of its class.

    Raises:
        ValueError: where ``turns`` is not a tuple of names and tuples of names (when the class is made); where
            a mover has no loss or no submodule (when :attr:`players` is read, which ``play`` does first).
    """

    turns: Turns

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "turns" in cls.__dict__:
            _movers(cls.__name__, cls.turns)

    @property
    def players(self) -> dict[str, nn.Module]:
        """The players by name, in the order of their first move, checked to be complete."""
        game = type(self).__name__
        if not hasattr(self, "turns"):  # declared, but for each game to set
            raise ValueError(
                f"{game} has no turns: say who moves when, such as turns = ('critic', 'generator')."
            )
        found: dict[str, nn.Module] = {}
        for name in _movers(game, self.turns):
            player = getattr(self, name, None)  # its name stands in turns, and nowhere else
            if not isinstance(player, nn.Module):
                raise ValueError(
                    f"{name!r} moves in {game}.turns, so {game} needs a submodule of that name, got "
                    f"{type(player).__name__}: set self.{name} = <nn.Module> in __init__."
                )
            if self._find_loss(name) is None:
                raise ValueError(
                    f"{name!r} moves in {game}.turns, so {game} needs its loss: "
                    f"define {name}_loss(self, *batch) that returns a scalar tensor."
                )
            found[name] = player
        return found

    def settings(self) -> dict[str, str]:
        """The numbers and choices that this game is played with, as text: a checkpoint of others is not resumed.

        By default all public attributes that are plain values, functions, dataclasses (such as an attack) or tuples
        of these. Those that change while the game is played are left out by ``play``.
        """
        texts = {name: as_text(value) for name, value in vars(self).items()}
        return {
            name: text
            for name, text in texts.items()
            if text is not None and not name.startswith("_") and name not in ("training", "turns")
        }

    def forward(self, player: str, *batch: Tensor) -> Float[Tensor, ""]:
        """The loss of ``player`` on ``batch``.

        Losses are asked for here rather than by ``game.<player>_loss`` so that whatever wraps the whole game
        (data parallelism, compilation) sees every one of them.

        Raises:
            ValueError: where this game has no loss for ``player``.
        """
        ask = self._find_loss(player)
        if ask is None:
            raise ValueError(
                f"{type(self).__name__} has the players {', '.join(self.players)} and no loss for {player!r}: "
                "ask for one of these."
            )
        return ask(*batch)

    def _find_loss(self, player: str) -> Callable[..., Tensor] | None:
        """The method ``<player>_loss``: the names of the losses are made of those in ``turns``."""
        found = getattr(self, f"{player}_loss", None)
        return found if callable(found) else None


def _movers(game: str, turns: object) -> tuple[str, ...]:
    """The names in ``turns``, each once, in the order of their first move."""
    wanted = "turns must be a tuple of names and tuples of names, such as ('critic', 'generator')"
    if isinstance(turns, str):
        raise ValueError(f"{game}.{wanted}, got the string {turns!r}: write ({turns!r},) with a comma.")
    if not isinstance(turns, tuple) or not turns:
        raise ValueError(f"{game}.{wanted}, got {turns!r}.")
    names: dict[str, None] = {}
    for turn in turns:
        movers = turn if isinstance(turn, tuple) else (turn,)
        if not movers or not all(isinstance(name, str) and name.isidentifier() for name in movers):
            raise ValueError(f"{game}.{wanted}, got the turn {turn!r}.")
        if len(set(movers)) < len(movers):
            raise ValueError(f"a player moves once in a turn, but {game}.turns has {turn!r}.")
        names.update(dict.fromkeys(str(name) for name in movers))
    return tuple(names)


def as_text(value: Any) -> str | None:
    """A setting as text, the same in every process; None where it is no setting."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str, torch.dtype, torch.device)):
        return repr(value)
    if isinstance(value, functools.partial):
        arguments = [value.args, *sorted(value.keywords.items())]
        return f"partial({as_text(value.func)}, {', '.join(str(as_text(item)) for item in arguments)})"
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, tuple):
        parts = [as_text(item) for item in value]
        return None if None in parts else f"({', '.join(map(str, parts))})"
    if dataclasses.is_dataclass(value):
        held = field_values(value, [item for item in dataclasses.fields(value) if item.init])
        fields = ", ".join(f"{name}={as_text(part)}" for name, part in held.items())
        return f"{type(value).__qualname__}({fields})"
    return None
