"""Affine steps without weights: constants that are added or multiplied, means over windows, other shapes, sums."""

import math
import operator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from advnotes.defences.parts.steps.step import Affine, Corner, in_precision

__all__ = ["Average", "Constant", "Reshape", "Scale", "Shift", "Sum"]


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
        return in_precision(operator.attrgetter(self.path)(self.owner).to(like.device), like.dtype)


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
