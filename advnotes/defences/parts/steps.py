"""The steps of a network whose outputs can be bounded: affine ones, rectifiers, and maxima over windows.

They hold the model's own layers, and so follow its parameters.
"""

import math
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "Affine", "Average", "BatchNorm", "Constant", "Convolution", "Corner", "Dense", "Maximum", "Rectifier", "Reshape",
    "Scale", "Shift", "Step", "Sum",
]  # fmt: skip

#: The first row and column of a part of a picture.
Corner = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Step:
    """A step of a network.

    Args:
        name: of the layer or the function, for messages.
        inputs: the numbers of the values that it reads; 0 is the network's input, ``i + 1`` the output of step ``i``.
        before: the shape of what it reads, without the batch.
        after: the shape of its output, without the batch.
    """

    name: str
    inputs: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


class Affine(Step, ABC):
    r""":math:`z = W x + b`, of one or several inputs ``[batch, *before]``.

    Attributes:
        terms: how many products are summed for one output, and for one input on the way back; 0 where nothing rounds.
    """

    @property
    @abstractmethod
    def terms(self) -> tuple[int, int]:
        """How many products are summed for one output, and for one input on the way back; 0 where nothing rounds."""

    @abstractmethod
    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        r""":math:`W x`, or :math:`|W| x`, in the precision of ``x``."""

    @abstractmethod
    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        r""":math:`W^\top a`, one for each input."""

    def transposed_at(self, a: Tensor, corner: Corner) -> tuple[tuple[Tensor, Corner], ...] | None:
        """The same of a part of the picture, whose upper left corner is given; None where only all of it will do."""
        return None

    def bias(self, like: Tensor) -> Tensor | None:
        """What is added, in a shape that broadcasts over the output; None for nothing."""
        return None

    def bias_size(self, like: Tensor) -> Tensor | None:
        """The size of the numbers that the bias is made of."""
        bias = self.bias(like)
        return None if bias is None else bias.abs()

    def largest(self) -> Tensor | float:
        """The largest weight, to bound what underflow loses."""
        return 1.0


def _in(values: Tensor, dtype: torch.dtype) -> Tensor:
    """The model's own numbers in a precision and in the usual order; those of inference mode as autograd takes them."""
    values = values.to(dtype).contiguous()
    return values.clone() if values.is_inference() and not torch.is_inference_mode_enabled() else values


@dataclass(frozen=True, eq=False)
class Dense(Affine):
    """A linear layer."""

    layer: nn.Linear

    @property
    def terms(self) -> tuple[int, int]:
        return self.layer.in_features, self.layer.out_features

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        weight = _in(self.layer.weight, x[0].dtype)
        return F.linear(x[0], weight.abs() if absolute else weight)

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        return (a @ _in(self.layer.weight, a.dtype),)

    def bias(self, like: Tensor) -> Tensor | None:
        return None if self.layer.bias is None else _in(self.layer.bias, like.dtype)

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
        weight, layer = _in(self.layer.weight, x[0].dtype), self.layer
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
        weight = _in(layer.weight, a.dtype)
        return (
            F.conv_transpose2d(a, weight, None, layer.stride, padding, over, layer.groups, layer.dilation),
        )

    def transposed_at(self, a: Tensor, corner: Corner) -> tuple[tuple[Tensor, Corner], ...] | None:
        layer = self.layer
        weight = _in(layer.weight, a.dtype)
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
        return None if self.layer.bias is None else _in(self.layer.bias, like.dtype).view(-1, 1, 1)

    def largest(self) -> Tensor | float:
        return self.layer.weight.detach().abs().amax().double()


@dataclass(frozen=True, eq=False)
class Constant:
    """A number, or a tensor that a module holds under a name."""

    value: float = 0.0
    owner: Any = None
    path: str = ""

    @property
    def everywhere(self) -> bool:
        """Whether it is the same in all pixels of a channel."""
        return self.owner is None or all(
            size == 1 for size in operator.attrgetter(self.path)(self.owner).shape[-2:]
        )

    def tensor(self, like: Tensor) -> Tensor:
        """In the precision of ``like``."""
        if self.owner is None:
            return torch.tensor(self.value, dtype=like.dtype, device=like.device)
        return _in(operator.attrgetter(self.path)(self.owner).to(like.device), like.dtype)


@dataclass(frozen=True, eq=False)
class Shift(Affine):
    """``sign * x + constant``."""

    constant: Constant
    sign: float = 1.0
    minus: bool = False

    @property
    def terms(self) -> tuple[int, int]:
        return 2, 2

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        return x[0] if absolute or self.sign > 0 else -x[0]

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        return (a if self.sign > 0 else -a,)

    def transposed_at(self, a: Tensor, corner: Corner) -> tuple[tuple[Tensor, Corner], ...] | None:
        return ((self.transposed(a)[0], corner),) if self.constant.everywhere else None

    def bias(self, like: Tensor) -> Tensor | None:
        constant = self.constant.tensor(like)
        return -constant if self.minus else constant


