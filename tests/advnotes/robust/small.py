"""A small network, a batch of small pictures, and data that reward a robust model, for the tests of the games."""

import torch
from torch import nn

__all__ = ["batch", "net", "safe_and_frail"]


def net(norm: bool = False) -> nn.Sequential:
    """Three classes for pictures of 4 x 4, with or without batch normalisation."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(16, 12)]
    return nn.Sequential(*layers, *([nn.BatchNorm1d(12)] if norm else []), nn.Tanh(), nn.Linear(12, 3))


def batch(n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of noise with labels."""
    return torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(1)), torch.arange(n) % 3


def safe_and_frail() -> tuple[torch.Tensor, torch.Tensor]:
    """Two features: the first is safe at eps 0.2, the second is perfect but within the adversary's reach."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(256) % 2
    safe = torch.where(torch.rand(256, generator=generator) < 0.9, y, 1 - y) * 0.6 + 0.2
    frail = 0.5 + 0.15 * (2 * y - 1)
    return torch.stack([safe, frail], dim=1), y
