"""Models that have a copy, and what the tests of the copies share."""

import contextvars

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import data, zoo
from advnotes.fast import prepared
from advnotes.nets import Normalize, madry_cnn, mlp

MANY = 10**9


class Residual(nn.Module):
    """Its sum and rectifiers as functions, in place where asked."""

    def __init__(self, before: int, after: int, stride: int, in_place: bool) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.two = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.way = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else nn.Identity()
        self.relu = nn.ReLU(inplace=in_place)
        self.in_place = in_place

    def forward(self, x):
        y = self.bn2(self.two(self.relu(self.bn1(self.one(x)))))
        if self.in_place:
            y += self.way(x)
        else:
            y = y + self.way(x)
        return self.relu(y)


class Functional(nn.Module):
    """Operations without modules: views, pooling, concatenation, activations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 6, 3), nn.Linear(2 * 6 * 3 * 3, 5)
        self.weight = nn.Parameter(torch.randn(6, 6, 1, 1))

    def forward(self, x):
        x = F.elu(self.conv(x * 2 - 1))
        x = F.dropout(torch.tanh(F.conv2d(x, self.weight)), 0.5, self.training)
        x = torch.cat([F.max_pool2d(x, 2), F.avg_pool2d(x, 2)], dim=1)
        return self.linear(x.view(x.size(0), -1)).clamp(-3, 3)


class Attention(nn.Module):
    """Patches and one layer of a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.norm, self.attend, self.head = (
            nn.LayerNorm(16),
            nn.MultiheadAttention(16, 2, batch_first=True),
            nn.Linear(16, 5),
        )

    def forward(self, x):
        tokens = self.norm(self.patch(x).flatten(2).transpose(1, 2))
        return self.head((tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0]).mean(dim=1))


class Twice(nn.Module):
    """One convolution used twice, with a norm and a rectifier of its own each time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 5)

    def forward(self, x):
        x = self.one(self.conv(x)).relu()
        return self.head(self.two(self.conv(x)).mean(dim=(2, 3)))


class Broadcast(nn.Module):
    """Sums whose terms differ in shape, as in squeeze-and-excitation, and a term that is used again."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 1), nn.Linear(4 * 36, 5)

    def forward(self, x):
        small = self.narrow(x.mean(dim=(2, 3), keepdim=True))
        y = self.wide(x)
        return self.head((torch.relu(small + y) * y.sigmoid()).flatten(1))


def seen(model: nn.Module, x: torch.Tensor) -> nn.Module:
    """In eval mode, with batch norms that have seen the data and weights that are not the first ones."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)) and module.affine:
            nn.init.uniform_(module.weight, -0.5, 1.5)
            nn.init.normal_(module.bias)
    with torch.no_grad():
        model(x)
        model(x)
    return model.eval()


def sequential(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(5))


def models() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    torch.manual_seed(0)
    x, digits = torch.rand(6, 3, 8, 8), data.mnist("test", size=6)[0]
    conv, norm = nn.Conv2d, nn.BatchNorm2d
    made = {
        "resnet": (
            sequential(Normalize([0.5] * 3, [0.2] * 3), conv(3, 8, 3, padding=1), norm(8), nn.ReLU(),
                       Residual(8, 8, 1, False), Residual(8, 16, 2, False), nn.AdaptiveAvgPool2d(1)), x),
        "resnet in place": (sequential(conv(3, 8, 3), norm(8), nn.ReLU(True), Residual(8, 8, 1, True),
                                       Residual(8, 16, 2, True)), x),
        "depthwise": (sequential(conv(3, 12, 3, 2, 1, groups=3), norm(12), nn.ReLU6(), conv(12, 12, 3, 1, 1, groups=12),
                                 norm(12), nn.Hardswish(), conv(12, 6, 1, groups=2), norm(6, affine=False)), x),
        "dilated": (sequential(conv(3, 7, (3, 2), (1, 2), (2, 1), (2, 1)), nn.ReLU(), nn.MaxPool2d(2)), x),
        "other paddings": (sequential(conv(3, 4, 3, padding="same"), norm(4), nn.ReLU(),
                                      conv(4, 4, 3, padding=1, padding_mode="circular"), norm(4)), x),
        "norm first": (sequential(norm(3), nn.ReLU(), conv(3, 4, 3), nn.GELU()), x),
        "batch statistics": (sequential(conv(3, 4, 3), norm(4, track_running_stats=False)), x),
        "linear": (nn.Sequential(nn.Flatten(), nn.Linear(192, 100), nn.BatchNorm1d(100), nn.ReLU(), nn.Dropout(),
                                 nn.Linear(100, 120), nn.ReLU(), nn.Linear(120, 5)), x),
        "functional": (Functional(), x),
        "attention": (Attention(), x),
        "twice": (Twice(), x),
        "broadcast": (Broadcast(), x),
        "zoo": (zoo.mnist_robust(), digits),
        "pooled": (madry_cnn(), digits),
    }  # fmt: skip
    return {name: (seen(model, x), x) for name, (model, x) in made.items()}


MODELS = models()


every_model = pytest.mark.parametrize("name", MODELS)


def gradient(model, x):
    x = x.clone().requires_grad_()
    logits = model(x)
    return logits, torch.autograd.grad((logits * torch.arange(logits.shape[1])).sum(), x)[0]


def fingerprint(model: nn.Module) -> list:
    return [
        (
            type(m),
            sorted((k, id(v)) for k, v in vars(m).items()),
            [(k, id(p), p.requires_grad, p.grad is None, p.stride(), p.detach().numpy().tobytes())
             for k, p in m.named_parameters(recurse=False)],
            [(k, id(b), b.stride(), b.numpy().tobytes()) for k, b in m.named_buffers(recurse=False)],
        )
        for m in model.modules()
    ]  # fmt: skip


def new_copy(model: nn.Module, x: torch.Tensor) -> nn.Module:
    """One that has nothing to do with what is kept."""
    made = contextvars.Context().run(prepared, model, x, passes=MANY)
    assert made is not model
    return made


def mlp_on_digits() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), mlp(784, 128, 10))
