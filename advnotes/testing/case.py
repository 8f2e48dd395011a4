"""An attack with something to attack."""

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advnotes.attacks.attack import Attack
from advnotes.model_state import Model
from advnotes.seeds import Source

__all__ = ["Case", "example"]


@dataclass(frozen=True)
class Case:
    """An attack with something to attack."""

    attack: Attack
    model: Model
    x: Tensor
    y: Tensor

    @property
    def seeds(self) -> Tensor:
        """One seed for each sample."""
        return torch.arange(len(self.x), device=self.x.device) + 7

    @property
    def comparable(self) -> bool:
        """Whether a sample gets the same result in any batch, but for rounding: not with batch statistics."""
        return self.attack.by_sample and not self.attack.training and self.attack.precision is None

    def run(self, generator: Source = None) -> Any:
        """The attack on the whole batch; seeds for each sample where no generator is given."""
        return self.attack(self.model, self.x, self.y, self.seeds if generator is None else generator)

    def to(self, dtype: torch.dtype) -> "Case":
        """The same in another precision, where the model is a module."""
        model = copy.deepcopy(self.model)
        return (
            dataclasses.replace(self, model=model.to(dtype), x=self.x.to(dtype))
            if isinstance(model, nn.Module)
            else self
        )

    def rows(self, rows: slice) -> "Case":
        """The same for some of the samples."""
        return dataclasses.replace(self, attack=self.attack.rows(rows), x=self.x[rows], y=self.y[rows])


class Example(nn.Module):
    """A little of everything that an attack could disturb."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()
        )
        self.head = nn.Linear(4 * 36, 3)
        self.body[0].weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of 3 classes."""
        logits: Tensor = self.head(self.body(x))
        return logits


def example(attack: Attack) -> tuple[Model, Tensor, Tensor]:
    """A model and a batch for it, within the bounds of an attack."""
    lowest, highest = attack.bounds
    x = torch.rand(6, 1, 8, 8)
    x[:, :, :2], x[:, :, -2:] = 0, 1  # pixels at both ends of the range
    return Example(), lowest + (highest - lowest) * x, torch.arange(6) % 3
