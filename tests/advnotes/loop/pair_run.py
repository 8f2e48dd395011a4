"""Checks that need several processes at once, for the tests to launch: `torchrun --nproc-per-node 2 pair_run.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from advnotes.game import Game
from advnotes.loop import NonFiniteLoss, State, StopPlaying, play
from advnotes.loop.reader import Reader
from advnotes.processes import in_all, in_first


class Pull(Game):
    """Two players at once: each is pulled to where the data and the other one are."""

    turns = (("a", "b"),)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.idle = nn.Linear(3, 2), nn.Linear(3, 2), nn.Linear(3, 2)

    def a_loss(self, x: Tensor) -> Tensor:
        return (self.a(x) - self.b(x) - self.idle(x)).square().mean()

    def b_loss(self, x: Tensor) -> Tensor:
        return (self.b(x) - self.a(x).tanh()).square().mean() + self.log(x)

    def log(self, x: Tensor) -> Tensor:
        return x.new_zeros(())


class Breaks(Pull):
    def log(self, x: Tensor) -> Tensor:
        return (x[0, 0] - 90).clamp(max=1.0).sqrt() * 0  # nan where the first entry is below 90


def sgd(game: Game) -> dict[str, torch.optim.Optimizer]:
    return {name: torch.optim.SGD(player.parameters(), lr=0.1) for name, player in game.players.items()}


def everywhere(values: object) -> list[object]:
    """What each process has."""
    found: list[object] = [None] * dist.get_world_size()
    dist.all_gather_object(found, values)
    return found


def check_that_two_processes_are_one_with_a_batch_of_twice_the_size(accelerator: Accelerator) -> None:
    torch.manual_seed(5)
    x = torch.randn(12, 8, 3)
    together = Pull()
    history = play(together, list(x), sgd(together), epochs=2, accumulate={"b": 3}, progress=False)
    # Player b reads three batches a round and a the first of these, so each process plays 2 * 6 / 3 rounds.
    assert history.steps == 4, history.steps
    alone = Pull()
    optimizers = sgd(alone)
    for step in range(4):
        pairs = [x[2 * i : 2 * i + 2].flatten(0, 1) for i in [3 * step % 6 + k for k in range(3)]]
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        inputs = list(alone.a.parameters()), list(alone.b.parameters())
        gradients = torch.autograd.grad(alone.a_loss(pairs[0]), inputs[0])
        others = torch.autograd.grad(torch.stack([alone.b_loss(pair) for pair in pairs]).mean(), inputs[1])
        for parameter, gradient in zip([*inputs[0], *inputs[1]], gradients + others, strict=True):
            parameter.grad = gradient
        for optimizer in optimizers.values():
            optimizer.step()
    for mine, theirs in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def check_that_a_game_can_be_played_on(accelerator: Accelerator) -> None:
    game = Pull()
    data = [torch.randn(4, 3) for _ in range(4)]
    play(game, data, sgd(game), steps=3, progress=False)
    play(game, data, sgd(game), steps=3, progress=False)
    first, second = everywhere([parameter.tolist() for parameter in game.parameters()])
    assert first == second
    assert all(parameter.requires_grad for parameter in game.parameters())


def read(reader: Reader, epochs: int) -> list[tuple[list[int], list[int]]]:
    """The rows that each of the two processes reads, for each epoch."""
    found = []
    for epoch in range(epochs):
        seen: list[int] = []
        while reader.ready(epoch + 1):
            seen += reader.take()[0].tolist()
        first, second = everywhere(seen)
        assert isinstance(first, list)
        assert isinstance(second, list)
        found.append((first, second))
    return found


def check_shares(accelerator: Accelerator) -> None:
    rows = TensorDataset(torch.arange(23))
    weighted = WeightedRandomSampler([1.0] * 23, 23, replacement=False)
    loaders = [
        DataLoader(rows, batch_size=3, shuffle=True),
        DataLoader(rows, batch_size=3, sampler=weighted),
        DataLoader(rows, batch_size=None, sampler=BatchSampler(RandomSampler(rows), 3, drop_last=False)),
    ]
    for loader in loaders:
        reader = Reader(loader, accelerator, remember=False)
        assert len(reader.source) == 4
        epochs = read(reader, 2)
        for first, second in epochs:
            assert len({*first, *second}) == len(first) + len(second) == 23, (first, second)
        assert epochs[0][0] != epochs[1][0], "each epoch has its own order"


def check_that_what_is_dealt_out_already_is_read_as_it_is(accelerator: Accelerator) -> None:
    rows = TensorDataset(torch.arange(12))
    dealt = BatchSampler(DistributedSampler(rows, seed=3), 2, drop_last=False)
    prepared = Accelerator(cpu=True).prepare_data_loader(DataLoader(rows, batch_size=2, shuffle=True))
    for loader in (DataLoader(rows, batch_sampler=dealt), prepared):
        reader = Reader(loader, accelerator, remember=False)
        assert len(reader.source) == 3
        epochs = read(reader, 3)
        for first, second in epochs:
            assert sorted(first + second) == list(range(12)), (first, second)
        assert len({str(first) for first, _ in epochs}) > 1, "an epoch has its own order"


def check_that_one_process_stops_all(accelerator: Accelerator) -> None:
    game, x = Breaks(), torch.full((10, 4, 3), 95.0)
    x[5] = 0  # the second process's third batch
    with pytest.raises(NonFiniteLoss) as stop:
        play(game, list(x), sgd(game), steps=5, progress=False)
    assert everywhere((stop.value.step, stop.value.player)) == [(3, "b")] * 2
    assert stop.value.history.steps == 2


def check_that_metrics_reach_all(accelerator: Accelerator) -> None:
    game, calls = Pull(), []
    data = [torch.ones(4, 3)] * 2
    history = play(
        game,
        data,
        sgd(game),
        steps=2,
        callbacks=[lambda state: calls.append(state.step) or {"seen": float(state.step)}],
        progress=False,
    )
    assert history.metrics == [{"step": 2, "seen": 2.0}]
    assert everywhere(calls) == [[2], []]


def check_that_errors_of_the_first_reach_all(accelerator: Accelerator, folder: Path) -> None:
    game, data = Pull(), [torch.ones(4, 3)] * 2
    play(game, data, sgd(game), steps=2, checkpoint=folder, progress=False)
    with pytest.raises(ValueError, match="is not empty") as refusal:
        play(game, data, sgd(game), steps=2, checkpoint=folder, resume=False, progress=False)
    assert len(everywhere(str(refusal.value))) == 2


def check_that_callbacks_end_all_processes(accelerator: Accelerator, folder: Path) -> None:
    class Odd(Exception):  # noqa: N818 - its name does not matter
        """An error that cannot be sent to another process: its class is local."""

    def act(state: State) -> None:
        if state.step == 3:
            raise errors[0]

    errors: list[Exception] = [RuntimeWarning("the watch says stop"), Odd("odd"), StopPlaying("enough")]
    for kind in ((RuntimeWarning,), (Odd, RuntimeError)):
        game = Pull()
        with pytest.raises(kind, match=r"the watch says stop|odd") as stop:
            play(
                game,
                [torch.ones(4, 3)] * 8,
                sgd(game),
                steps=9,
                callbacks=[act],
                callback_every=1,
                progress=False,
            )
        assert everywhere(stop.value.history.steps) == [3, 3]
        errors.pop(0)
    game = Pull()
    options = {"callbacks": [act], "callback_every": 1, "checkpoint": folder, "progress": False}
    history = play(game, [torch.ones(4, 3)] * 8, sgd(game), steps=9, **options)
    assert everywhere(history.steps) == [3, 3]
    assert (folder / "step-00000003").is_dir()


def check_that_an_error_of_any_process_reaches_all(accelerator: Accelerator) -> None:
    def fail() -> None:
        if accelerator.process_index == 1:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left") as stop:
        in_all(accelerator, fail)
    assert everywhere(stop.value.errno) == [28, 28]
    assert in_all(accelerator, lambda: accelerator.process_index) == accelerator.process_index
    assert in_first(accelerator, lambda: accelerator.process_index) == 0


def main() -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    check_that_two_processes_are_one_with_a_batch_of_twice_the_size(accelerator)
    check_that_a_game_can_be_played_on(accelerator)
    check_shares(accelerator)
    check_that_what_is_dealt_out_already_is_read_as_it_is(accelerator)
    check_that_one_process_stops_all(accelerator)
    check_that_metrics_reach_all(accelerator)
    check_that_errors_of_the_first_reach_all(accelerator, Path(sys.argv[1]))
    check_that_callbacks_end_all_processes(accelerator, Path(sys.argv[1]).with_name("ended"))
    check_that_an_error_of_any_process_reaches_all(accelerator)
    # In one piece, or the lines of two processes may run into each other.
    sys.stdout.write(f"all checks of {accelerator.num_processes} processes\n")
    accelerator.end_training()


if __name__ == "__main__":
    main()
