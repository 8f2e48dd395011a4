"""The only training loop there is: any game, on any device, in any number of processes, to be interrupted at will."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from accelerate import Accelerator
from accelerate.utils import is_compiled_module
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from advnotes.checks import check_count
from advnotes.fast import keeping
from advnotes.game import Game
from advnotes.loop.averages import Average
from advnotes.loop.callbacks import Callback
from advnotes.loop.history import History
from advnotes.loop.losses import Losses
from advnotes.loop.players import PlayerOptimizer, build_player_optimizers, check_ema
from advnotes.loop.precision_and_seeds import resolve_precision, seed_each_process
from advnotes.loop.reader import Reader
from advnotes.loop.rounds import Rounds
from advnotes.loop.run import Run
from advnotes.loop.run_checkpoints import RunCheckpoints
from advnotes.loop.schedules import check_metrics
from advnotes.loop.session import Plan, Session, check
from advnotes.loop.signals import DelayedSignals
from advnotes.processes import join_processes

__all__ = ["play"]


def play(
    game: Game,
    data: Iterable[Any],
    optimizers: Optimizer | Mapping[str, Optimizer],
    *,
    epochs: int | None = None,
    steps: int | None = None,
    schedules: LRScheduler | Mapping[str, LRScheduler] | None = None,
    schedule_by: str | Mapping[str, str] = "step",
    accumulate: int | Mapping[str, int] = 1,
    clip: float | Mapping[str, float] | None = None,
    ema: Mapping[str, float] | None = None,
    callbacks: Sequence[Callback] = (),
    callback_every: int | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | timedelta = 1000,
    keep: int = 2,
    resume: bool = True,
    precision: Literal["float32", "bfloat16"] | None = None,
    progress: bool = True,
    accelerator: Accelerator | None = None,
) -> History:
    """Play ``game``: every player in its turn goes down the gradient of its own loss.

    A step is one round of ``game.turns``. Within a round every player reads the same batches from the first on:
    each of its turns takes its next ``accumulate`` batches, and a batch is drawn from the data only when the first
    player comes to it. So the two players of a GAN see the same batch, and five turns of a critic see five, the
    first of which its generator sees too.

    It runs on the CPU, on a GPU, or in several processes (``torchrun``, ``accelerate launch``), however the program
    was started. Each process reads its own share of the data, gradients are averaged, and the noise of every process
    differs. The modules are left in the train or eval mode that they are in.

    Args:
        game: what is played; its parameters and buffers change in place.
        data: a DataLoader, or anything else that can be iterated over again and again, of tensors or of tuples or
            lists of tensors: ``<player>_loss(*batch)``.
        optimizers: for each player an optimizer of that player's parameters (a bare one for a single player).
        epochs: stop before a round that would begin after so many readings of the data.
        steps: stop after so many rounds, those before an interruption included. With both, whichever is first.
        schedules: for a player, its learning-rate schedule.
        schedule_by: when schedules step, for all or by player: after each "step" of the player's optimizer (several
            in a round where it has several turns), each "round" or each "epoch". For a ReduceLROnPlateau the name of
            a metric of the callbacks, which it is told each time that they are called, or ``"<player>_loss"``, whose
            mean over an epoch it is told.
        accumulate: over how many batches a turn averages its gradient, for all players or by player.
        clip: largest 2-norm of a player's gradient, for all players or by player.
        ema: for a player, the decay in [0, 1) of the moving average of its weights: ``history.averages[player]``.
        callbacks: called as ``callback(state)`` with a :class:`State`, in the main process only, while the others
            wait; a returned mapping of numbers goes into ``history.metrics``. They see the game in eval mode, with
            finite weights. Random numbers that they draw and modes that they set do not affect the training. One that
            raises :class:`StopPlaying` ends the game. A callback with ``state_dict`` and ``load_state_dict`` is saved
            and restored with the run.
        callback_every: call them every so many steps; in any case at the end.
        checkpoint: folder for checkpoints, for this run alone while it runs. They are written at the end, every
            ``checkpoint_every``, and when SIGINT (Ctrl-C), SIGTERM or SIGUSR1 comes: after the round that is under
            way, and then the signal takes its usual effect. A second signal takes effect at once. Where a checkpoint
            before the last one fails, there is a warning.
        checkpoint_every: steps, or a ``timedelta``, from one checkpoint to the next.
        keep: how many checkpoints are kept, the last ones.
        resume: go on from the last checkpoint that is whole and of this game: of the same class, turns, kinds of
            optimizers and schedules, ``schedule_by``, ``accumulate``, ``clip``, ``ema``, precision, and with equal
            :meth:`Game.settings`; others are refused. Hyper-parameters inside optimizers and schedules come from the
            checkpoint, with a warning where others were passed. Another size of data or batches, version of torch,
            number of threads or kind of processor is warned of. Without any of these, the result is bit for bit that
            of a run that was never interrupted, given data with ``state_dict`` and ``load_state_dict`` (torchdata's
            StatefulDataLoader), or whose order and content are fixed by the states of the global generators and its
            own ``generator`` when an epoch begins. This does not hold for data that draws between two batches from
            a global generator that the game uses too (a shuffle buffer), nor for workers that persist over the end of
            an epoch. With False the folder must be empty.
        precision: "bfloat16" computes losses under autocast; None is what ``accelerate launch`` was told, else
            "float32".
        progress: show a bar, in the main process; the variable TQDM_DISABLE silences it too.
        accelerator: where to run; by default it is found out. ``Accelerator(cpu=True)`` stays off the GPU.

    Returns:
        The :class:`History`: losses by player and step, metrics, averages.

    Raises:
        ValueError: where the arguments do not fit each other or the game, before any work starts.
        CheckpointError: where there are checkpoints and none of them can be used.
        NonFiniteLoss: where a loss, or a parameter after its step, is infinite or not a number. Losses are checked
            twice a second and before every callback and checkpoint; the error names the first such step.
        OSError: where the last checkpoint cannot be written.

    Every exception that ends a game, KeyboardInterrupt included, has the record so far as its ``history``.
    """
    bare = game._orig_mod if is_compiled_module(game) else game
    if not isinstance(bare, Game):
        raise ValueError(
            f"game is an advnotes Game, got {type(game).__name__}: derive it from advnotes.Game."
        )
    if epochs is None and steps is None:
        raise ValueError("pass epochs=, steps=, or both, to say how long to play.")
    if precision not in (None, "float32", "bfloat16"):
        raise ValueError(f'precision is "float32" or "bfloat16", got {precision!r}.')
    plan = Plan(
        None if epochs is None else check_count("epochs", epochs),
        None if steps is None else check_count("steps", steps),
        None if callback_every is None else check_count("callback_every", callback_every),
        _check_interval(checkpoint_every),
        progress,
    )
    keep = check_count("keep", keep)
    players = build_player_optimizers(bare, optimizers, schedules, schedule_by, accumulate, clip)
    waiting = {name: one.schedule for name, one in players.items() if one.schedule is not None}
    check_metrics(waiting, players, len(callbacks), callback_every)
    decays = check_ema(ema, list(players))
    accelerator = join_processes(accelerator)
    dtype = resolve_precision(precision, accelerator)
    reader = Reader(data, accelerator, remember=checkpoint is not None)
    if checkpoint is not None and isinstance(data, DataLoader) and data.persistent_workers:
        warnings.warn(
            "workers that persist carry their random numbers over the end of an epoch: a run resumed from its "
            "checkpoint will not repeat them exactly. Make the DataLoader with persistent_workers=False.",
            stacklevel=2,
        )
    checkpoints = None if checkpoint is None else RunCheckpoints(Path(checkpoint), keep, accelerator)
    with nullcontext() if checkpoints is None else checkpoints.hold():
        _to_device(bare, players, accelerator)
        seed_each_process(accelerator)
        for name, decay in decays.items():
            players[name].average = Average(name, players[name].player, decay)
        averages = {name: one.average.module for name, one in players.items() if one.average is not None}
        history = History({name: [] for name in players}, [], [], averages)
        run = Run(bare, players, reader, accelerator, dtype, callbacks, history)
        losses = Losses(run)
        with _history_on_errors(run, losses):
            rounds, signals = Rounds(run, game, losses), DelayedSignals()
            with rounds.frozen_parameters(), keeping(), nullcontext() if checkpoints is None else signals:
                if checkpoints is not None:
                    checkpoints.check(run)
                    checkpoints.resume(run) if resume else checkpoints.require_empty()
                start = run.step
                check(run, plan)
                Session(run, plan, rounds, losses, checkpoints, signals).play()
    if run.step == start > 0 and accelerator.is_main_process:
        why = f"as a callback ended the game there ({run.stopped})" if run.stopped is not None else ""
        warnings.warn(
            f"resumed at step {start} of {plan.rounds(run)}, nothing to do {why}".rstrip(), stacklevel=2
        )
    return history


def _check_interval(every: object) -> int | timedelta:
    """A number of steps or a time."""
    if isinstance(every, timedelta):
        if every <= timedelta(0):
            raise ValueError(f"checkpoint_every must be a time above 0, got {every}")
        return every
    return check_count("checkpoint_every", every)


def _to_device(game: Game, players: Mapping[str, PlayerOptimizer], accelerator: Accelerator) -> None:
    """Move the game, and the states of its optimizers, to where it is played."""
    game.to(accelerator.device)
    if accelerator.device.type != "cpu":
        for player in players.values():  # a state that was loaded on the CPU follows its parameters
            player.optimizer.load_state_dict(player.optimizer.state_dict())


@contextmanager
def _history_on_errors(run: Run, losses: Losses) -> Iterator[None]:
    """Give whatever ends the game the record so far."""
    try:
        yield
    except BaseException as error:
        error.history = run.history  # type: ignore[attr-defined]
        # After an error of a GPU its numbers cannot be read any more.
        if run.accelerator.device.type == "cpu" or not isinstance(error, RuntimeError):
            losses.record_rest()
        raise
