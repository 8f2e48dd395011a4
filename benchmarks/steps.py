"""What the benchmarks of training share: a step, training from one seed, and a look whether two came to the same."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Adam

from advnotes import data

__all__ = ["Batches", "Training", "batches_of", "compare", "descend", "trained"]

#: Batches of images in their natural range with their labels.
Batches = list[tuple[Tensor, Tensor]]

#: Trains the networks that it is given, in place, one step for each batch.
Training = Callable[..., None]


def descend(optimizer: Adam, loss: Tensor) -> None:
    """One step down the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def trained(training: Training, networks: tuple[nn.Module, ...], batches: Batches) -> tuple[nn.Module, ...]:
    """Copies of some networks after training from a fixed seed."""
    mine = copy.deepcopy(networks)
    torch.manual_seed(0)
    training(*mine, batches=batches)
    return mine


def compare(title: str, first: Tensor, second: Tensor) -> None:
    """Stop where two trainings of one method did not come to the same numbers."""
    if not torch.allclose(first, second, rtol=0.02, atol=1e-4):
        raise SystemExit(f"{title}: the game comes to {first.tolist()}, the loop to {second.tolist()}")


def batches_of(size: int, steps: int, device: str) -> Batches:
    """Digits, on the device before the clock starts."""
    x, y = (part.to(device) for part in data.mnist("train", size=size * steps))
    return list(zip(x.split(size), y.split(size), strict=True))
