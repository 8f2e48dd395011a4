"""A run from its first round to its last: when losses are flushed, callbacks called and checkpoints written."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from tqdm import tqdm

from advnotes.loop.callbacks import run_callbacks
from advnotes.loop.history import State
from advnotes.loop.losses import Losses
from advnotes.loop.rounds import Rounds
from advnotes.loop.run import Run
from advnotes.loop.run_checkpoints import RunCheckpoints
from advnotes.loop.schedules import check_length, is_loss
from advnotes.loop.signals import DelayedSignals
from advnotes.processes import in_first, shows_progress


@dataclass(frozen=True)
class Plan:
    """How long to play, and how often to do what: the arguments of ``play`` of the same names."""

    epochs: int | None
    steps: int | None
    callback_every: int | None
    checkpoint_every: int | timedelta
    progress: bool

    def rounds(self, run: Run) -> int | None:
        """How many rounds the whole run has, where the data tells."""
        total, batches = self.steps, len(run.reader.source)
        if self.epochs is not None and batches:
            rounds = math.ceil(batches * self.epochs / run.batches_per_round)
            total = rounds if total is None else min(rounds, total)
        return total


class Session:
    """A run under way."""

    def __init__(
        self,
        run: Run,
        plan: Plan,
        rounds: Rounds,
        losses: Losses,
        checkpoints: RunCheckpoints | None,
        signals: DelayedSignals,
    ) -> None:
        self.run, self.plan, self.rounds, self.losses = run, plan, rounds, losses
        self.checkpoints, self.signals = checkpoints, signals
        self._saved_at = time.perf_counter()
        self._signal, self._overdue = 0, 0
        self._bar: tqdm[Any] | None = None

    def play(self) -> None:
        """Round after round until the plan, a callback or a signal ends it."""
        run, plan = self.run, self.plan
        with _make_bar(run, plan) as self._bar:
            while (
                run.stopped is None
                and (plan.steps is None or run.step < plan.steps)
                and run.reader.ready(plan.epochs)
            ):
                self._end_epochs()
                self.rounds.play_one()
                # Several processes have to agree on a signal, which they do when they flush.
                if self.losses.should_flush() or (self.losses.world == 1 and self.signals.number):
                    self._flush()
                if plan.callback_every is not None and run.step % plan.callback_every == 0:
                    self._run_callbacks()
                if self._save_is_due():
                    self._save()
                if self._signal:
                    self._interrupt()
            self._end_epochs()
            self._flush()
            self.losses.check_parameters()
            self._run_callbacks()
            self._save(final=True)

    def _flush(self) -> None:
        """Bring the losses to the host, and learn which signals the other processes have received."""
        every = self.plan.checkpoint_every
        seconds = every.total_seconds() if isinstance(every, timedelta) else math.inf
        overdue = int(time.perf_counter() - self._saved_at >= seconds)
        signal, overdue = self.losses.flush(self.signals.number, overdue)
        self._signal, self._overdue = max(self._signal, signal), max(self._overdue, overdue)
        assert self._bar is not None
        losses = self.run.history.losses.items()
        self._bar.set_postfix({name: f"{each[-1]:.4g}" for name, each in losses if each}, refresh=False)
        self._bar.update(self.run.step - self._bar.n)

    def _end_epochs(self) -> None:
        """Step what goes by epochs, once for each epoch that has ended."""
        run = self.run
        while run.epochs_scheduled < run.reader.epoch:
            epoch, run.epochs_scheduled = run.epochs_scheduled, run.epochs_scheduled + 1
            for player in run.players.values():
                if player.schedule is None:
                    continue
                player.schedule.step("epoch")
                if is_loss(player.schedule.by, run.players):
                    self._flush()
                    rounds = np.array(run.history.epochs) == epoch
                    losses = np.array(run.history.losses[player.schedule.by.removesuffix("_loss")])
                    if rounds.any():
                        player.schedule.step(player.schedule.by, float(losses[rounds].mean()))

    def _run_callbacks(self) -> None:
        """Call the callbacks, once a step, without an effect on the training."""
        run = self.run
        if not run.callbacks or run.last_callback_step == run.step:
            return
        self._flush()
        self.losses.check_parameters()
        run.last_callback_step = run.step
        state = State(run.game, run.step, run.reader.epoch, run.history.averages, run.history)
        with self.rounds.flags_as_found():
            row, run.stopped = in_first(
                run.accelerator, lambda: run_callbacks(run.callbacks, state, run.accelerator.device)
            )
        if row:
            run.history.metrics.append({"step": run.step, **row})
        for name, player in run.players.items():
            if player.schedule is None or (metric := player.schedule.metric(run.players)) is None:
                continue
            if metric not in row:
                raise ValueError(
                    f"the schedule of {name!r} waits for {metric!r}, and the callbacks measured "
                    f"{', '.join(map(repr, row)) or 'nothing'}: name one of these in schedule_by=."
                )
            player.schedule.step(metric, row[metric])

    def _save_is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        every = self.plan.checkpoint_every
        return bool(self._overdue) if isinstance(every, timedelta) else self.run.step % every == 0

    def _save(self, final: bool = False) -> None:
        """Write a checkpoint of this step, if there is none, and only of what is finite.

        Raises:
            OSError: where the ``final`` one could not be written; for others there is a warning.
        """
        run = self.run
        if self.checkpoints is None or run.saved_step == run.step:
            return
        self._flush()
        self.losses.check_parameters()
        try:
            self.checkpoints.save(run)
        except OSError as error:
            last = "there is none yet" if run.last_checkpoint is None else f"it is {run.last_checkpoint}"
            last = f"the last good checkpoint: {last}"
            if final:
                error.add_note(f"The game is over, and its last checkpoint could not be written; {last}.")
                raise
            if run.accelerator.is_main_process:
                warnings.warn(
                    f"the checkpoint of step {run.step} could not be written ({error}); the game goes on; {last}",
                    stacklevel=2,
                )
        self._saved_at, self._overdue = time.perf_counter(), 0

    def _interrupt(self) -> None:
        """Save, and then have the signal do what it does."""
        number, self._signal = self._signal, 0
        self._save()
        self.signals.deliver(number)


def check(run: Run, plan: Plan) -> None:
    """Raise ValueError for a plan that is shorter than what was played, or schedules that end before the game."""
    epoch = run.reader.epoch
    if (plan.steps is not None and run.step > plan.steps) or (
        plan.epochs is not None and epoch > plan.epochs
    ):
        raise ValueError(
            f"the checkpoint is at step {run.step} in epoch {epoch}, beyond steps={plan.steps}, "
            f"epochs={plan.epochs}: ask for more, or use another folder."
        )
    total = plan.rounds(run)
    for name, player in run.players.items():
        if player.schedule is None or total is None:
            continue
        moves = sum(player in turn for turn in run.turns)
        steps = {"step": (total - run.step) * moves, "round": total - run.step}
        if plan.steps is None and plan.epochs is not None:
            steps["epoch"] = plan.epochs - run.epochs_scheduled
        if player.schedule.by in steps:
            check_length(name, player.schedule, steps[player.schedule.by])


def _make_bar(run: Run, plan: Plan) -> tqdm[Any]:
    """The progress bar, or a silent one."""
    bar: tqdm[Any] = tqdm(
        total=plan.rounds(run),
        initial=run.step,
        desc=type(run.game).__name__,
        unit="step",
        disable=not shows_progress(plan.progress, run.accelerator.is_main_process),
    )
    return bar
