"""The order of the data: whoever draws it anew in each epoch is told which epoch it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader, Sampler, TensorDataset

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
