"""How a fresh adversary is trained: constant scores, what a network adds, the best of its states."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advnotes.invariance.fresh_targets import Categorical, Mixture

__all__ = ["ConstantScores", "ProbeTrainer", "ResidualScores", "predict"]


class ConstantScores(nn.Module):
    """The same scores for every sample: an adversary that does not see the representation."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores.expand(len(x), -1)


class ResidualScores(nn.Module):
    """Constant scores plus those of a network."""

    def __init__(self, prior: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.prior, self.network = prior.requires_grad_(False), network.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        scores, known = self.network(x), self.prior(x)
        if scores.shape != known.shape:
            raise ValueError(
                f"expected an adversary whose scores have the shape {tuple(known.shape)}, got "
                f"{tuple(scores.shape)}: build it for the number that network(outputs) is called with"
            )
        return known + scores


@dataclass(frozen=True)
class ProbeTrainer:
    """Trains an adversary on the rows ``train`` and keeps its best state on the rows ``choose``."""

    x: Tensor
    z: Tensor
    train: Tensor
    choose: Tensor
    steps: int
    batch_size: int
    learning_rate: float

    def best(self, score: Categorical | Mixture, start: nn.Module) -> tuple[float, nn.Module]:
        """The lowest loss on the rows ``choose``, the start included, and the state that had it."""
        adversary = start.to(self.x)
        best, kept = self.value(score, adversary), copy.deepcopy(adversary)
        optimizer = torch.optim.Adam(
            [p for p in adversary.parameters() if p.requires_grad], self.learning_rate
        )
        slower = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: max(1 - t / self.steps, 0.0))
        for step, rows in zip(range(1, self.steps + 1), self.batches(), strict=False):
            loss = score.loss(adversary.train()(self.x[rows]), self.z[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            slower.step()
            if step % max(1, self.steps // 20) == 0 or step == self.steps:
                now = self.value(score, adversary)
                if now < best:
                    best, kept = now, copy.deepcopy(adversary)
        return best, kept

    def value(self, score: Categorical | Mixture, adversary: nn.Module) -> float:
        """The mean loss on the rows ``choose``."""
        return float(score.loss(predict(adversary, self.x[self.choose]), self.z[self.choose]).mean())

    def batches(self) -> Iterator[Tensor]:
        """Training rows, each once before any comes again."""
        while True:
            order = torch.randperm(len(self.train)).to(self.train.device)
            yield from self.train[order].split(self.batch_size)


@torch.no_grad()
def predict(adversary: nn.Module, x: Tensor) -> Tensor:
    """The scores in eval mode, a thousand samples at a time."""
    adversary.eval()
    return torch.cat([adversary(part) for part in x.split(1000)])
