"""What all steps of a network have in common, and those that are not affine: rectifiers, and maxima over windows."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Affine", "Corner", "Maximum", "Rectifier", "Step", "in_precision"]

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


def in_precision(values: Tensor, dtype: torch.dtype) -> Tensor:
    """The model's own numbers in a precision and in the usual order; those of inference mode as autograd takes them."""
    values = values.to(dtype).contiguous()
    return values.clone() if values.is_inference() and not torch.is_inference_mode_enabled() else values


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
