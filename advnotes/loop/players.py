"""A player with all that moves it: optimizer, schedule, accumulation, clipping, moving average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from advnotes.checks import check_count, check_number
from advnotes.game import Game
from advnotes.loop.averages import Average
from advnotes.loop.schedules import Schedule, build_schedule


@dataclass(eq=False)
class PlayerOptimizer:
    """One player and what moves it."""

    name: str
    player: nn.Module
    parameters: list[nn.Parameter]
    optimizer: Optimizer
    schedule: Schedule | None
    accumulate: int
    clip: float | None
    average: Average | None = None

    def step(self) -> None:
        """Clip, step, and let the schedule and the average follow."""
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step("step")
        if self.average is not None:
            self.average.update()

    def settings(self) -> dict[str, Any]:
        """The hyper-parameters of the optimizer and the schedule, by name."""
        found: dict[str, Any] = {}
        groups = self.optimizer.param_groups
        for i, group in enumerate(groups):
            place = f"group {i} of the optimizer" if len(groups) > 1 else "the optimizer"
            found |= {
                f"{name} in {place} of {self.name!r}": value
                for name, value in group.items()
                if name not in ("params", "param_names")
            }
        if self.schedule is not None:
            settings = self.schedule.settings()
            found |= {f"{name} in the schedule of {self.name!r}": value for name, value in settings.items()}
        return found


def build_player_optimizers(
    game: Game,
    optimizers: Optimizer | Mapping[str, Optimizer],
    schedules: LRScheduler | Mapping[str, LRScheduler] | None,
    schedule_by: str | Mapping[str, str],
    accumulate: int | Mapping[str, int],
    clip: float | Mapping[str, float] | None,
) -> dict[str, PlayerOptimizer]:
    """One for each player of ``game``, checked against each other.

    Raises:
        ValueError: where an optimizer or schedule is missing, not a player's, or holds other parameters than its
            player's; where two players share a parameter; where a number is out of range.
    """
    players = game.players
    _check_shapes_known(game)
    optimizer_of = _by_player("optimizers", optimizers, Optimizer, list(players), needed=True)
    scheduler_of = _by_player("schedules", schedules, (LRScheduler, ReduceLROnPlateau), list(players))
    unit_of = _each("schedule_by", schedule_by, list(players))
    accumulate_of = _each("accumulate", accumulate, list(players))
    clip_of = _each("clip", clip, list(players))
    found: dict[str, PlayerOptimizer] = {}
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
        scheduler = scheduler_of.get(name)
        if scheduler is not None and scheduler.optimizer is not optimizer_of[name]:
            raise ValueError(
                f"the schedule of {name!r} drives another optimizer: make it with optimizers[{name!r}]."
            )
        largest = clip_of.get(name)
        found[name] = PlayerOptimizer(
            name,
            player,
            parameters,
            optimizer_of[name],
            None if scheduler is None else build_schedule(name, scheduler, unit_of.get(name, "step")),
            check_count(f"accumulate for {name!r}", accumulate_of.get(name, 1)),
            None if largest is None else check_number(f"clip for {name!r}", largest, above=0.0),
        )
    return found


def check_ema(ema: Mapping[str, float] | None, players: list[str]) -> dict[str, float]:
    """The decays by player (ValueError where ``ema`` is no mapping from players to decays in [0, 1))."""
    if ema is not None and not isinstance(ema, Mapping):
        raise ValueError(f"ema says whose average to keep, such as {{{players[-1]!r}: 0.999}}, got {ema!r}.")
    decays = {}
    for name, decay in _each("ema", ema, players).items():
        decays[name] = check_number(f"ema for {name!r}", decay, least=0.0)
        if decays[name] >= 1:
            raise ValueError(f"ema is a decay from 0 up to, not including, 1, got {decay!r} for {name!r}.")
    return decays


def _check_shapes_known(game: Game) -> None:
    """Refuse lazy modules that have not seen a batch."""
    tensors = [*game.named_parameters(), *game.named_buffers()]
    lazy = [name for name, tensor in tensors if is_lazy(tensor)]
    if lazy:
        raise ValueError(
            f"{lazy[0]} is of a lazy module, whose shape is not known before its first batch: run the module once, "
            "with torch.no_grad(): module(x), and make the optimizer after that."
        )


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
