"""Small models of many architectures, each of which has a copy."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

from advnotes.imagenet import ConvNorm
from advnotes.nets import Normalize


class Net(nn.Module):
    """Layers by name, and what is computed with them."""

    def __init__(self, run, **layers) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


@dataclasses.dataclass
class Settings:
    """What a forward reads."""

    scale: float = 2.0
    sizes: tuple[int, ...] = (3, 8, 8)


class Residual(nn.Module):
    """In place, and with shortcuts that read what is written into."""

    def __init__(self, wide: int, out: int, preact: bool) -> None:
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(wide if preact else out), nn.BatchNorm2d(out)
        self.one, self.two = nn.Conv2d(wide, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.way = nn.Conv2d(wide, out, 1) if wide != out else nn.Identity()
        self.relu, self.preact = nn.ReLU(inplace=True), preact

    def forward(self, x):
        if self.preact:
            y = self.relu(self.bn1(x))
            return self.two(self.relu(self.bn2(self.one(y)))) + self.way(x)
        y = self.bn2(self.two(self.relu(self.bn1(self.one(x)))))
        y += self.way(x)
        return self.relu(y)


class Excite(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, 2), nn.Linear(2, channels)

    def forward(self, x):
        batch, channels, _, _ = x.size()
        weight = self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1).view(batch, channels)), inplace=True))
        return x * weight.sigmoid().view(batch, channels, 1, 1).expand_as(x)


class Transformer(nn.Module):
    """A class token, positions, and attention written out; it checks its input as published ones do."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.place, self.heads = nn.Parameter(torch.randn(1, 5, 8)), 2
        self.qkv, self.out, self.norm = nn.Linear(8, 24), nn.Linear(8, 8), nn.LayerNorm(8)
        self.mlp, self.head = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)), nn.Linear(8, 5)

    def forward(self, x):
        assert x.ndim == 4
        if x.shape[-1] != 8 or len(x.shape) != 4:
            raise ValueError("pictures of 8 x 8 pixels")
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.place
        batch, count, wide = x.shape
        q, k, v = (
            self.qkv(self.norm(x))
            .reshape(batch, count, 3, self.heads, wide // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        weights = (q @ k.transpose(-2, -1) * (wide // self.heads) ** -0.5).softmax(dim=-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(batch, count, wide))
        return self.head((x + self.mlp(x))[:, 0])


class Mixer(nn.Module):
    """Linear layers over tokens and over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.flat = nn.Conv2d(3, 6, 2, 2), nn.Flatten(2)
        self.tokens, self.channels, self.head = nn.Linear(16, 16), nn.Linear(6, 6), nn.Linear(6, 5)

    def forward(self, x):
        x = self.tokens(self.flat(self.patch(x))).relu()
        return self.head(self.channels(x.transpose(1, 2)).relu().mean(dim=1))


def dense(self, x):
    found = [self.stem(x)]
    for layer in (self.one, self.two):
        found.append(layer(torch.cat(found, dim=1)).relu())
    return self.head(torch.cat(found, dim=1))


def unet(self, x):
    down = self.down(x).relu()
    low = self.low(F.max_pool2d(down, 2)).relu_()
    return self.head(torch.cat([down, F.interpolate(low, size=down.shape[2:])], dim=1))


def gated(self, x):
    a, b = self.conv(x).chunk(2, dim=1)
    return self.head(self.mix(a).relu() * b)


def kept_half(self, x):
    halves = self.conv(x).chunk(2, dim=1)
    a = self.mix(halves[0])
    return self.head(a + halves[1].sigmoid())


def rectified_for_both(self, x):
    h = self.conv(x)
    y = self.mix(F.relu(h, inplace=True))
    return self.head(y + h)


def written_and_read(self, x):
    h = self.conv(x)
    low = h - 1
    h.mul_(2).add_(low)
    return self.head(self.mix(h) + h + low)


def recurrent(self, x):
    return self.head(self.lstm(x.flatten(2).transpose(1, 2))[0][:, -1])


def padded(self, x):
    high, wide = (-n % 3 for n in x.shape[2:])
    return self.head(self.conv(F.pad(x, (0, wide, 0, high))))


def shuffled(self, x):
    batch, channels, *sides = self.conv(x).shape
    x = self.conv(x).view(batch, 2, channels // 2, *sides).transpose(1, 2).reshape(batch, -1, *sides)
    return self.head(x)


def standardised(self, x):
    weight = self.conv.weight
    weight = (weight - weight.mean(dim=(1, 2, 3), keepdim=True)) / weight.std(dim=(1, 2, 3), keepdim=True)
    return self.head(F.conv2d(x, weight, self.conv.bias))


def attended(self, x):
    tokens = self.conv(x).flatten(2).transpose(1, 2)
    return self.head(self.attend(tokens, tokens, tokens, need_weights=False)[0].mean(dim=1))


def same_shapes(self, x):
    y = self.conv(x)
    return self.head(x + y if x.shape == y.shape else y)


def configured(self, x):
    x = x * self.settings.scale if x.shape[1:] == self.settings.sizes else x
    return self.head(self.conv(x) * self.table["scale"])


def ends(inputs: int = 256) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 5))


def layers(*modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(*modules, nn.Flatten(), nn.LazyLinear(5))


def family() -> dict[str, nn.Module]:
    """Models of pictures of 3 x 8 x 8."""
    conv, norm, net = nn.Conv2d, nn.BatchNorm2d, Net
    made = {
        f"convolution {geometry}": layers(conv(6, 6, *geometry[:4], groups=geometry[4]), norm(6), nn.ReLU())
        for geometry in [
            (3, 1, 0, 1, 1),
            (3, 2, 1, 1, 2),
            ((3, 2), (1, 2), (2, 1), (2, 1), 3),
            (1, 2, 0, 1, 6),
            (5, 3, 4, 1, 1),
        ]
    }
    made = {name: nn.Sequential(conv(3, 6, 1), nn.ReLU(), *model) for name, model in made.items()}
    return made | {
        "transposed": layers(nn.ConvTranspose2d(3, 4, 3, 2), norm(4), nn.ReLU()),
        "reflected": layers(conv(3, 4, 3, padding=1, padding_mode="reflect"), norm(4), nn.ReLU()),
        "padding by name": layers(conv(3, 4, 3, padding="same"), norm(4)),
        "norm without affine": layers(conv(3, 4, 3), norm(4, affine=False), nn.ReLU()),
        "norm without statistics": layers(conv(3, 4, 3), norm(4, track_running_stats=False)),
        "norm first": layers(norm(3), conv(3, 4, 3), nn.GELU()),
        "other norms": layers(conv(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.InstanceNorm2d(4, affine=True)),
        "input scale": layers(Normalize([0.5] * 3, [0.2] * 3), conv(3, 4, 3), nn.LeakyReLU(inplace=True)),
        "residual": layers(conv(3, 6, 3), Residual(6, 6, False), Residual(6, 8, False), nn.AdaptiveAvgPool2d(1)),
        "preactivation": layers(conv(3, 6, 3), Residual(6, 6, True), Residual(6, 8, True), norm(8), nn.ReLU(True)),
        "excitation": layers(conv(3, 6, 3), Excite(6), conv(6, 4, 3)),
        "dense": net(dense, stem=conv(3, 4, 3, padding=1), one=conv(4, 4, 3, padding=1), two=conv(8, 4, 1),
            head=ends(768)),
        "shared": (lambda layer: layers(layer, norm(3), nn.ReLU(), layer, norm(3)))(conv(3, 3, 3, padding=1)),
        "tied": net(lambda self, x: self.head(F.conv_transpose2d(self.conv(x).relu(), self.conv.weight)),
            conv=conv(3, 4, 3), head=ends(192)),
        "transformer": Transformer(),
        "attention": net(attended, conv=conv(3, 8, 4, 4), attend=nn.MultiheadAttention(8, 2, batch_first=True),
            head=nn.Linear(8, 5)),
        "encoder": nn.Sequential(net(lambda self, x: self.conv(x).flatten(2).mT, conv=conv(3, 8, 4, 4)),
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(32, 5)),
        "mixer": Mixer(),
        "u-net": net(unet, down=conv(3, 4, 3, padding=1), low=conv(4, 4, 3, padding=1), head=ends(512)),
        "chunks": net(gated, conv=conv(3, 8, 3, padding=1), mix=conv(4, 4, 3, padding=1), head=ends()),
        "second chunk later": net(kept_half, conv=conv(3, 8, 3, padding=1), mix=conv(4, 4, 3, padding=1),
            head=ends()),
        "in place for both": net(rectified_for_both, conv=conv(3, 4, 3, padding=1), mix=conv(4, 4, 3, padding=1),
            head=ends()),
        "written and read": net(written_and_read, conv=conv(3, 4, 3, padding=1), mix=conv(4, 4, 1), head=ends()),
        "doubled": net(lambda self, x: self.head((lambda h: h + h)(self.conv(x)).relu()), conv=conv(3, 4, 3,
            padding=1), head=ends()),
        "tokens with norm": nn.Sequential(nn.Flatten(2), nn.Linear(64, 3), nn.BatchNorm1d(3), nn.ReLU(),
            nn.Flatten(), nn.Linear(9, 5)),
        "more tokens with norm": nn.Sequential(nn.Flatten(2), nn.Linear(64, 7), nn.BatchNorm1d(3), nn.Flatten(),
            nn.Linear(21, 5)),
        "norm after linear": nn.Sequential(nn.Flatten(), nn.Linear(192, 100), nn.BatchNorm1d(100), nn.ReLU(),
            nn.Linear(100, 120), nn.Linear(120, 5)),
        "repeating factor": net(lambda self, x: self.head(self.conv(x.mean(dim=1, keepdim=True) * self.factor)),
            factor=nn.Parameter(torch.rand(3, 1, 1)), conv=conv(3, 4, 3, padding=1), head=ends()),
        "recurrent": net(recurrent, lstm=nn.LSTM(3, 6, batch_first=True), head=nn.Linear(6, 5)),
        "padded": net(padded, conv=conv(3, 4, 3, 3), head=ends(36)),
        "tensorflow padding": layers(ConvNorm(3, 4, 3, stride=2), ConvNorm(4, 6, 1), ConvNorm(6, 6, 5, 2, groups=6)),
        "shuffled": net(shuffled, conv=conv(3, 4, 3, padding=1), head=ends()),
        "standardised": net(standardised, conv=conv(3, 4, 3, padding=0), head=ends(144)),
        "same shapes": net(same_shapes, conv=conv(3, 3, 3, padding=1), head=ends(192)),
        "settings": net(configured, conv=conv(3, 4, 3, padding=1), head=ends(), settings=Settings(),
            table={"scale": 3.0}),
        "one dimension": nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 5, 2), nn.BatchNorm1d(4), nn.ReLU(),
            nn.Flatten(), nn.LazyLinear(5)),
        "three dimensions": layers(nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.ReLU()),
        "frequencies": net(lambda self, x: self.head(torch.fft.rfft2(x).abs().flatten(1)), head=nn.LazyLinear(5)),
        "rounded, straight-through": net(lambda self, x: self.head(x + ((x * 3).round() / 3 - x).detach()),
            head=ends(192)),
        "logits read": net(lambda self, x: (lambda z: (z.softmax(1), z)[1])(self.head(x)), head=ends(192)),
    }  # fmt: skip


def settled(model: nn.Module) -> nn.Module:
    """In eval mode, with statistics and factors of batch norms that are not the first ones."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    with torch.no_grad():
        for _ in range(2):
            model(torch.rand(6, 3, 8, 8))
    return model.eval()
