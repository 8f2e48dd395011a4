"""Losses on their way from the device to the history, and the first one that is not finite."""

from __future__ import annotations

import time
from typing import NoReturn

import torch
from accelerate.utils import gather
from torch import Tensor

from advnotes.loop.history import NonFiniteLoss
from advnotes.loop.reader import Batch
from advnotes.loop.run import Run

# Losses come to the host about so often: each time the host has to wait for the device.
FLUSH_SECONDS = 0.5


class Losses:
    """The losses of the rounds since the last flush, still on the device."""

    def __init__(self, run: Run) -> None:
        self.run, self.world = run, run.accelerator.num_processes
        self._owners = run.loss_owners
        self._epochs: list[int] = []
        self._losses: list[Tensor] = []
        # For each round the sums of its batches times 0: 0 where all of a batch is finite.
        self._data: list[list[Tensor]] = []
        self._flushed, self._next_flush_step = time.perf_counter(), 1

    def begin_round(self) -> None:
        """Expect the losses of another round."""
        self._epochs.append(self.run.reader.epoch)
        self._data.append([])

    def add_batch(self, batch: Batch) -> None:
        """Remember, without waiting for the device, whether a new batch is finite."""
        self._data[-1] += [part.detach().mul(0).sum() for part in batch if part.is_floating_point()]

    def add(self, loss: Tensor) -> None:
        """Keep a loss: those of a round come in the order of :attr:`Run.loss_owners`."""
        self._losses.append(loss.detach())

    def should_flush(self) -> bool:
        """Whether it is time to bring the losses to the host: in all processes at the same step."""
        if self.world > 1:
            return self.run.step >= self._next_flush_step
        return time.perf_counter() - self._flushed > FLUSH_SECONDS

    def flush(self, *requests: int) -> list[int]:
        """Bring the losses of all whole rounds to the host in one go and write them into the history.

        Args:
            requests: numbers of this process, such as a signal.

        Returns:
            the largest of each of these numbers over all processes; zeros where there is nothing to flush.

        Raises:
            NonFiniteLoss: where a loss is infinite or not a number.
        """
        count = len(self._owners)
        rounds = len(self._losses) // count
        if rounds == 0:
            return [0] * len(requests)
        values = self._stacked(rounds)
        if self.world > 1:
            # The clock of the first process decides for all when the next flush is.
            pace = rounds / max(time.perf_counter() - self._flushed, 1e-9)
            wait = min(max(1.0, pace * FLUSH_SECONDS), 2.0 * rounds)
            told = gather(torch.cat([values, values.new_tensor([*requests, wait])])[None])
            values = told[:, : len(values)].mean(0)
            self._next_flush_step = self.run.step + int(told[0, -1])
            requests = tuple(int(each.max()) for each in told[:, -1 - len(requests) : -1].T)
        table = values.cpu().double().reshape(rounds, count)
        data = self._data
        self._record(table)
        bad = (~table.isfinite()).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            owner, value = self._owners[column], float(table[row, column])
            step = self.run.history.steps + 1
            self._stop(f"the loss of {owner!r} is {value}", step, owner, self._bad_data(data[row]))
        return list(requests)

    def record_rest(self) -> None:
        """Write what can still be read into the history, when something else has ended the game in one process."""
        rounds = len(self._losses) // len(self._owners)
        if self.world == 1 and rounds:
            self._record(self._stacked(rounds).cpu().double().reshape(rounds, -1))

    def _stacked(self, rounds: int) -> Tensor:
        """The losses of so many rounds, on the device."""
        values = torch.stack(self._losses[: rounds * len(self._owners)])
        return values if values.dtype is torch.float64 else values.float()

    def _record(self, table: Tensor) -> None:
        """Write rounds into the history, up to the first that is not finite, and forget them here."""
        rounds, history = len(table), self.run.history
        finite = table.isfinite().all(dim=1)
        good = rounds if finite.all() else int(finite.int().argmin())
        for name, losses in history.losses.items():
            columns = [column for column, owner in enumerate(self._owners) if owner == name]
            losses.extend(table[:good, columns].mean(1).tolist())
        history.epochs.extend(self._epochs[:good])
        self._losses = self._losses[rounds * len(self._owners) :]
        self._epochs, self._data = self._epochs[rounds:], self._data[rounds:]
        self._flushed = time.perf_counter()

    def check_parameters(self) -> None:
        """Check that all parameters are finite after a step (the loss would show it only one step later).

        Raises:
            NonFiniteLoss: where one is not.
        """
        for name, player in self.run.players.items():
            finite = torch.stack([parameter.detach().isfinite().all() for parameter in player.parameters])
            if not finite.all():
                self._stop(f"{name!r} has parameters that are not finite after its step", self.run.step, name)

    def _stop(self, what: str, step: int, player: str, bad_data: bool = False) -> NoReturn:
        """End the game over something that is not finite."""
        last = None if self.run.last_checkpoint is None else str(self.run.last_checkpoint)
        raise NonFiniteLoss(what, step, player, last, self.run.history, bad_data)

    def _bad_data(self, sums: list[Tensor]) -> bool:
        """Whether a batch of a round held something that is not finite, in any process."""
        if not sums:
            return False
        values = torch.stack([each.float() for each in sums])
        if self.world > 1:
            values = gather(values[None])
        return not bool(values.isfinite().all())
