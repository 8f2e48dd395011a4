"""The weights of a checkpoint, to use them or to start another run from them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from advnotes.game import Game
from advnotes.loop import checkpoint_files as files
from advnotes.loop.checkpoint_files import CheckpointError
from advnotes.loop.description import describe_shapes
from advnotes.loop.run_checkpoints import examine

__all__ = ["load"]


def load(game: Game, checkpoint: str | Path, *, averages: bool | Collection[str] = False) -> int:
    """Give ``game`` the parameters and buffers of a checkpoint of :func:`play`, and nothing else of it.

    The optimizers, the record and the place in the data stay out: a run that starts from these weights is a new one,
    in another folder. The class and the settings of the game may differ from the checkpoint's::

        load(game, "runs/madry")
        play(game, data, new_optimizers, steps=1000, checkpoint="runs/madry-finetuned")

    Args:
        game: a game with tensors of the same names and shapes; it changes in place.
        checkpoint: the folder that ``play`` was given, of which the last whole checkpoint is taken, or one
            ``step-...`` folder in it.
        averages: give the players named here (with True all that have one) their exponential moving average instead.

    Returns:
        the step of the checkpoint.

    Raises:
        CheckpointError: where there is no whole checkpoint, or its tensors do not fit the game.
        ValueError: where a player has no average there.
    """
    folder = Path(checkpoint).expanduser()
    entry, header = _last(folder)
    there, here = header["shapes"], describe_shapes(game)
    wrong = [name for name in {**here, **there} if there.get(name) != here.get(name)]
    if wrong:
        raise CheckpointError(
            f"{entry} does not fit: {wrong[0]} is {there.get(wrong[0], 'missing')} there and "
            f"{here.get(wrong[0], 'missing')} in the game, as are {len(wrong) - 1} other tensors"
        )
    kept = list(header["identity"]["averages"])
    names = kept if averages is True else [] if averages is False else list(averages)
    for name in names:
        if name not in kept:
            raise ValueError(
                f"{entry} has no moving average of {name!r}: play(ema=) kept those of {kept or 'nobody'}."
            )
    # Read as a whole before anything is changed.
    weights = files.load_tensors(entry, "game")
    for name in names:
        tensors = files.load_tensors(entry, f"average-{name}")
        weights |= {f"{name}.{label}": value for label, value in tensors.items()}
    game.load_state_dict(weights)
    return int(header["step"])


def _last(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The checkpoint that is meant, and its header."""
    entries = [entry for _, entry in files.found(folder)] or [folder]
    refused = []
    for entry in entries:
        try:
            return entry, examine(entry)
        except CheckpointError as error:
            refused.append(f"{entry} is refused: {error}")
    raise CheckpointError(".\n".join(refused))
