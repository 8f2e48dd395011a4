"""A small game for the tests of the loop: a line through points, in batches that are always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from advnotes.game import Game
from advnotes.loop import History, play

__all__ = ["Fit", "fit", "names", "pairs", "same"]


class Fit(Game):
    """One player; ``gamma`` is a setting that its loss depends on."""

    turns: Any = ("model",)

    def __init__(self, gamma: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model, self.gamma = nn.Linear(3, 1), gamma

    def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
        return self.gamma * mse_loss(self.model(x), y)


def pairs(count: int = 4) -> list[tuple[Tensor, Tensor]]:
    """So many batches of five points."""
    generator = torch.Generator().manual_seed(4)
    return [
        (torch.randn(5, 3, generator=generator), torch.randn(5, 1, generator=generator)) for _ in range(count)
    ]


def fit(
    folder: Path | None, steps: int | None, game: Game | None = None, **options: Any
) -> tuple[Any, History]:
    """Play a game by SGD."""
    game = Fit() if game is None else game
    data, lr = options.pop("data", pairs()), options.pop("lr", 0.1)
    optimizer = options.pop("optimizer", None) or SGD(game.parameters(), lr=lr)
    options = {"progress": False, "checkpoint": folder} | options
    return game, play(game, data, optimizer, steps=steps, **options)


def same(a: nn.Module, b: nn.Module) -> bool:
    """Whether two modules have the same state, bit for bit."""
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def names(folder: Path) -> list[str]:
    """What lies in a run's folder, but for the lock that stays there."""
    return sorted(entry.name for entry in folder.iterdir() if entry.name != ".lock")
