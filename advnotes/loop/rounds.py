"""One round after another: whose turn it is, gradients and steps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from advnotes.loop.losses import Losses
from advnotes.loop.players import PlayerOptimizer
from advnotes.loop.reader import Batch
from advnotes.loop.run import Run

# How DistributedDataParallel is told, before and since torch 2.13, to leave buffers alone during training.
_NEW = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
NO_BUFFER_SYNC: dict[str, Any] = {"forward_sync_buffers" if _NEW else "broadcast_buffers": False}


class Rounds:
    """The rounds of a run.

    Args:
        run: what is played.
        game: what its losses are asked of: the game, or what ``torch.compile`` made of it.
        losses: where the losses go.
    """

    def __init__(self, run: Run, game: nn.Module, losses: Losses) -> None:
        self.run, self.game, self.losses = run, game, losses
        self.world, self.device = run.accelerator.num_processes, run.accelerator.device
        self._flags = {parameter: parameter.requires_grad for parameter in run.game.parameters()}
        self._moving: PlayerOptimizer | None = None

    @contextmanager
    def frozen_parameters(self) -> Iterator[None]:
        """Freeze all parameters, for each player in turn to move its own; leave flags as found and no gradients."""
        try:
            self._freeze_all_but(None)
            self._wrap()
            yield
        finally:
            self._restore_flags()
            for player in self.run.players.values():
                player.optimizer.zero_grad(set_to_none=True)

    @contextmanager
    def flags_as_found(self) -> Iterator[None]:
        """Within this every parameter requires a gradient where the user had it so."""
        self._restore_flags()
        yield
        self._freeze_all_but(None)

    def play_one(self) -> None:
        """One turn after another."""
        run = self.run
        run.step += 1
        self.losses.begin_round()
        drawn: list[Batch] = []
        read = dict.fromkeys(run.players, 0)
        for turn in run.turns:
            for player in turn:
                player.optimizer.zero_grad(set_to_none=True)
            for player in turn:
                self._freeze_all_but(player)
                for piece in range(player.accumulate):
                    if read[player.name] == len(drawn):
                        drawn.append(run.reader.take())
                        self.losses.add_batch(drawn[-1])
                    batch = drawn[read[player.name]]
                    read[player.name] += 1
                    try:
                        self._gradient(player, batch, last=piece == player.accumulate - 1)
                    except Exception as error:
                        self._explain(error, player, batch)
                        raise
            for player in turn:
                player.step()
        for player in run.players.values():
            if player.schedule is not None:
                player.schedule.step("round")

    def _gradient(self, player: PlayerOptimizer, batch: Batch, last: bool) -> None:
        """Add one batch's part to the gradient of a player; processes average theirs with the ``last``."""
        wait = self.world > 1 and not last
        with self.game.no_sync() if wait else nullcontext():  # type: ignore[operator]
            if self.run.dtype is torch.float32:
                loss = self.game(player.name, *batch)
            else:
                with torch.autocast(self.device.type, dtype=self.run.dtype):
                    loss = self.game(player.name, *batch)
            if not isinstance(loss, Tensor) or loss.dim() != 0 or not loss.requires_grad:
                raise ValueError(describe_invalid_loss(player.name, loss))
            self.losses.add(loss)
            (loss if player.accumulate == 1 else loss / player.accumulate).backward()

    def _explain(self, error: Exception, player: PlayerOptimizer, batch: Batch) -> None:
        """Add to an error where in the game it was met, and on what."""
        parts = [f"{str(part.dtype).removeprefix('torch.')}{list(part.shape)}" for part in batch]
        note = (
            f"This was raised in {player.name}_loss of {type(self.run.game).__name__}, at step {self.run.step} in "
            f"epoch {self.run.reader.epoch}, for the batch ({', '.join(parts)})."
        )
        if any(part.dim() > 0 and len(part) == 1 for part in batch):
            note += " It has one sample: DataLoader(drop_last=True) leaves a smaller last batch out."
        error.add_note(note)

    def _wrap(self) -> None:
        """Wrap the whole game once, so that the gradients of every player's loss are averaged over the processes."""
        if self.world == 1:
            return
        for player in self.run.players.values():
            _require_grad(player.parameters, True)
        # Not by accelerator.prepare_model: it would patch game.forward for its own mixed precision and keep the
        # game alive. Buffers are not synchronised: sent round before a second forward of the same turn, they would
        # overwrite what the first one's backward still needs.
        self.game = DistributedDataParallel(
            self.game,
            device_ids=None if self.device.type == "cpu" else [self.device.index],
            find_unused_parameters=True,
            **NO_BUFFER_SYNC,
        )
        self._freeze_all_but(None)

    def _freeze_all_but(self, player: PlayerOptimizer | None) -> None:
        """Let the gradient reach the parameters of one player only, or of none."""
        if self._moving is player and player is not None:
            return
        if self._moving is None:
            _require_grad(self._flags, False)
        else:
            _require_grad(self._moving.parameters, False)
        if player is not None:
            _require_grad(player.parameters, True)
        self._moving = player

    def _restore_flags(self) -> None:
        """Every parameter as the user had it."""
        for parameter, flag in self._flags.items():
            parameter.requires_grad_(flag)
        self._moving = None


def describe_invalid_loss(player: str, loss: Any) -> str:
    """What is wrong with a loss."""
    wanted = f"{player}_loss returns a scalar tensor that depends on the parameters of {player!r}, got "
    if not isinstance(loss, Tensor):
        return f"{wanted}{type(loss).__name__}."
    if loss.dim():
        return f"{wanted}a tensor of shape {tuple(loss.shape)}: take its mean or sum."
    return f"{wanted}one without a gradient: look for detach(), no_grad() or item() on its way."


def _require_grad(parameters: Iterable[nn.Parameter], flag: bool) -> None:
    """Set ``requires_grad``."""
    for parameter in parameters:
        parameter.requires_grad_(flag)
