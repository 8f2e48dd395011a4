"""A player with all that moves it: optimizer, schedule, accumulation, clipping, moving average."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import get_ema_multi_avg_fn

from advnotes.game import Game


class Average:
    r"""An exponential moving average of a player: :math:`a \leftarrow d\,a + (1 - d)\,\theta` after each step.

    Floating-point buffers are averaged with the parameters; counters are copied. (torch's ``AveragedModel`` asks the
    device for its counter at every update, which would hold the host up.)
    """

    def __init__(self, player: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(player).requires_grad_(False)
        self.decay = decay
        self._update = get_ema_multi_avg_fn(decay)
        mine = [*self.module.parameters(), *self.module.buffers()]
        theirs = [*player.parameters(), *player.buffers()]
        self._groups: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for average, current in zip(mine, theirs, strict=True):
            averages, currents = self._groups.setdefault(average.dtype, ([], []))
            averages.append(average)
            currents.append(current)

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the player."""
        for dtype, (averages, currents) in self._groups.items():
            if dtype.is_floating_point:
                self._update(averages, [current.detach() for current in currents], None)
            else:
                torch._foreach_copy_(averages, currents)


@dataclass
class Mover:
    """One player and what moves it."""

    name: str
    player: nn.Module
    parameters: list[nn.Parameter]
    optimizer: Optimizer
    schedule: LRScheduler | None
    accumulate: int
    clip: float | None
    average: Average | None = None

    def step(self) -> None:
        """Clip, step, and let the schedule and the average follow."""
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        if self.average is not None:
            self.average.update()


def movers(
    game: Game,
    optimizers: Optimizer | Mapping[str, Optimizer],
    schedules: LRScheduler | Mapping[str, LRScheduler] | None,
    accumulate: int | Mapping[str, int],
    clip: float | Mapping[str, float] | None,
) -> dict[str, Mover]:
    """One mover for each player of ``game``, checked against each other.

    Raises:
        ValueError: where an optimizer or schedule is missing, not a player's, or holds other parameters than its
            player's; where two players share a parameter; where a number is out of range.
    """
    players = game.players
    optimizer_of = _by_player("optimizers", optimizers, Optimizer, list(players), needed=True)
    schedule_of = _by_player("schedules", schedules, (LRScheduler, ReduceLROnPlateau), list(players))
    accumulate_of = _each("accumulate", accumulate, list(players))
    clip_of = _each("clip", clip, list(players))
    found: dict[str, Mover] = {}
    owner: dict[nn.Parameter, str] = {}
    for name, player in players.items():
        for parameter in player.parameters():
            if owner.setdefault(parameter, name) != name:
                raise ValueError(
                    f"the players {owner[parameter]!r} and {name!r} share parameters: give each parameter to one "
                    "player, and let the other read it through the game."
                )
        parameters = [parameter for parameter in player.parameters() if parameter.requires_grad]
        if not parameters:
            raise ValueError(
                f"the player {name!r} has no parameter that requires a gradient: it cannot move."
            )
        _check_optimizer(name, player, parameters, optimizer_of[name])
        schedule = schedule_of.get(name)
        if isinstance(schedule, ReduceLROnPlateau):
            raise ValueError(f"the schedule of {name!r} waits for a metric: take one that goes by steps.")
        if schedule is not None and schedule.optimizer is not optimizer_of[name]:
            raise ValueError(
                f"the schedule of {name!r} drives another optimizer: make it with optimizers[{name!r}]."
            )
        pieces, most = accumulate_of.get(name, 1), clip_of.get(name)
        if isinstance(pieces, bool) or not isinstance(pieces, int) or pieces < 1:
            raise ValueError(f"accumulate is a number of batches from 1, got {pieces!r} for {name!r}.")
        if most is not None and not most > 0:
            raise ValueError(f"clip is the largest norm of a gradient, above 0, got {most!r} for {name!r}.")
        found[name] = Mover(name, player, parameters, optimizer_of[name], schedule, pieces, most)
    return found


def averages(ema: Mapping[str, float] | None, seated: Mapping[str, Mover]) -> None:
    """Give the movers that ``ema`` names (player -> decay in [0, 1)) their moving averages."""
    for name, decay in _each("ema", ema, list(seated)).items():
        seated[name].average = Average(seated[name].player, decay)


def check_ema(ema: Mapping[str, float] | None, players: list[str]) -> None:
    """Refuse what :func:`averages` could not make, before any work starts."""
    if ema is not None and not isinstance(ema, Mapping):
        raise ValueError(f"ema says whose average to keep, such as {{{players[-1]!r}: 0.999}}, got {ema!r}.")
    for name, decay in _each("ema", ema, players).items():
        if not 0 <= decay < 1:
            raise ValueError(f"ema is a decay from 0 up to, not including, 1, got {decay!r} for {name!r}.")


def _check_optimizer(
    name: str, player: nn.Module, parameters: list[nn.Parameter], optimizer: Optimizer
) -> None:
    """An optimizer moves its player: all that can move of it, and nothing else."""
    if isinstance(optimizer, LBFGS):
        raise ValueError(
            f"the optimizer of {name!r} is LBFGS, which asks for its loss several times a step: take another."
        )
    held = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    labels = {parameter: label for label, parameter in player.named_parameters()}
    strangers = sum(parameter not in labels for parameter in held)
    if strangers:
        raise ValueError(
            f"the optimizer of {name!r} holds {strangers} parameter(s) that are not {name}'s: make it with "
            f"game.{name}.parameters()."
        )
    missing = [labels[parameter] for parameter in parameters if parameter not in held]
    if missing:
        raise ValueError(
            f"the optimizer of {name!r} leaves out {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}: make "
            f"it with game.{name}.parameters(), or freeze these with requires_grad_(False)."
        )


def _by_player(what: str, given: Any, kind: Any, players: list[str], needed: bool = False) -> dict[str, Any]:
    """``given`` as a dictionary by player; a bare one will do where there is one player."""
    if isinstance(given, kind) and len(players) == 1:
        return {players[0]: given}
    if given is None and not needed:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(
            f"{what} is a dictionary with the players {', '.join(players)}, got {type(given).__name__}."
        )
    _check_names(what, given, players)
    absent = [name for name in players if name not in given]
    if absent and needed:
        raise ValueError(
            f"{what} has none for {', '.join(map(repr, absent))}: every player that moves needs one."
        )
    for name, value in given.items():
        if not isinstance(value, kind):
            raise ValueError(f"{what}[{name!r}] is a {type(value).__name__}, expected torch's own kind.")
    return dict(given)


def _each(what: str, given: Any, players: list[str]) -> dict[str, Any]:
    """``given`` as a dictionary by player, where one value stands for all."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(players, given)
    _check_names(what, given, players)
    return dict(given)


def _check_names(what: str, given: Mapping[str, Any], players: list[str]) -> None:
    """Refuse names that are no player's."""
    unknown = [name for name in given if name not in players]
    if unknown:
        raise ValueError(
            f"{what} names {', '.join(map(repr, unknown))}, but the players are {', '.join(players)}."
        )
