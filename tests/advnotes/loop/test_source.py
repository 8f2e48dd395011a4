"""Where data comes from: who is told the epoch, data without a length, and data that knows its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, Sampler, TensorDataset

from advnotes.game import Game
from advnotes.loop import play

ROWS = 6


class Reads(Game):
    """Notes the numbers of the rows that it is given."""

    turns = ("model",)

    def __init__(self) -> None:
        super().__init__()
        self.model, self.read = nn.Linear(1, 1), list[int]()

    def model_loss(self, x: Tensor) -> Tensor:
        self.read += x.flatten().int().tolist()
        return self.model(x).mean()


def order(epoch: int) -> list[int]:
    return torch.randperm(ROWS, generator=torch.Generator().manual_seed(epoch)).tolist()


class ByEpoch(Sampler[int]):
    """Draws an order from the number of the epoch alone, as DistributedSampler does."""

    def __init__(self) -> None:
        self.epoch, self.told = 0, list[int]()

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.told.append(epoch)

    def __iter__(self) -> Iterator[int]:
        return iter(order(self.epoch))

    def __len__(self) -> int:
        return ROWS


class Batches(ByEpoch):
    """The same as data of its own, without a DataLoader."""

    def __iter__(self) -> Iterator[Tensor]:  # type: ignore[override]
        return (torch.tensor(order(self.epoch)[i : i + 2]).float()[:, None] for i in range(0, ROWS, 2))


def loader(sampler: ByEpoch) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(torch.arange(ROWS).float()[:, None]), batch_size=2, sampler=sampler)


class OwnBatches(ByEpoch):
    """A batch sampler that draws its order from the epoch."""

    def __iter__(self) -> Iterator[list[int]]:  # type: ignore[override]
        return (order(self.epoch)[i : i + 2] for i in range(0, ROWS, 2))

    def __len__(self) -> int:
        return ROWS // 2


@pytest.mark.parametrize("inner", [False, True], ids=["batch sampler", "its sampler"])
def test_batch_samplers_and_their_samplers_are_told_the_epoch(inner: bool) -> None:
    teller = ByEpoch() if inner else OwnBatches()
    batch_sampler: Any = BatchSampler(teller, 2, drop_last=False) if inner else teller
    data = DataLoader(TensorDataset(torch.arange(ROWS).float()[:, None]), batch_sampler=batch_sampler)
    game = Reads()
    play(game, data, SGD(game.parameters(), lr=1e-3), epochs=3, progress=False)
    assert teller.told == [0, 1, 2]
    assert game.read == order(0) + order(1) + order(2)


@pytest.mark.parametrize("whole", [False, True], ids=["sampler", "data"])
def test_every_epoch_has_its_own_order_and_a_resumed_one_the_same(whole: bool, tmp_path: Path) -> None:
    def run(epochs: int) -> tuple[ByEpoch, Reads]:
        teller = Batches() if whole else ByEpoch()
        game = Reads()
        data = teller if whole else loader(teller)
        optimizer = SGD(game.parameters(), lr=1e-3)
        play(game, data, optimizer, epochs=epochs, checkpoint=tmp_path, checkpoint_every=2, progress=False)
        return teller, game

    teller, game = run(2)
    assert teller.told == [0, 1]
    assert game.read == order(0) + order(1)
    assert order(0) != order(1) != order(2)
    teller, game = run(4)
    assert teller.told[-2:] == [2, 3]
    assert game.read == order(2) + order(3)


class Endless(IterableDataset[Tensor]):
    """Rows in order, without a length."""

    def __iter__(self) -> Iterator[Tensor]:
        return iter(torch.arange(ROWS).float()[:, None])


class NoLength(Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(ROWS))


@pytest.mark.parametrize(
    "data",
    [
        DataLoader(Endless(), batch_size=2),
        DataLoader(torch.arange(ROWS).float()[:, None], batch_size=2, sampler=NoLength()),  # type: ignore[arg-type]
    ],
    ids=["dataset", "sampler"],
)
def test_data_without_a_length_is_saved_and_resumed(data: Any, tmp_path: Path) -> None:
    read = []
    for steps in (1, 2, 5, 6):
        game = Reads()
        play(game, data, SGD(game.parameters(), lr=1e-3), steps=steps, checkpoint=tmp_path, progress=False)
        read += game.read
    assert read == [0, 1, 2, 3, 4, 5] * 2


class Noisy(Reads):
    """Draws from the global generator, as games do."""

    def model_loss(self, x: Tensor) -> Tensor:
        return super().model_loss(x) + 0 * torch.randn(())


class Shuffled:
    """Rows through a buffer from which the global generator picks, between the draws of the game."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.left, self.buffer = list(range(12)), list[int]()

    def __iter__(self) -> Iterator[Tensor]:
        while self.left or self.buffer:
            while self.left and len(self.buffer) < 4:
                self.buffer.append(self.left.pop(0))
            place = int(torch.randint(len(self.buffer), ()))
            yield torch.tensor([[float(self.buffer.pop(place))]])
        self.begin()


class Knows(Shuffled):
    """The same, with torchdata's protocol."""

    def state_dict(self) -> dict[str, Any]:
        return {"left": list(self.left), "buffer": list(self.buffer)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.left, self.buffer = state_dict["left"], state_dict["buffer"]


def read_by(data: Any, steps: int, folder: Path | None) -> list[int]:
    torch.manual_seed(0)
    game = Noisy()
    play(game, data, SGD(game.parameters(), lr=1e-3), steps=steps, checkpoint=folder, progress=False)
    return game.read


def test_data_that_knows_its_place_goes_on_exactly(tmp_path: Path) -> None:
    whole = read_by(Knows(), 30, None)
    assert sorted(whole[:12]) == list(range(12))
    parts: list[int] = []
    for steps in (5, 12, 20, 30):
        parts += read_by(Knows(), steps, tmp_path)
    assert parts == whole


def test_data_that_has_lost_its_state_is_refused(tmp_path: Path) -> None:
    read_by(Knows(), 5, tmp_path)
    with pytest.raises(
        ValueError, match=r"state of its own \(state_dict\) when .* resume with the same data"
    ):
        read_by(Shuffled(), 9, tmp_path)
