"""The only training loop there is: any game, on any device, in any number of processes, to be interrupted at will."""

from __future__ import annotations

import inspect
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list, gather
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from advnotes.fast import keeping
from advnotes.game import Game
from advnotes.loop import rng
from advnotes.loop.history import History, NonFiniteLoss, State
from advnotes.loop.mover import Mover, averages, check_ema, movers
from advnotes.loop.reader import Batch, Reader
from advnotes.loop.snapshot import Snapshots

__all__ = ["History", "NonFiniteLoss", "State", "play"]

Callback = Callable[[State], Mapping[str, float] | None]

# How DistributedDataParallel is told, before and since torch 2.13, to leave buffers alone during training.
_NEW = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
_APART: dict[str, Any] = {"forward_sync_buffers" if _NEW else "broadcast_buffers": False}

# Losses come to the host about so often (in seconds): each time the host has to wait for the device.
_LOOK = 0.5


def play(
    game: Game,
    data: Iterable[Any],
    optimizers: Optimizer | Mapping[str, Optimizer],
    *,
    epochs: int | None = None,
    steps: int | None = None,
    schedules: LRScheduler | Mapping[str, LRScheduler] | None = None,
    accumulate: int | Mapping[str, int] = 1,
    clip: float | Mapping[str, float] | None = None,
    ema: Mapping[str, float] | None = None,
    callbacks: Sequence[Callback] = (),
    callback_every: int | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
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

    Runs where it is started: on the CPU, on a GPU, or in several processes (``torchrun``, ``accelerate launch``),
    where each process reads its own share of the data, gradients are averaged, and the noise of every process
    differs. The modules are left in the train or eval mode that they are in.

    Args:
        game: what is played; its parameters and buffers change in place.
        data: a DataLoader, or anything else that can be iterated over again and again, of tensors or of tuples or
            lists of tensors: ``<player>_loss(*batch)``.
        optimizers: for each player an optimizer of that player's parameters (a bare one for a single player).
        epochs: stop before a round that would begin after so many readings of the data.
        steps: stop after so many rounds, those before an interruption included. With both, whichever is first.
        schedules: for a player, its learning-rate schedule, stepped after each step of its optimizer.
        accumulate: over how many batches a turn averages its gradient, for all players or by player.
        clip: largest 2-norm of a player's gradient, for all players or by player.
        ema: for a player, the decay in [0, 1) of the moving average of its weights: ``history.averages[player]``.
        callbacks: called as ``callback(state)`` with a :class:`State`, in the main process only; a returned mapping
            of numbers goes into ``history.metrics``. They see the game in eval mode, and neither their random
            numbers nor the modes that they set reach the training.
        callback_every: call them every so many steps; in any case at the end.
        checkpoint: folder for checkpoints; written at the end and every ``checkpoint_every`` steps.
        checkpoint_every: steps from one checkpoint to the next.
        keep: how many checkpoints are kept, the last ones.
        resume: go on from the last checkpoint that is whole and of this game. The result is bit for bit that of a
            run that was never interrupted, given data that depends on nothing but the global random number
            generators and its own ``generator`` (workers that persist carry more over the end of an epoch).
            Hyper-parameters inside optimizers and schedules come from the checkpoint. With False the folder must
            be empty.
        precision: "bfloat16" computes losses under autocast; None is what ``accelerate launch`` was told, else
            "float32".
        progress: show a bar, in the main process; the variable TQDM_DISABLE silences it too.
        accelerator: where to run, if it is not to be found out; ``Accelerator(cpu=True)`` stays off the GPU.

    Returns:
        The :class:`History`: losses by player and step, metrics, averages.

    Raises:
        ValueError: where the arguments do not fit each other or the game, before any work starts.
        CheckpointError: where there are checkpoints and none of them can be used.
        NonFiniteLoss: where a loss, or a parameter after its step, is infinite or not a number. Losses are looked
            at twice a second and before every callback and checkpoint; the step named is nevertheless the first.
    """
    if not isinstance(getattr(game, "_orig_mod", game), Game):
        raise ValueError(
            f"game is an advnotes Game, got {type(game).__name__}: derive it from advnotes.Game."
        )
    bare: Game = getattr(game, "_orig_mod", game)
    if epochs is None and steps is None:
        raise ValueError("say how long to play: epochs=, steps=, or both.")
    counts = {"epochs": epochs, "steps": steps, "callback_every": callback_every}
    counts |= {"checkpoint_every": checkpoint_every, "keep": keep}
    for name, count in counts.items():
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise ValueError(f"{name} is a whole number from 1, got {count!r}.")
    if precision not in (None, "float32", "bfloat16"):
        raise ValueError(f'precision is "float32" or "bfloat16", got {precision!r}.')
    seats = movers(bare, optimizers, schedules, accumulate, clip)
    check_ema(ema, list(seats))
    accelerator = _found(accelerator)
    reader = Reader(data, accelerator, remember=checkpoint is not None)
    if checkpoint is not None and getattr(data, "persistent_workers", False):
        warnings.warn(
            "workers that persist carry their random numbers over the end of an epoch: a run resumed from its "
            "checkpoint will not repeat them exactly. Make the DataLoader with persistent_workers=False.",
            stacklevel=2,
        )
    table = _Table(game, bare, seats, reader, accelerator, _precision(precision, accelerator), callbacks, ema)
    if checkpoint is not None:
        table.snapshots = Snapshots(Path(checkpoint), keep, accelerator, table)
    with table.seated(), keeping():
        if table.snapshots is not None:
            table.snapshots.resume() if resume else table.snapshots.require_empty()
        table.play(epochs, steps, callback_every, checkpoint_every, progress)
    return table.history


def _found(given: Accelerator | None) -> Accelerator:
    """Where to run: what was given, or what accelerate finds, several processes on CPUs included."""
    started = int(os.environ.get("WORLD_SIZE", "1"))
    # Without a GPU accelerate joins the processes of torchrun only where it is told to use the CPU.
    bare = not (torch.cuda.is_available() or torch.xpu.is_available())
    accelerator = given or Accelerator(cpu=started > 1 and bare)
    if accelerator.num_processes != started:
        raise ValueError(
            f"{started} processes were started, but accelerate was set up for {accelerator.num_processes}: without "
            "GPUs make it with Accelerator(cpu=True) before anything else does, or leave accelerator= out."
        )
    return accelerator


def _precision(asked: str | None, accelerator: Accelerator) -> torch.dtype:
    """The type that losses are computed in."""
    allowed = (
        DistributedType.NO,
        DistributedType.MULTI_CPU,
        DistributedType.MULTI_GPU,
        DistributedType.MULTI_XPU,
    )
    if accelerator.distributed_type not in allowed:
        raise ValueError(
            f"play shares the work by DistributedDataParallel, got accelerate's {accelerator.distributed_type}: choose "
            "no such plug-in in `accelerate config`."
        )
    if asked is None and accelerator.mixed_precision not in ("no", "bf16"):
        raise ValueError(
            f"play computes in float32 or bfloat16, accelerate was told {accelerator.mixed_precision}: say "
            "--mixed_precision bf16 or precision=."
        )
    half = asked == "bfloat16" or (asked is None and accelerator.mixed_precision == "bf16")
    return torch.bfloat16 if half else torch.float32


class _Table:
    """A game under way: who sits at it, how far it has come, and what is still to be looked at."""

    def __init__(
        self,
        game: nn.Module,
        bare: Game,
        seats: dict[str, Mover],
        reader: Reader,
        accelerator: Accelerator,
        dtype: torch.dtype,
        callbacks: Sequence[Callback],
        ema: Mapping[str, float] | None,
    ) -> None:
        self.game, self.seats, self.reader, self.accelerator = bare, seats, reader, accelerator
        self.dtype, self.callbacks = dtype, callbacks
        self.world, self.device = accelerator.num_processes, accelerator.device
        turns = [(turn,) if isinstance(turn, str) else turn for turn in bare.turns]
        self.turns = [tuple(seats[name] for name in turn) for turn in turns]
        # Who owns which loss of a round, in the order in which a round asks for them.
        self.columns = [mover.name for turn in self.turns for mover in turn for _ in range(mover.accumulate)]
        self.draws = max(self.columns.count(name) for name in seats)
        self.step = 0
        self.measured = 0
        self.snapshots: Snapshots | None = None
        self.history = History({name: [] for name in seats})
        self._pending: list[Tensor] = []
        self._pending_epochs: list[int] = []
        self._looked, self._look_at = time.perf_counter(), 1
        self._flags = {parameter: parameter.requires_grad for parameter in bare.parameters()}
        self._moving: Mover | None = None
        bare.to(self.device)
        if self.device.type != "cpu":
            for mover in seats.values():  # a state that was loaded on the CPU follows its parameters
                mover.optimizer.load_state_dict(mover.optimizer.state_dict())
        self._part_noise()
        self._wrapped = game
        averages(ema, seats)
        self.history.averages = {name: m.average.module for name, m in seats.items() if m.average is not None}

    def _part_noise(self) -> None:
        """Give every process but the first random numbers of its own: equal noise on all would be half the noise."""
        if self.world == 1:
            return
        first = broadcast_object_list([int(torch.randint(2**62, ()).item())])[0]
        if not self.accelerator.is_main_process:
            rng.seed(first + self.accelerator.process_index)

    def _wrap(self) -> None:
        """Put the whole game behind one door, so that what averages gradients sees every loss of every player."""
        if self.world == 1:
            return
        for mover in self.seats.values():
            _require(mover.parameters, True)
        # Not by accelerator.prepare_model: it would patch game.forward for its own mixed precision and keep the
        # game alive. Buffers stay apart: sent round before a second forward of the same turn, they would overwrite
        # what the first one's backward still needs.
        self._wrapped = DistributedDataParallel(
            self._wrapped,
            device_ids=None if self.device.type == "cpu" else [self.device.index],
            find_unused_parameters=True,
            **_APART,
        )
        self._only(None)

    @contextmanager
    def seated(self) -> Iterator[None]:
        """Leave every parameter's ``requires_grad`` as it was found, and no gradients behind."""
        try:
            self._only(None)
            self._wrap()
            yield
        finally:
            self._restore_flags()
            for mover in self.seats.values():
                mover.optimizer.zero_grad(set_to_none=True)

    def play(
        self,
        epochs: int | None,
        steps: int | None,
        callback_every: int | None,
        checkpoint_every: int,
        progress: bool,
    ) -> None:
        """Round after round until ``epochs`` or ``steps`` are reached."""
        if (steps is not None and self.step > steps) or (epochs is not None and self.reader.epoch > epochs):
            raise ValueError(
                f"the checkpoint is at step {self.step} in epoch {self.reader.epoch}, beyond steps={steps}, "
                f"epochs={epochs}: ask for more, or use another folder."
            )
        with self._bar(epochs, steps, progress) as bar:
            while (steps is None or self.step < steps) and self.reader.ready(epochs):
                self._round()
                if self._due():
                    self._look(bar)
                if callback_every is not None and self.step % callback_every == 0:
                    self._look(bar)
                    self._measure()
                if self.snapshots is not None and self.step % checkpoint_every == 0:
                    self._look(bar)
                    self._save()
            self._look(bar)
            self._check_parameters()
            self._measure()
            self._save()

    def _round(self) -> None:
        """One turn after another."""
        self.step += 1
        self._pending_epochs.append(self.reader.epoch)
        drawn: list[Batch] = []
        read = dict.fromkeys(self.seats, 0)
        for turn in self.turns:
            for mover in turn:
                mover.optimizer.zero_grad(set_to_none=True)
            for mover in turn:
                self._only(mover)
                for piece in range(mover.accumulate):
                    if read[mover.name] == len(drawn):
                        drawn.append(self.reader.take())
                    batch = drawn[read[mover.name]]
                    read[mover.name] += 1
                    self._gradient(mover, batch, last=piece == mover.accumulate - 1)
            for mover in turn:
                mover.step()

    def _gradient(self, mover: Mover, batch: Batch, last: bool) -> None:
        """Add one batch's part to the gradient of a player; processes average theirs with the ``last``."""
        wait = self.world > 1 and not last
        with self._wrapped.no_sync() if wait else nullcontext():  # type: ignore[operator]
            if self.dtype is torch.float32:
                loss = self._wrapped(mover.name, *batch)
            else:
                with torch.autocast(self.device.type, dtype=self.dtype):
                    loss = self._wrapped(mover.name, *batch)
            if not isinstance(loss, Tensor) or loss.dim() != 0 or not loss.requires_grad:
                raise ValueError(_odd(mover.name, loss))
            self._pending.append(loss.detach())
            (loss if mover.accumulate == 1 else loss / mover.accumulate).backward()

    def _only(self, mover: Mover | None) -> None:
        """Let the gradient reach the parameters of one player and of nobody else."""
        if self._moving is mover and mover is not None:
            return
        if self._moving is None:
            _require(self._flags, False)
        else:
            _require(self._moving.parameters, False)
        if mover is not None:
            _require(mover.parameters, True)
        self._moving = mover

    def _restore_flags(self) -> None:
        """Every parameter as the user had it."""
        for parameter, flag in self._flags.items():
            parameter.requires_grad_(flag)
        self._moving = None

    def _due(self) -> bool:
        """Whether it is time to bring the losses to the host: in all processes at the same step."""
        if self.world > 1:
            return self.step >= self._look_at
        return time.perf_counter() - self._looked > _LOOK

    def _look(self, bar: tqdm[Any]) -> None:
        """Bring the losses since the last look to the host in one go and write them down, if all are finite."""
        if not self._pending:
            return
        rounds, began = len(self._pending_epochs), self._pending_epochs
        values = torch.stack(self._pending)
        values = values if values.dtype is torch.float64 else values.float()
        if self.world > 1:
            # The clock of the first process decides for all when the next look is.
            pace = rounds / max(time.perf_counter() - self._looked, 1e-9)
            wait = min(max(1.0, pace * _LOOK), 2.0 * rounds)
            told = gather(torch.cat([values, values.new_tensor([wait])])[None])
            values, self._look_at = told[:, :-1].mean(0), self.step + int(told[0, -1])
        table = values.cpu().double().reshape(rounds, len(self.columns))
        self._pending, self._pending_epochs, self._looked = [], [], time.perf_counter()
        bad = (~table.isfinite()).nonzero()
        good = rounds if len(bad) == 0 else int(bad[0, 0])
        for name, losses in self.history.losses.items():
            own = [column for column, owner in enumerate(self.columns) if owner == name]
            losses.extend(table[:good, own].mean(1).tolist())
        self.history.epochs.extend(began[:good])
        if good < rounds:
            owner, value = self.columns[int(bad[0, 1])], float(table[good, bad[0, 1]])
            self._stop(f"the loss of {owner!r} is {value}", self.step - rounds + good + 1, owner)
        bar.set_postfix(
            {name: f"{losses[-1]:.4g}" for name, losses in self.history.losses.items()}, refresh=False
        )
        bar.update(self.step - bar.n)

    def _check_parameters(self) -> None:
        """No step may have left a parameter that is not finite (its loss would tell one step later)."""
        for mover in self.seats.values():
            finite = torch.stack([parameter.detach().isfinite().all() for parameter in mover.parameters])
            if not finite.all():
                self._stop(
                    f"{mover.name!r} has parameters that are not finite after its step", self.step, mover.name
                )

    def _stop(self, what: str, step: int, player: str) -> None:
        """End the game over something that is not finite."""
        last = None if self.snapshots is None or self.snapshots.last is None else str(self.snapshots.last)
        raise NonFiniteLoss(what, step, player, last, self.history)

    def _measure(self) -> None:
        """Call the callbacks, once a step, and leave the training as if nobody had looked."""
        if not self.callbacks or self.measured == self.step:
            return
        self.measured = self.step
        row: dict[str, float] = {}
        if self.accelerator.is_main_process:
            self._restore_flags()
            state = State(self.game, self.step, self.reader.epoch, self.history.averages, self.history)
            watched = [
                module for top in (self.game, *self.history.averages.values()) for module in top.modules()
            ]
            modes = [module.training for module in watched]
            with rng.preserved(self.device):
                try:
                    for callback in self.callbacks:
                        for module in watched:
                            module.training = False
                        row |= _metrics(callback, state, row)
                finally:
                    for module, mode in zip(watched, modes, strict=True):
                        module.training = mode
            self._only(None)
        if self.world > 1:
            row = broadcast_object_list([row])[0]
        if row:
            self.history.metrics.append({"step": self.step, **row})

    def _save(self) -> None:
        """Write a checkpoint of this step, if there is none, and only of what is finite."""
        if self.snapshots is not None and self.snapshots.saved != self.step:
            self._check_parameters()
            self.snapshots.save()

    def _bar(self, epochs: int | None, steps: int | None, progress: bool) -> tqdm[Any]:
        """The progress bar, or a silent one."""
        total = steps
        if epochs is not None and len(self.reader):
            rounds = math.ceil(len(self.reader) * epochs / self.draws)
            total = rounds if steps is None else min(rounds, steps)
        # tqdm itself reads the variable only once, when it is imported.
        silent = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
        bar: tqdm[Any] = tqdm(
            total=total,
            initial=self.step,
            desc=type(self.game).__name__,
            unit="step",
            disable=silent or not progress or not self.accelerator.is_main_process,
        )
        return bar


def _require(parameters: Iterable[nn.Parameter], flag: bool) -> None:
    """Set ``requires_grad``."""
    for parameter in parameters:
        parameter.requires_grad_(flag)


def _odd(player: str, loss: Any) -> str:
    """What is wrong with a loss."""
    wanted = f"{player}_loss returns a scalar tensor that depends on the parameters of {player!r}, got "
    if not isinstance(loss, Tensor):
        return f"{wanted}{type(loss).__name__}."
    if loss.dim():
        return f"{wanted}a tensor of shape {tuple(loss.shape)}: take its mean or sum."
    return f"{wanted}one without a gradient: look for detach(), no_grad() or item() on its way."


def _metrics(callback: Callback, state: State, before: Mapping[str, float]) -> dict[str, float]:
    """What one callback measured."""
    found = callback(state)
    if found is None:
        return {}
    name = getattr(callback, "__name__", type(callback).__name__)
    if not isinstance(found, Mapping):
        raise ValueError(
            f"the callback {name} returns a mapping of numbers or None, got {type(found).__name__}."
        )
    twice = {"step", *before} & set(found)
    if twice:
        raise ValueError(
            f"the callback {name} measures {sorted(twice)}, which is taken: give it another name."
        )
    return {str(key): float(value) for key, value in found.items()}
