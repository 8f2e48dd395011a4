"""All that a game under way consists of, into a checkpoint and out of it, in every process."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from advnotes.loop import checkpoint, rng
from advnotes.loop.checkpoint import CheckpointError

if TYPE_CHECKING:
    from advnotes.loop.play import _Table

FORMAT = 1


class Snapshots:
    """The checkpoints of one game in one folder.

    Files of a checkpoint: ``header.json`` (what it is of), ``game.safetensors`` (the game's whole ``state_dict``),
    ``average-<player>.safetensors``, ``training.json`` and ``.safetensors`` (optimizers, schedules, history), and
    for each process ``process-<rank>.json`` and ``.safetensors`` (random numbers, place in the data, buffers).

    Attributes:
        last: the last good checkpoint that this run wrote or read.
        saved: its step.
    """

    def __init__(self, folder: Path, keep: int, accelerator: Accelerator, table: _Table) -> None:
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"checkpoint is a folder, got the file {folder}.")
        self.folder, self.keep, self.accelerator, self.table = folder, keep, accelerator, table
        self.last: Path | None = None
        self.saved: int | None = None
        for name, value in table.game.state_dict().items():
            if not isinstance(value, Tensor):
                raise ValueError(
                    f"the game's state {name!r} is a {type(value).__name__}, and checkpoints hold tensors: have "
                    "get_extra_state return a tensor, or play without checkpoint=."
                )
        checkpoint.encode(self._training(), {})  # says now, not at the first checkpoint, what cannot be kept

    def require_empty(self) -> None:
        """Refuse to start afresh where something is already.

        Raises:
            ValueError: where the folder holds anything.
        """

        def look() -> None:
            if self.folder.exists() and any(self.folder.iterdir()):
                raise ValueError(
                    f"resume=False, but {self.folder} is not empty: empty it or name another folder."
                )

        self._first(look)

    def save(self) -> None:
        """Write a checkpoint of the table as it is now."""
        step, rank = self.table.step, self.accelerator.process_index
        temporary = checkpoint.partial(self.folder, step)

        def prepare() -> None:
            self.folder.mkdir(parents=True, exist_ok=True)
            checkpoint.clean(self.folder)
            temporary.mkdir()

        self._first(prepare)
        checkpoint.save(temporary, f"process-{rank:05d}", self._process())

        self.accelerator.wait_for_everyone()

        def write() -> None:
            checkpoint.save(temporary, "header", self._header())
            checkpoint.save(temporary, "training", self._training())
            checkpoint.save_tensors(temporary, "game", self.table.game.state_dict())
            for name, average in self.table.history.averages.items():
                checkpoint.save_tensors(temporary, f"average-{name}", average.state_dict())
            checkpoint.seal(temporary, checkpoint.path(self.folder, step))
            checkpoint.prune(self.folder, step, self.keep)

        self._first(write)
        self.last, self.saved = checkpoint.path(self.folder, step), step

    def resume(self) -> None:
        """Go on from the last checkpoint that can be used; begin at the beginning where there is none at all.

        Raises:
            CheckpointError: where there are checkpoints, and none of them can be used.
        """
        chosen = self._first(self._choose)
        if chosen is not None:
            self._load(Path(chosen))

    def _choose(self) -> str | None:
        """The last checkpoint that is whole and of this game."""
        refused: list[str] = []
        for _, entry in checkpoint.found(self.folder):
            try:
                self._examine(entry)
            except CheckpointError as error:
                refused.append(f"{entry} is refused: {error}")
                continue
            for line in refused:
                warnings.warn(f"{line}; going on from {entry}", stacklevel=2)
            return str(entry)
        if refused:
            raise CheckpointError(
                ".\n".join(refused)
                + ".\nThere is no other: mend or remove what is there, or name another folder."
            )
        return None

    def _examine(self, entry: Path) -> None:
        """Refuse a checkpoint that is damaged or of something else."""
        if not entry.is_dir():
            raise CheckpointError("it is not a folder")
        checkpoint.verify(entry)
        there, here = checkpoint.header(entry), self._header()
        if there.get("format") != FORMAT:
            raise CheckpointError(f"it has the format {there.get('format')!r}, this version reads {FORMAT}")
        if there.get("processes") != here["processes"]:
            raise CheckpointError(
                f"{there.get('processes')} process(es) wrote it and {here['processes']} are running: start as many"
            )
        differences = [
            f"its {what} {_short(there.get(what))}, here {_short(mine)}"
            for what, mine in here.items()
            if what not in ("shapes", "step") and there.get(what) != mine
        ]
        theirs, ours = there.get("shapes", {}), here["shapes"]
        differences += [
            f"its {name} is {theirs.get(name, 'missing')}, here {ours.get(name, 'missing')}"
            for name in [*ours, *(name for name in theirs if name not in ours)]
            if theirs.get(name) != ours.get(name)
        ]
        if differences:
            more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
            raise CheckpointError(f"it is of another game ({'; '.join(differences[:3])}{more})")

    def _load(self, entry: Path) -> None:
        """Take over a checkpoint that was examined."""
        table, rank = self.table, self.accelerator.process_index
        header, training = checkpoint.header(entry), checkpoint.load(entry, "training")
        own = checkpoint.load(entry, f"process-{rank:05d}")
        table.game.load_state_dict(checkpoint.load_tensors(entry, "game"))
        for name, average in table.history.averages.items():
            average.load_state_dict(checkpoint.load_tensors(entry, f"average-{name}"))
        for name, mover in table.seats.items():
            mover.optimizer.load_state_dict(training["optimizers"][name])
            if mover.schedule is not None:
                mover.schedule.load_state_dict(training["schedules"][name])
        for buffer, value in zip(self._buffers(), own["buffers"], strict=True):
            buffer.copy_(value)
        table.history.load_state_dict(training["history"])
        table.step, table.measured = header["step"], training["measured"]
        table.reader.load_state_dict(own["place"])
        rng.restore(own["random"], self.accelerator.device)
        self.last, self.saved = entry, table.step

    def _header(self) -> dict[str, Any]:
        """What a checkpoint is of."""
        seats = self.table.seats
        state = self.table.game.state_dict()
        optimizers = {
            name: [
                type(mover.optimizer).__name__,
                [len(group["params"]) for group in mover.optimizer.param_groups],
            ]
            for name, mover in seats.items()
        }
        return {
            "format": FORMAT,
            "step": self.table.step,
            "processes": self.accelerator.num_processes,
            "game": type(self.table.game).__name__,
            "players": list(seats),
            "optimizers": optimizers,
            "schedules": {name: type(mover.schedule).__name__ for name, mover in seats.items()},
            "averages": {
                name: mover.average.decay for name, mover in seats.items() if mover.average is not None
            },
            "shapes": {name: f"{_dtype(value)}{list(value.shape)}" for name, value in state.items()},
        }

    def _training(self) -> dict[str, Any]:
        """What the game is trained with, and its record: the same in all processes."""
        seats = self.table.seats
        return {
            "optimizers": {name: mover.optimizer.state_dict() for name, mover in seats.items()},
            "schedules": {
                name: mover.schedule.state_dict()
                for name, mover in seats.items()
                if mover.schedule is not None
            },
            "history": self.table.history.state_dict(),
            "measured": self.table.measured,
        }

    def _process(self) -> dict[str, Any]:
        """What differs from process to process."""
        return {
            "place": self.table.reader.state_dict(),
            "random": rng.capture(self.accelerator.device),
            "buffers": self._buffers(),
        }

    def _buffers(self) -> list[Tensor]:
        """The buffers of the game and of the averages, which saw this process's batches alone."""
        tops: list[nn.Module] = [self.table.game, *self.table.history.averages.values()]
        return [buffer for top in tops for buffer in top.buffers()]

    def _first(self, act: Callable[[], Any]) -> Any:
        """Let the first process act, and all processes have its result or its error."""
        told: list[Any] = [None, None]
        if self.accelerator.is_main_process:
            try:
                told = [act(), None]
            except Exception as error:
                told = [None, error]
        if self.accelerator.num_processes > 1:
            broadcast_object_list(told)
        if told[1] is not None:
            raise told[1]
        return told[0]


def _dtype(value: Tensor) -> str:
    """A dtype without its module."""
    return str(value.dtype).removeprefix("torch.")


def _short(value: Any) -> str:
    """A value as it fits into a message."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
