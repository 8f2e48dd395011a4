"""Affine steps with weights of the model: dense layers, convolutions, batch norm in eval mode.

They hold the model's own layers, and so follow its parameters.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes.defences.parts.steps.step import Affine, Corner, in_precision

__all__ = ["BatchNorm", "Convolution", "Dense"]


@dataclass(frozen=True, eq=False)
class Dense(Affine):
    """A linear layer."""

    layer: nn.Linear

    @property
    def terms(self) -> tuple[int, int]:
        return self.layer.in_features, self.layer.out_features

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        weight = in_precision(self.layer.weight, x[0].dtype)
        return F.linear(x[0], weight.abs() if absolute else weight)

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        return (a @ in_precision(self.layer.weight, a.dtype),)

    def bias(self, like: Tensor) -> Tensor | None:
        return None if self.layer.bias is None else in_precision(self.layer.bias, like.dtype)

    def largest(self) -> Tensor | float:
        return self.layer.weight.detach().abs().amax().double()


@dataclass(frozen=True, eq=False)
class Convolution(Affine):
    """A convolution in two dimensions, padded with zeros."""

    layer: nn.Conv2d
    padding: tuple[int, int]

    @property
    def terms(self) -> tuple[int, int]:
        size = math.prod(self.layer.kernel_size) // self.layer.groups
        return self.layer.in_channels * size, self.layer.out_channels * size

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        weight, layer = in_precision(self.layer.weight, x[0].dtype), self.layer
        weight = weight.abs() if absolute else weight
        return F.conv2d(x[0], weight, None, layer.stride, self.padding, layer.dilation, layer.groups)

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        layer, padding = self.layer, self.padding
        # Rows and columns at the end that the stride leaves over.
        over = [
            self.before[1 + i]
            + 2 * padding[i]
            - (self.after[1 + i] - 1) * layer.stride[i]
            - layer.dilation[i] * (layer.kernel_size[i] - 1)
            - 1
            for i in range(2)
        ]
        weight = in_precision(layer.weight, a.dtype)
        return (
            F.conv_transpose2d(a, weight, None, layer.stride, padding, over, layer.groups, layer.dilation),
        )

    def transposed_at(self, a: Tensor, corner: Corner) -> tuple[tuple[Tensor, Corner], ...] | None:
        layer = self.layer
        weight = in_precision(layer.weight, a.dtype)
        if (
            a.shape[2:] == (1, 1) and layer.groups == 1 and layer.dilation == (1, 1)
        ):  # far faster than a convolution
            whole = (a.flatten(1) @ weight.flatten(1)).view(len(a), *weight.shape[1:])
        else:
            whole = F.conv_transpose2d(a, weight, None, layer.stride, 0, 0, layer.groups, layer.dilation)
        begin = [corner[i] * layer.stride[i] - self.padding[i] for i in range(2)]
        # What lies in the padding is cut off.
        (top, bottom), (left, right) = (
            (max(0, -begin[i]), min(whole.shape[2 + i], self.before[1 + i] - begin[i])) for i in range(2)
        )
        if top >= bottom or left >= right:  # all of it
            return ((whole.new_zeros(*whole.shape[:2], 1, 1), (0, 0)),)
        return ((whole[..., top:bottom, left:right], (begin[0] + top, begin[1] + left)),)

    def bias(self, like: Tensor) -> Tensor | None:
        return None if self.layer.bias is None else in_precision(self.layer.bias, like.dtype).view(-1, 1, 1)

    def largest(self) -> Tensor | float:
        return self.layer.weight.detach().abs().amax().double()


@dataclass(frozen=True, eq=False)
class BatchNorm(Affine):
    r"""Batch normalisation in eval mode, :math:`\gamma (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta`."""

    layer: nn.BatchNorm1d | nn.BatchNorm2d

    @property
    def terms(self) -> tuple[int, int]:
        return 16, 16  # in whatever order the few operations come, with a square root of two units

    def factor(self, like: Tensor) -> Tensor:
        """What ``x`` is multiplied by, for each channel."""
        layer = self.layer
        assert layer.running_var is not None
        factor = (in_precision(layer.running_var, like.dtype) + layer.eps).rsqrt()
        factor = factor if layer.weight is None else factor * in_precision(layer.weight, like.dtype)
        return factor.view(-1, *[1] * (len(self.after) - 1))

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        factor = self.factor(x[0])
        return x[0] * (factor.abs() if absolute else factor)

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        return (a * self.factor(a),)

    def transposed_at(self, a: Tensor, corner: Corner) -> tuple[tuple[Tensor, Corner], ...] | None:
        return tuple((part, corner) for part in self.transposed(a))

    def _parts(self, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *[1] * (len(self.after) - 1))
        assert self.layer.running_mean is not None
        moved = self.factor(like) * in_precision(self.layer.running_mean, like.dtype).view(shape)
        bias = self.layer.bias
        return moved, torch.zeros_like(moved) if bias is None else in_precision(bias, like.dtype).view(shape)

    def bias(self, like: Tensor) -> Tensor | None:
        moved, bias = self._parts(like)
        return bias - moved

    def bias_size(self, like: Tensor) -> Tensor | None:
        moved, bias = self._parts(like)
        return bias.abs() + moved.abs()

    def largest(self) -> Tensor | float:
        var = self.layer.running_var
        assert var is not None
        return self.factor(var.double()).detach().abs().amax()
