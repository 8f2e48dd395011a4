"""What a run is, for the header of its checkpoints, and what must be the same for it to be resumed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from advnotes.loop.callbacks import stateful
from advnotes.loop.checkpoint_files import CheckpointError
from advnotes.loop.run import Run

#: The parts of a description.
PARTS = ("identity", "shapes", "settings of the game", "hyper-parameters", "environment")


def describe(run: Run) -> dict[str, Any]:
    """What a run is, in :data:`PARTS`.

    A setting that has changed since the run began (a rate that a schedule moves, a counter of the game) is a state,
    and is left out.
    """
    players = run.players
    now = run.present_settings()
    constant = {
        part: {name: text for name, text in began.items() if now[part].get(name) == text}
        for part, began in run.settings.items()
    }
    return {
        "identity": {
            "game": type(run.game).__qualname__,
            "turns": run.game.turns,
            "optimizers": {
                name: [
                    type(player.optimizer).__name__,
                    [len(group["params"]) for group in player.optimizer.param_groups],
                ]
                for name, player in players.items()
            },
            "schedules": {
                name: [type(player.schedule.scheduler).__name__, player.schedule.by]
                for name, player in players.items()
                if player.schedule is not None
            },
            "averages": {
                name: player.average.decay for name, player in players.items() if player.average is not None
            },
            "accumulate": {name: player.accumulate for name, player in players.items()},
            "clip": {name: player.clip for name, player in players.items()},
            "precision": str(run.dtype).removeprefix("torch."),
        },
        "shapes": describe_shapes(run.game),
        **constant,
        "environment": {
            "data": run.reader.source.describe(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "instruction set": torch.backends.cpu.get_cpu_capability(),
            "device": run.accelerator.device.type,
            "callbacks with a state": list(stateful(run.callbacks)),
        },
    }


def describe_shapes(game: nn.Module) -> dict[str, str]:
    """The dtype and shape of each tensor of a game's state."""
    return {
        name: f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        for name, value in game.state_dict().items()
    }


def check_same_game(there: dict[str, Any], here: dict[str, Any]) -> None:
    """Refuse a checkpoint of something else.

    Args:
        there: the description in the checkpoint.
        here: that of the run.

    Raises:
        CheckpointError: where identity, shapes or the settings of the game differ.
    """
    identity, shapes, settings, _, _ = PARTS
    differences = [
        *_differences(there[identity], here[identity]),
        *_differences(there[shapes], here[shapes]),
        *_differences(there[settings], here[settings], both=True),
    ]
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise CheckpointError(f"it is of another game ({'; '.join(differences[:3])}{more})")


def warn_of_changes(entry: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    """Warn where the checkpoint's hyper-parameters replace those passed, and of another machine or other data."""
    *_, hyper, environment = PARTS
    numbers = _differences(there[hyper], here[hyper], both=True)
    if numbers:
        warnings.warn(
            f"going on with the hyper-parameters of {entry}, not with those that were passed: {'; '.join(numbers)}. To "
            "train on with others, start a new run from the weights: advnotes.load(game, checkpoint).",
            stacklevel=3,
        )
    other = _differences(there[environment], here[environment])
    if other:
        warnings.warn(
            f"going on from {entry}, but under other conditions than before: {'; '.join(other)}", stacklevel=3
        )


def _differences(there: dict[str, Any], here: dict[str, Any], both: bool = False) -> list[str]:
    """What differs between a checkpoint and a run, in words; with ``both``, only of what both have."""
    names = [name for name in here if name in there or not both]
    names += [] if both else [name for name in there if name not in here]
    return [
        f"{name}: {_short(there.get(name, 'missing'))} there, {_short(here.get(name, 'missing'))} here"
        for name in names
        if there.get(name) != here.get(name)
    ]


def _short(value: Any) -> str:
    """A value as it fits into a message."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