@dataclass(frozen=True, eq=False)
class Scale(Affine):
    """``constant * x``, or ``x / constant``."""

    constant: Constant
    divide: bool = False

    @property
    def terms(self) -> tuple[int, int]:
        return 4, 4  # PyTorch may multiply by the reciprocal

    def factor(self, like: Tensor) -> Tensor:
        """What ``x`` is multiplied by."""
        constant = self.constant.tensor(like)
        return 1 / constant if self.divide else constant

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        factor = self.factor(x[0])
        return x[0] * (factor.abs() if absolute else factor)

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        return (a * self.factor(a),)

    def transposed_at(self, a: Tensor, corner: Corner) -> tuple[tuple[Tensor, Corner], ...] | None:
        return ((self.transposed(a)[0], corner),) if self.constant.everywhere else None

    def largest(self) -> Tensor | float:
        owner = self.constant.owner
        like = torch.zeros((), dtype=torch.float64)
        if owner is not None:
            like = like.to(operator.attrgetter(self.constant.path)(owner).device)
        return self.factor(like).detach().abs().amax()


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
        factor = (_in(layer.running_var, like.dtype) + layer.eps).rsqrt()
        factor = factor if layer.weight is None else factor * _in(layer.weight, like.dtype)
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
        moved = self.factor(like) * _in(self.layer.running_mean, like.dtype).view(shape)
        bias = self.layer.bias
        return moved, torch.zeros_like(moved) if bias is None else _in(bias, like.dtype).view(shape)

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


@dataclass(frozen=True, eq=False)
class Average(Affine):
    """Means over windows of a picture: ``kernel``, ``stride`` and so on are those of ``F.avg_pool2d``."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    ceil: bool = False
    include: bool = True
    divisor: int | None = None

    @property
    def terms(self) -> tuple[int, int]:
        return math.prod(self.kernel) + 2, math.prod(self.kernel) + 2

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        return F.avg_pool2d(
            x[0], self.kernel, self.stride, self.padding, self.ceil, self.include, self.divisor
        )

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            x = torch.zeros(len(a), *self.before, dtype=a.dtype, device=a.device, requires_grad=True)
            return torch.autograd.grad(self.linear(x), x, a, create_graph=a.requires_grad)


@dataclass(frozen=True, eq=False)
class Reshape(Affine):
    """The same numbers in another shape."""

    @property
    def terms(self) -> tuple[int, int]:
        return 0, 0

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        return x[0].reshape(len(x[0]), *self.after)

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        return (a.reshape(len(a), *self.before),)


@dataclass(frozen=True, eq=False)
class Sum(Affine):
    """The sum of two values or, with ``sign`` -1, their difference."""

    sign: float = 1.0

    @property
    def terms(self) -> tuple[int, int]:
        return 2, 2

    def linear(self, *x: Tensor, absolute: bool = False) -> Tensor:
        return x[0] + x[1] if absolute or self.sign > 0 else x[0] - x[1]

    def transposed(self, a: Tensor) -> tuple[Tensor, ...]:
        return a, a if self.sign > 0 else -a

    def transposed_at(self, a: Tensor, corner: Corner) -> tuple[tuple[Tensor, Corner], ...] | None:
        return tuple((part, corner) for part in self.transposed(a))


@dataclass(frozen=True, eq=False)
class Rectifier(Step):
    """``max(x, slope * x)``, with a slope from 0 to 1."""

    slope: float = 0.0

    def values(self, x: Tensor) -> Tensor:
        """At ``x``."""
        return F.relu(x) if self.slope == 0 else F.leaky_relu(x, self.slope)


@dataclass(frozen=True, eq=False)
class Maximum(Step):
    """The largest value of each window of a picture: the arguments of ``F.max_pool2d``."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    ceil: bool

    def values(self, x: Tensor) -> Tensor:
        """At ``x``."""
        return F.max_pool2d(x, self.kernel, self.stride, self.padding, self.dilation, self.ceil)

    def windows(self, x: Tensor, fill: float = -math.inf) -> Tensor:
        """What each output is the largest of, ``[batch, channels, window, height, width]``; ``fill`` is padding."""
        padded = F.pad(x, self._padding(), value=fill)
        parts = F.unfold(padded, self.kernel, self.dilation, 0, self.stride)
        return parts.view(len(x), self.after[0], -1, *self._windows())[..., : self.after[1], : self.after[2]]

    def summed(self, parts: Tensor) -> Tensor:
        """The transposed of :meth:`windows`: each pixel gets the sum of what its windows have for it."""
        high, wide = self._windows()
        parts = F.pad(parts, (0, wide - self.after[2], 0, high - self.after[1]))
        left, right, top, bottom = self._padding()
        size = self.before[1] + top + bottom, self.before[2] + left + right
        whole = F.fold(parts.flatten(3).flatten(1, 2), size, self.kernel, self.dilation, 0, self.stride)
        return whole[..., top : size[0] - bottom, left : size[1] - right]

    def _span(self, i: int) -> int:
        return self.dilation[i] * (self.kernel[i] - 1) + 1

    def _padding(self) -> tuple[int, int, int, int]:
        """Left, right, top and bottom; with ``ceil`` the last window may reach further."""
        ends = [
            max(
                self.padding[i],
                (self.after[1 + i] - 1) * self.stride[i]
                + self._span(i)
                - self.before[1 + i]
                - self.padding[i],
            )
            for i in range(2)
        ]
        return self.padding[1], ends[1], self.padding[0], ends[0]

    def _windows(self) -> tuple[int, int]:
        """How many windows fit into the padded picture."""
        left, right, top, bottom = self._padding()
        whole = self.before[1] + top + bottom, self.before[2] + left + right
        return (whole[0] - self._span(0)) // self.stride[0] + 1, (whole[1] - self._span(1)) // self.stride[
            1
        ] + 1
