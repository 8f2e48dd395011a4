"""Checkpoints of a run: written whole or not at all, and resumed only by a run of the same kind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from advnotes.loop import checkpoint_files, folder
from advnotes.loop.checkpoint_files import CheckpointError
from advnotes.loop.description import PARTS, check_same_game, describe, warn_of_changes
from advnotes.loop.run import Run
from advnotes.processes import in_all, in_first


class RunCheckpoints:
    """The checkpoints of one run in one folder.

    Files of a checkpoint: ``header.json`` (what it is of), ``game.safetensors`` (the game's whole ``state_dict``),
    ``average-<player>.safetensors``, ``training.json`` and ``.safetensors`` (optimizers, schedules, history), and
    for each process ``process-<rank>.json`` and ``.safetensors`` (random numbers, place in the data, buffers).
    """

    def __init__(self, path: Path, keep: int, accelerator: Accelerator) -> None:
        self.folder, self.keep, self.accelerator = path.expanduser(), keep, accelerator

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Have the folder for this run alone, as :func:`folder.held` does."""
        with ExitStack() as stack:
            in_first(self.accelerator, lambda: stack.enter_context(folder.held(self.folder)))
            yield

    def require_empty(self) -> None:
        """Refuse to start afresh where something is already (ValueError where the folder holds anything)."""

        def look() -> None:
            if folder.contents(self.folder):
                raise ValueError(
                    f"resume=False, but {self.folder} is not empty: empty it or name another folder."
                )

        in_first(self.accelerator, look)

    def check(self, run: Run) -> None:
        """Say now, not at the first checkpoint, what cannot be kept.

        Raises:
            ValueError: where something of the run is no tensor, number or text.
        """
        for name, value in run.game.state_dict().items():
            if not isinstance(value, Tensor):
                raise ValueError(
                    f"the game's state {name!r} is a {type(value).__name__}, and checkpoints hold tensors: have "
                    "get_extra_state return a tensor, or play without checkpoint=."
                )

        def encode() -> None:
            checkpoint_files.encode(run.training_state(), {})

        in_first(self.accelerator, encode)

    def save(self, run: Run) -> None:
        """Write a checkpoint of the run as it is now.

        Raises:
            OSError: where one of the processes cannot write; what it had written is removed.
        """
        temporary = checkpoint_files.partial(self.folder, run.step)
        final = checkpoint_files.path(self.folder, run.step)
        rank = self.accelerator.process_index

        def prepare() -> None:
            checkpoint_files.clean(self.folder)
            temporary.mkdir(parents=True)

        def write() -> None:
            checkpoint_files.save(temporary, "header", self._header(run))
            checkpoint_files.save(temporary, "training", run.training_state())
            checkpoint_files.save_tensors(temporary, "game", run.game.state_dict())
            for name, average in run.history.averages.items():
                checkpoint_files.save_tensors(temporary, f"average-{name}", average.state_dict())
            checkpoint_files.seal(temporary, final)
            checkpoint_files.prune(self.folder, run.step, self.keep)

        try:
            in_first(self.accelerator, prepare)
            in_all(
                self.accelerator,
                lambda: checkpoint_files.save(temporary, f"process-{rank:05d}", run.process_state()),
            )
            in_first(self.accelerator, write)
        except OSError:
            in_first(self.accelerator, lambda: checkpoint_files.clean(self.folder))
            raise
        run.last_checkpoint, run.saved_step = final, run.step

    def resume(self, run: Run) -> None:
        """Go on from the last checkpoint that can be used; begin at the beginning where there is none at all.

        Raises:
            CheckpointError: where there are checkpoints, and none of them can be used.
        """
        chosen = in_first(self.accelerator, lambda: self._choose(run))
        if chosen is None:
            return
        # Read as a whole before anything is changed.
        contents = in_all(self.accelerator, lambda: _read(chosen, run, self.accelerator.process_index))
        run.load_state(*contents)
        run.last_checkpoint, run.saved_step = chosen, run.step

    def _choose(self, run: Run) -> Path | None:
        """The last checkpoint that is whole and of this game."""
        refused, here = list[str](), self._header(run)
        for _, entry in checkpoint_files.found(self.folder):
            try:
                there = examine(entry)
                if there["processes"] != here["processes"]:
                    raise CheckpointError(
                        f"{there['processes']} process(es) wrote it and {here['processes']} are running: start as many"
                    )
                check_same_game(there, here)
            except CheckpointError as error:
                refused.append(f"{entry} is refused: {error}")
                continue
            for line in refused:
                warnings.warn(f"{line}; going on from {entry}", stacklevel=2)
            warn_of_changes(entry, there, here)
            return entry
        if refused:
            raise CheckpointError(
                ".\n".join(refused)
                + f".\nNo usable checkpoint is left in {self.folder}: delete it, or name another folder. To start from "
                "the weights alone, advnotes.load(game, folder)."
            )
        return None

    def _header(self, run: Run) -> dict[str, Any]:
        """What a checkpoint is of."""
        return {
            "format": checkpoint_files.FORMAT,
            "step": run.step,
            "processes": self.accelerator.num_processes,
            **describe(run),
        }


def examine(entry: Path) -> dict[str, Any]:
    """The header of a checkpoint that is whole and of this format (CheckpointError where it is not)."""
    if not entry.is_dir():
        raise CheckpointError("it is not a folder")
    checkpoint_files.verify(entry)
    header = checkpoint_files.header(entry)
    if header.get("format") != checkpoint_files.FORMAT:
        raise CheckpointError(
            f"it has the format {header.get('format')!r}, this version reads {checkpoint_files.FORMAT}"
        )
    missing = {"step", "processes", *PARTS} - set(header)
    if missing:
        raise CheckpointError(f"its header lacks {', '.join(sorted(missing))}")
    return header


def _read(entry: Path, run: Run, rank: int) -> tuple[Any, ...]:
    """All that :meth:`Run.load_state` takes, checked to be there."""
    try:
        header = checkpoint_files.header(entry)
        training = checkpoint_files.load(entry, "training")
        process = checkpoint_files.load(entry, f"process-{rank:05d}")
        weights = checkpoint_files.load_tensors(entry, "game")
        averages = {
            name: checkpoint_files.load_tensors(entry, f"average-{name}") for name in run.history.averages
        }
        missing = [name for name in run.training_state() if name not in training]
        missing += [name for name in run.process_state() if name not in process]
        missing += [name for name in run.players if name not in training["optimizers"]]
        if missing:
            raise KeyError(*missing)
        shapes = [buffer.shape for buffer in run.buffers()]
        if [buffer.shape for buffer in process["buffers"]] != shapes:
            raise ValueError("the buffers have other shapes")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{entry} cannot be read ({type(error).__name__}: {error})") from error
    return header, training, process, weights, averages
