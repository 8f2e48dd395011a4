"""When learning-rate schedules step: after each move of the player, each round, each epoch, or a new measurement."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

UNITS = ("step", "round", "epoch")


@dataclass
class Schedule:
    """A schedule of torch's, and when it steps.

    Attributes:
        scheduler: torch's own.
        by: "step", "round" or "epoch"; for ReduceLROnPlateau the metric that it waits for, or ``<player>_loss``.
    """

    scheduler: LRScheduler | ReduceLROnPlateau
    by: str

    def step(self, event: str, value: float | None = None) -> None:
        """Step where it is this schedule's time: ``event`` is a unit, or the name of what was measured."""
        if event != self.by:
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            assert value is not None
            self.scheduler.step(value)
        elif self.by == "epoch":
            with warnings.catch_warnings():
                # A resumed run may begin with the end of an epoch, whose steps another process has made.
                warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
                self.scheduler.step()
        else:
            self.scheduler.step()

    def metric(self, players: Iterable[str]) -> str | None:
        """The callbacks' metric that it waits for; None where it waits for none."""
        return None if self.by in UNITS or is_loss(self.by, players) else self.by

    def settings(self) -> dict[str, Any]:
        """The plain values of its state."""
        kinds = (bool, int, float, str, list, tuple)
        return {
            name: value for name, value in self.scheduler.state_dict().items() if isinstance(value, kinds)
        }


def build_schedule(player: str, scheduler: LRScheduler | ReduceLROnPlateau, by: str) -> Schedule:
    """A schedule with its unit (ValueError where they do not fit each other)."""
    if isinstance(scheduler, ReduceLROnPlateau) and by in UNITS:
        raise ValueError(
            f"the ReduceLROnPlateau of {player!r} waits for a value: name it, such as schedule_by={{{player!r}: "
            f"'accuracy'}} for a metric that a callback returns, or '{player}_loss' for the mean loss of an epoch."
        )
    if not isinstance(scheduler, ReduceLROnPlateau) and by not in UNITS:
        raise ValueError(
            f"schedule_by must be one of {', '.join(map(repr, UNITS))} for the {type(scheduler).__name__} of "
            f"{player!r}, got {by!r}: only ReduceLROnPlateau waits for a value."
        )
    return Schedule(scheduler, by)


def check_metrics(
    schedules: Mapping[str, Schedule], players: Iterable[str], callbacks: int, callback_every: int | None
) -> None:
    """Raise ValueError for a schedule that waits for a metric that nothing measures before the end."""
    for player, schedule in schedules.items():
        metric = schedule.metric(players)
        if metric is not None and (not callbacks or callback_every is None):
            raise ValueError(
                f"the schedule of {player!r} waits for {metric!r}: pass the callback that measures it and "
                "callback_every=."
            )


def is_loss(name: str, players: Iterable[str]) -> bool:
    """Whether a value that a schedule waits for is the loss of a player."""
    return name in {f"{player}_loss" for player in players}


def check_length(player: str, schedule: Schedule, steps: int) -> None:
    """Refuse a schedule that ends before the game does, and warn of one that turns round.

    Args:
        player: whose it is.
        schedule: as it is now.
        steps: how often it will step from now on.

    Raises:
        ValueError: where a OneCycleLR would be asked for more steps than it has.
    """
    scheduler = schedule.scheduler
    last = scheduler.last_epoch + steps
    unit = {"step": f"steps of {player}'s optimizer", "round": "rounds", "epoch": "epochs"}.get(schedule.by)
    if isinstance(scheduler, OneCycleLR) and last > scheduler.total_steps:
        raise ValueError(
            f"the OneCycleLR of {player!r} has total_steps={scheduler.total_steps}, and the game has {last} {unit}: "
            f"make it with total_steps={last}, or say schedule_by="
            + ("'round' to count rounds." if schedule.by == "step" else "'step' or 'epoch'.")
        )
    if type(scheduler) is CosineAnnealingLR and last > scheduler.T_max:
        warnings.warn(
            f"the CosineAnnealingLR of {player!r} has T_max={scheduler.T_max}, and the game has {last} {unit}: the "
            "learning rate will rise again. Is schedule_by= meant?",
            stacklevel=4,
        )
