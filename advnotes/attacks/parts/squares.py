"""The squares of the Square attack: where they lie and what they do to a point, for each sample at once."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.threats import Bounds, Threat

__all__ = ["LinfSquares", "Size", "Squares"]

SomeSquares = TypeVar("SomeSquares", bound="Squares")


class Size(NamedTuple):
    """Of an image."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Squares:
    """What both kinds share: a batch of inputs, flat, and windows in them.

    Args:
        x: the inputs, ``[batch, channels * height * width]``.
        size: of one input.
        bounds: the range of the input.
    """

    x: Float[Tensor, "batch d"]
    size: Size
    bounds: Bounds

    def rows(self: SomeSquares, keep: Tensor) -> SomeSquares:
        """The squares of some samples."""
        held: dict[str, Any] = {
            name: value[keep] for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return dataclasses.replace(self, **held)

    def window(self, share: float) -> tuple[int, int]:
        """Height and width of a window with ``share`` of the pixels: a square where it fits, at least a pixel."""
        _, height, width = self.size
        side = max(1, round((share * height * width) ** 0.5))
        narrow = min(height, width)
        if side <= narrow:
            return side, side
        length = min(max(height, width), max(1, round(share * height * width / narrow)))
        return (length, narrow) if height > width else (narrow, length)

    def indices(
        self, numbers: Float[Tensor, "batch 2"], window: tuple[int, int]
    ) -> Int[Tensor, "batch places"]:
        """The places of each sample's window in its flat input: channel by channel, row by row."""
        _, height, width = self.size
        down, across = height - window[0] + 1, width - window[1] + 1
        # The product of a number just below 1 may be rounded up to the number of places.
        top = (numbers[:, :1] * down).long().clamp_max(down - 1)
        left = (numbers[:, 1:] * across).long().clamp_max(across - 1)
        inside = _offsets(self.size, window, str(numbers.device))
        return top * width + left + inside


@dataclass(frozen=True)
class LinfSquares(Squares):
    r"""Linf: each channel of a square moves to one end, :math:`x \pm \epsilon` (Algorithm 2 and section 4.2)."""

    low: Float[Tensor, "batch d"]
    high: Float[Tensor, "batch d"]

    @classmethod
    def around(
        cls, x: Float[Tensor, "batch ..."], size: Size, threat: Threat, bounds: Bounds
    ) -> "LinfSquares":
        """The squares for a batch inside a threat."""
        radius = threat.radius(x)
        low, high = ((x + sign * radius).clamp(*bounds).flatten(1) for sign in (-1, 1))
        return cls(x.flatten(1), size, bounds, low, high)

    @property
    def numbers_to_start(self) -> int:
        """One for each column of each channel."""
        return self.size.channels * self.size.width

    @property
    def numbers(self) -> int:
        """Two for the place, one for the sign of each channel."""
        return 2 + self.size.channels

    def start(self, numbers: Float[Tensor, "batch numbers"]) -> Float[Tensor, "batch d"]:
        """Vertical stripes."""
        up = (numbers < 0.5).view(-1, self.size.channels, 1, self.size.width).expand(-1, *self.size)
        return torch.where(up.reshape(len(up), -1), self.high, self.low)

    def place(
        self, numbers: Float[Tensor, "batch numbers"], window: tuple[int, int]
    ) -> Int[Tensor, "batch places"]:
        """Where each sample's square lies."""
        return self.indices(numbers[:, :2], window)

    def move(
        self,
        point: Float[Tensor, "batch d"],
        where: Int[Tensor, "batch places"],
        numbers: Float[Tensor, "batch numbers"],
        window: tuple[int, int],
    ) -> None:
        """Change the squares of ``point`` in place."""
        ends = torch.stack([self.low.gather(1, where), self.high.gather(1, where)])
        up = (numbers[:, 2:] < 0.5).repeat_interleave(window[0] * window[1], dim=1)
        moved = torch.where(up, ends[1], ends[0])
        same = (moved == point.gather(1, where)).all(dim=1, keepdim=True)
        point.scatter_(1, where, torch.where(up ^ same, ends[1], ends[0]))


@lru_cache(maxsize=64)
def _offsets(size: Size, window: tuple[int, int], device: str) -> Int[Tensor, " places"]:
    """The places of the window in the upper left corner of a flat input."""
    lengths = (size.channels, *window)
    channel, row, column = torch.meshgrid(*(torch.arange(n, device=device) for n in lengths), indexing="ij")
    return ((channel * size.height + row) * size.width + column).flatten()
