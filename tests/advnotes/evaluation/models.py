"""Small models whose worst case is known, and attacks that do what no attack should."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advnotes.attacks import PGD, Attack, NormAttack
from advnotes.losses import margin_loss
from advnotes.threats import Threat


class Linear(nn.Module):
    """Two classes by the sign of a weighted sum: in an Linf ball the margin falls by eps times the sum of weights."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2, bias=False)
        self.scale = scale
        weight = torch.linspace(-1, 1.5, 6)
        with torch.no_grad():
            self.layer.weight.copy_(torch.stack([-weight, weight]))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.layer(x - 0.5)

    def withstands(self, x: Tensor, y: Tensor, eps: float | Tensor) -> Tensor:
        """Whether each sample is right within the whole ball, in closed form."""
        weight = self.layer.weight[1] - self.layer.weight[0]
        return (x - 0.5) @ weight * (2 * y - 1) - eps * weight.abs().sum() > 0


class Noisy(Linear):
    """The same behind noise: every answer is another one."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.05 * torch.randn_like(x))


def points(count: int = 40) -> tuple[Tensor, Tensor]:
    """Samples away from the ends of the range, some of them wrong without an attack."""
    x = 0.3 + 0.4 * torch.rand(count, 6, generator=torch.Generator().manual_seed(1))
    weight = torch.linspace(-1, 1.5, 6)
    y = ((x - 0.5) @ weight > 0).long()
    y[::7] = 1 - y[::7]
    return x, y


def climb(threat: Threat) -> PGD:
    """An attack that is exact on a linear model."""
    return PGD(threat, steps=5, loss=margin_loss)


@dataclass(frozen=True)
class Cheat(NormAttack):
    """Goes further than it may."""

    def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
        return (x + 2 * self.threat.eps).clamp(*self.bounds)


@dataclass(frozen=True)
class Large(PGD):
    """Wants the memory of a GPU that holds four samples."""

    def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
        if len(x) > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().perturb(model, x, y, generator)


@dataclass(frozen=True)
class LeavesTheRange(NormAttack):
    """Forgets that pixels end somewhere."""

    def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
        return x + 0.9


@dataclass(frozen=True)
class NotANumber(Attack):
    """Divides by zero."""

    def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
        return x / 0 * 0


@dataclass(frozen=True)
class WrongShape(Attack):
    """Loses a sample."""

    def __call__(self, model, x, y, generator=None):  # type: ignore[no-untyped-def]
        return x[1:]

    def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
        return x[1:]


@dataclass(frozen=True)
class Goes(NormAttack):
    """Goes to where it is told to, and says nothing."""

    where: Any = None

    def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
        return self.where(x)
