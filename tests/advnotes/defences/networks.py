"""Networks of every layer that has bounds, for the tests of bounds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advnotes.nets import Normalize, mlp


class Residual(nn.Module):
    """A block with a shortcut, constants, differences, and functions instead of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 3, 3, padding="same", dilation=2, groups=3)
        self.last = nn.Linear(3, 3)
        self.register_buffer("shift", torch.tensor([0.1, -0.2, 0.3]).view(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.first(2 * x - 1)))
        h = (1 - self.second(h)) * 0.5 + (h - self.shift) / 1.5
        h = torch.nn.functional.leaky_relu(h, 0.2)
        means = h.mean((2, 3))
        return self.last(means) - torch.nn.functional.avg_pool2d(h, 6).flatten(1)


def networks() -> dict[str, nn.Module]:
    """Fresh ones in eval mode, for inputs ``[batch, 1, 6, 6]``, with three classes."""
    flat = nn.Flatten()
    made: dict[str, nn.Module] = {
        "linear": nn.Sequential(flat, nn.Linear(36, 3)),
        "mlp": nn.Sequential(flat, mlp(36, 8, 8, 3)),
        "leaky": nn.Sequential(flat, nn.Linear(36, 8), nn.LeakyReLU(0.1), nn.BatchNorm1d(8), nn.Linear(8, 3)),
        "strided": nn.Sequential(
            Normalize([0.4], [0.3]),
            *(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 2, stride=2), nn.ReLU()),
            *(nn.Dropout(0.5), nn.Flatten(), nn.Linear(4, 3)),
        ),
        "pooled": nn.Sequential(
            *(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(3, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Identity()),
        ),
        "overlapping": nn.Sequential(
            *(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(3, 2, 1), nn.ReLU(), nn.AvgPool2d(3, 1, 1)),
            *(nn.Conv2d(2, 2, 2), nn.MaxPool2d(2, 2, ceil_mode=True), nn.Flatten(), nn.Linear(2, 3)),
        ),
        "residual": Residual(),
    }
    for name, model in made.items():
        generator = torch.Generator().manual_seed(len(name))
        for parameter in model.parameters():
            parameter.data = (
                torch.randn(parameter.shape, generator=generator) * 1.5 / max(1, parameter[0].numel()) ** 0.5
            )
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.uniform_(-0.5, 0.5, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
    return {name: model.eval() for name, model in made.items()}
