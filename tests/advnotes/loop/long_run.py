"""A run for the tests to start, stop and start again: `python long_run.py FOLDER OUT STEPS [PAUSE [EVERY]]`.

EVERY is the number of steps from one checkpoint to the next. At each call of the callbacks OUT.going is written.

It has everything that a resumed run could get wrong: double backward, batch norm, several turns, turns at once,
accumulation, clipping, schedules, averages, transforms that draw from all three global generators, a loader with a
generator of its own, and a game with random numbers in its losses. What it ends with goes into OUT, by process.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from advnotes.game import Game
from advnotes.loop import State, play


class Points(Dataset[Tensor]):
    """Points of a circle, jittered anew at every reading."""

    def __init__(self) -> None:
        angle = torch.arange(60) / 60 * 2 * torch.pi
        self.points = torch.stack([angle.cos(), angle.sin()], dim=1)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, i: int) -> Tensor:
        jitter = 0.01 * (random.random() + float(np.random.rand()))  # noqa: NPY002
        return self.points[i] + jitter + 0.01 * torch.randn(2)


class Penalised(Game):
    """A critic with a gradient penalty, a generator with batch norm, and an encoder that moves with it."""

    turns = ("critic", "critic", ("generator", "encoder"))

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2))
        self.critic = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))
        self.encoder = nn.Linear(2, 3)
        self._pause = pause  # not public: it is no setting of the game

    def fake(self, real: Tensor) -> Tensor:
        out: Tensor = self.generator(torch.randn(len(real), 3, device=real.device))
        return out

    def critic_loss(self, real: Tensor) -> Tensor:
        time.sleep(self._pause)
        fake = self.fake(real).detach()
        x = torch.lerp(real, fake, torch.rand(len(real), 1, device=real.device)).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(x).sum(), x, create_graph=True)
        loss: Tensor = self.critic(fake).mean() - self.critic(real).mean()
        return loss + 10 * (slope.norm(dim=1) - 1).square().mean()

    def generator_loss(self, real: Tensor) -> Tensor:
        loss: Tensor = -self.critic(self.fake(real)).mean()
        return loss

    def encoder_loss(self, real: Tensor) -> Tensor:
        return (self.generator(self.encoder(real)) - real).square().mean()


def digest(values: dict[str, Tensor]) -> str:
    """A hash over every bit of some tensors."""
    whole = hashlib.sha256()
    for name in sorted(values):
        whole.update(name.encode() + values[name].detach().cpu().numpy().tobytes())
    return whole.hexdigest()


def main(folder: str, out: str, steps: int, pause: float = 0.0, every: int = 5) -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    torch.set_num_threads(1)
    game = Penalised(pause)
    optimizers = {
        name: torch.optim.Adam(player.parameters(), lr=1e-2) for name, player in game.players.items()
    }
    schedules = {"critic": torch.optim.lr_scheduler.LinearLR(optimizers["critic"], total_iters=80)}
    data = DataLoader(Points(), batch_size=5, shuffle=True, generator=torch.Generator().manual_seed(3))

    def sample(state: State) -> dict[str, float]:
        Path(f"{out}.going").touch()
        return {
            "noise": float(torch.randn(())),
            "mean": float(state.averages["generator"](torch.randn(9, 3)).mean()),
        }

    history = play(
        game,
        data,
        optimizers,
        steps=steps,
        schedules=schedules,
        accumulate={"critic": 2},
        clip={"generator": 0.5},
        ema={"generator": 0.9},
        callbacks=[sample],
        callback_every=10,
        checkpoint=folder,
        checkpoint_every=every,
        progress=False,
    )
    state = PartialState()
    weights = dict(game.named_parameters())
    states = {
        f"{name}.{i}.{key}": value
        for name, optimizer in optimizers.items()
        for i, slot in optimizer.state_dict()["state"].items()
        for key, value in slot.items()
    }
    found = {
        "weights": digest(weights),
        "buffers": digest(dict(game.named_buffers())),
        "optimizers": digest(states),
        "averages": digest(history.averages["generator"].state_dict()),
        "rate": optimizers["critic"].param_groups[0]["lr"],
        "history": [history.losses, history.epochs, history.metrics],
        "noise": [random.random(), float(np.random.rand()), float(torch.rand(()))],  # noqa: NPY002
    }
    Path(f"{out}.{state.process_index}").write_text(json.dumps(found))
    state.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *map(float, sys.argv[4:5]), *map(int, sys.argv[5:6]))
