"""The state of a run: what it is, how far it has come, and what a checkpoint must keep of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from advnotes import rng
from advnotes.game import Game
from advnotes.loop.callbacks import Callback, stateful
from advnotes.loop.history import History
from advnotes.loop.players import PlayerOptimizer
from advnotes.loop.reader import Reader


@dataclass
class Run:
    """A game that is being played.

    Attributes:
        game: what is played.
        players: each player with what moves it.
        reader: the batches.
        accelerator: where it is played.
        dtype: what losses are computed in.
        callbacks: what measures it.
        history: the record so far.
        step: how many rounds were played.
        epochs_scheduled: how many epochs the schedules that go by epochs were told of.
        last_callback_step: when the callbacks were last called.
        stopped: why a callback ended the game; None where none did.
        last_checkpoint: the last good checkpoint that this run wrote or read.
        saved_step: its step.
        settings: the numbers that the run began with, as text, by part and name.
    """

    game: Game
    players: dict[str, PlayerOptimizer]
    reader: Reader
    accelerator: Accelerator
    dtype: torch.dtype
    callbacks: Sequence[Callback]
    history: History
    step: int = 0
    epochs_scheduled: int = 0
    last_callback_step: int = 0
    stopped: str | None = None
    last_checkpoint: Path | None = None
    saved_step: int | None = None
    turns: list[tuple[PlayerOptimizer, ...]] = field(init=False)
    settings: dict[str, dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        turns = [(turn,) if isinstance(turn, str) else turn for turn in self.game.turns]
        self.turns = [tuple(self.players[name] for name in turn) for turn in turns]
        self.settings = self.present_settings()

    @property
    def loss_owners(self) -> list[str]:
        """Whose each loss of a round is, in the order in which a round computes them."""
        return [player.name for turn in self.turns for player in turn for _ in range(player.accumulate)]

    @property
    def batches_per_round(self) -> int:
        """How many batches a round draws from the data."""
        owners = self.loss_owners
        return max(owners.count(name) for name in self.players)

    def buffers(self) -> list[Tensor]:
        """The buffers of the game and of the averages, which saw this process's batches alone."""
        tops: list[nn.Module] = [self.game, *self.history.averages.values()]
        return [buffer for top in tops for buffer in top.buffers()]

    def present_settings(self) -> dict[str, dict[str, str]]:
        """The numbers that it is played with now, as text."""
        players = self.players.values()
        numbers = {name: repr(value) for player in players for name, value in player.settings().items()}
        return {"settings of the game": self.game.settings(), "hyper-parameters": numbers}

    def training_state(self) -> dict[str, Any]:
        """What the game is trained with, and its record: the same in all processes."""
        players = self.players.values()
        return {
            "optimizers": {player.name: player.optimizer.state_dict() for player in players},
            "schedules": {
                player.name: player.schedule.scheduler.state_dict()
                for player in players
                if player.schedule is not None
            },
            "history": self.history.state_dict(),
            "step": self.step,
            "epochs_scheduled": self.epochs_scheduled,
            "last_callback_step": self.last_callback_step,
            "stopped": self.stopped,
            "callbacks": {name: one.state_dict() for name, one in stateful(self.callbacks).items()},
        }

    def process_state(self) -> dict[str, Any]:
        """What differs from process to process."""
        return {
            "place": self.reader.state_dict(),
            "random": rng.capture(self.accelerator.device),
            "buffers": self.buffers(),
        }

    def load_state(
        self,
        header: Mapping[str, Any],
        training: Mapping[str, Any],
        process: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        averages: Mapping[str, Mapping[str, Tensor]],
    ) -> None:
        """Take over what a checkpoint holds."""
        self.game.load_state_dict(dict(weights))
        for name, average in self.history.averages.items():
            average.load_state_dict(dict(averages[name]))
        for name, player in self.players.items():
            player.optimizer.load_state_dict(training["optimizers"][name])
            if player.schedule is not None:
                player.schedule.scheduler.load_state_dict(training["schedules"][name])
        for buffer, value in zip(self.buffers(), process["buffers"], strict=True):
            buffer.copy_(value)
        self.history.load_state_dict(training["history"])
        self.step, self.epochs_scheduled = training["step"], training["epochs_scheduled"]
        self.last_callback_step, self.stopped = training["last_callback_step"], training["stopped"]
        for name, callback in stateful(self.callbacks).items():
            if name in training["callbacks"]:
                callback.load_state_dict(training["callbacks"][name])
        self.settings = {part: dict(header[part]) for part in self.settings}
        self.reader.load_state_dict(process["place"])
        rng.restore(process["random"], self.accelerator.device)
