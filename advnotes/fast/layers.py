"""Convolutions and linear layers whose parameters are constants: what the passes of an attack need of them.

Each computes ``relu(W x + b + other)``, with or without ``relu`` and ``other``, and takes gradients back to ``x`` and
``other`` alone. On a CPU, oneDNN does it in one call.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes.fast.blocks import Blocks

__all__ = ["Affine", "Change", "Convolution", "Linear", "Source"]

#: Below this many multiplications for a sample, oneDNN's call costs more than it saves.
SMALL = 10_000

#: Gives a layer's weight and bias, from what the model's parameters are at the time of the call.
Source = Callable[[], tuple[Tensor, Tensor | None]]


class Change(NamedTuple):
    """``after * (W (before * x) + b) + shift``, each one number for each channel, or one for all."""

    before: Tensor | None = None
    after: Tensor | None = None
    shift: Tensor | None = None


class Affine(nn.Module):
    """A layer with constant parameters, followed by a rectifier where ``relu`` is set.

    Args:
        source: where the parameters come from, when :meth:`refresh` asks.
        size: the shape of the weight.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, source: Source, size: torch.Size) -> None:
        super().__init__()
        self.source, self.size = source, size
        self.register_buffer("weight", None)
        self.register_buffer("bias", None)
        self.relu = False

    def scaled(self, change: Callable[[], Change]) -> "Affine":
        """The layer with another factor before and after it, and a shift."""

        def source() -> tuple[Tensor, Tensor | None]:
            (weight, bias), (before, after, shift) = self.source(), change()
            if before is not None:
                weight = weight * self._by_input(before)
            if after is not None:
                weight = weight * after.view(-1, *[1] * (weight.ndim - 1))
                bias = None if bias is None else bias * after
            return weight, bias if shift is None else shift if bias is None else bias + shift

        return self._like(source)

    def refresh(self) -> None:
        """Take the parameters as they are now, and lay them out as the passes want them."""
        weight, self.bias = self.source()
        if self.weight is None or _one_memory(self.weight, weight):
            self.weight = self._laid_out(weight)
        else:
            # Into the old memory: of a large matrix, new memory costs several times the copy.
            self.weight.view(weight.shape).copy_(weight)

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many channels the input has."""

    @abstractmethod
    def _by_input(self, factor: Tensor) -> Tensor:
        """One number for each input channel, or one for all, in a shape that broadcasts over the weight."""

    @abstractmethod
    def _like(self, source: Source) -> "Affine":
        """Such a layer with parameters from elsewhere."""

    @abstractmethod
    def _laid_out(self, weight: Tensor) -> Tensor:
        """The weight in the memory that the passes want; itself where it is there."""

    @abstractmethod
    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """``relu(W x + b + other)``, whose backward pass is :meth:`input_gradient`, not autograd's.

        ``other`` has the shape of the output.
        """

    @abstractmethod
    def input_gradient(self, gradient: Tensor, x: Tensor) -> Tensor:
        """The gradient of ``x``, from that of ``W x``."""


class Convolution(Affine):
    """A convolution in two dimensions, in channels-last memory."""

    def __init__(self, source: Source, size: torch.Size, like: nn.Conv2d) -> None:
        super().__init__(source, size)
        self.like = (like,)  # in a tuple, so that it is no submodule
        self.stride, self.dilation = list(like.stride), list(like.dilation)
        self.padding, self.groups = [int(p) for p in like.padding], like.groups
        self.blocks: Blocks | None = None

    @property
    def channels(self) -> int:
        return self.size[1] * self.groups

    def _by_input(self, factor: Tensor) -> Tensor:
        if factor.numel() == 1:
            return factor
        each = factor.view(self.groups, 1, -1, 1, 1).expand(-1, self.size[0] // self.groups, -1, -1, -1)
        return each.flatten(0, 1)

    def _like(self, source: Source) -> Affine:
        return Convolution(source, self.size, self.like[0])

    def _laid_out(self, weight: Tensor) -> Tensor:
        return weight.contiguous(memory_format=torch.channels_last)

    def refresh(self) -> None:
        first = self.weight is None
        super().refresh()
        if first:  # whether blocks pay, and which, hangs on the shapes alone
            self.blocks = Blocks.of(self.weight, self.stride, self.padding, self.dilation, self.groups)
        elif self.blocks is not None:
            self.blocks = self.blocks.filled(self.weight)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        geometry = (self.padding, self.stride, self.dilation, self.groups)
        x = channels_last(x)
        if one_call(x) and other is None:
            after = "relu" if self.relu else "none"
            return torch.ops.mkldnn._convolution_pointwise(
                x, self.weight, self.bias, *geometry, after, [], ""
            )
        if one_call(x) and other is not None and other.is_contiguous(memory_format=torch.channels_last):
            return torch.ops.mkldnn._convolution_pointwise.binary(
                x, other, self.weight, self.bias, *geometry, "add", 1.0, "relu" if self.relu else None, [], ""
            )
        out = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        out = out if other is None else out + other
        return out.relu_() if self.relu else out

    def input_gradient(self, gradient: Tensor, x: Tensor) -> Tensor:
        if self.blocks is not None:
            return self.blocks.input_gradient(gradient, x)
        return torch.ops.aten.convolution_backward(
            gradient, x, self.weight, None, self.stride, self.padding, self.dilation, False, [0, 0], self.groups,
            [True, False, False],
        )[0]  # fmt: skip


class Linear(Affine):
    """A linear layer."""

    @property
    def channels(self) -> int:
        return self.size[1]

    def _by_input(self, factor: Tensor) -> Tensor:
        return factor

    def by_channels_last(self, channels: int) -> Affine:
        """The layer for images that were flattened with the channels last instead of first."""

        def source() -> tuple[Tensor, Tensor | None]:
            weight, bias = self.source()
            return weight.unflatten(1, (channels, -1)).transpose(1, 2), bias

        return self._like(source)

    def _like(self, source: Source) -> Affine:
        return Linear(source, self.size)

    def _laid_out(self, weight: Tensor) -> Tensor:
        return weight.reshape(self.size).contiguous()

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        if one_call(x) and self.size.numel() > SMALL and other is None:
            after = "relu" if self.relu else "none"
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, after, [], "")
        out = F.linear(x, self.weight, self.bias)
        out = out if other is None else out + other
        return out.relu_() if self.relu else out

    def input_gradient(self, gradient: Tensor, x: Tensor) -> Tensor:
        if one_call(gradient) and self.size.numel() > SMALL:
            return torch.ops.mkldnn._linear_pointwise(gradient, self.weight.t(), None, "none", [], "")
        return gradient @ self.weight


def channels_last(x: Tensor) -> Tensor:
    """Images in channels-last memory, also where a single channel makes the two orders one: its strides decide."""
    x = x.contiguous(memory_format=torch.channels_last)
    if x.shape[1] > 1:
        return x
    _, _, height, width = x.shape
    return x.as_strided(x.shape, (height * width, 1, width, 1))


def _one_memory(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def one_call(x: Tensor) -> bool:
    """Whether oneDNN's fused operations take this tensor: bfloat16 only where the processor has instructions for it."""
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and _has_bfloat16())


@cache
def _has_bfloat16() -> bool:
    """Whether oneDNN computes in bfloat16 on this processor."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
