"""The squares of the Square attack in L2 and L1: bumps that take over the norm that another place holds."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.parts.squares import Size, Squares
from advnotes.threats import L2, Bounds, Threat

__all__ = ["LpSquares", "bumps"]


@dataclass(frozen=True)
class LpSquares(Squares):
    r"""L2 (and L1): the norm in two squares gathered into one, as a bump and its negative (Algorithm 3).

    With the perturbation :math:`\delta` and the windows :math:`W_1, W_2`, channel :math:`i` of :math:`W_1` becomes
    :math:`\pm\eta + \delta_{W_1} / \lVert\delta_{W_1}\rVert`, scaled to the norm

    .. math::
        \bigl(\lVert\delta_{W_1 \cup W_2}\rVert^p + (\epsilon^p - \lVert\delta\rVert^p)_+ / c\bigr)^{1/p}

    of which the first term is taken in the channel and the second, lost when the point was clipped to its range,
    is shared by the :math:`c` channels; :math:`W_2` becomes zero. The whole then has the norm :math:`\epsilon`.
    """

    eps: Float[Tensor, "batch 1"]
    power: int

    @classmethod
    def around(cls, x: Float[Tensor, "batch ..."], size: Size, threat: Threat, bounds: Bounds) -> "LpSquares":
        """The squares for a batch inside a threat."""
        flat, power = x.flatten(1), 2 if isinstance(threat, L2) else 1
        # No perturbation is larger than the range allows, whatever the radius.
        most = (bounds[1] - bounds[0]) * flat.shape[1] ** (1 / power)
        eps = torch.as_tensor(threat.eps, dtype=x.dtype, device=x.device).clamp_max(most)
        return cls(flat, size, bounds, eps.expand(len(x))[:, None], power)

    @property
    def numbers_to_start(self) -> int:
        """For each tile its orientation and the sign of each channel."""
        return (1 + self.size.channels) * len(self.tiles[0]) * len(self.tiles[1])

    @property
    def numbers(self) -> int:
        """Four for the places of two squares, one for the orientation, one for the sign of each channel."""
        return 5 + self.size.channels

    @property
    def tiles(self) -> tuple[range, range]:
        """Where the tiles of the starting point begin, down and across: five of them and what is left over."""
        starts = []
        for length in self.size[1:]:
            side = max(1, length // 5)
            edge = (length - length // side * side) // 2
            starts.append(range(edge, edge + length // side * side, side))
        return starts[0], starts[1]

    def start(self, numbers: Float[Tensor, "batch numbers"]) -> Float[Tensor, "batch d"]:
        """Tiles of bumps, scaled to the whole radius."""
        channels, (down, across) = self.size.channels, self.tiles
        drawn = (numbers < 0.5).view(-1, 1 + channels, len(down), len(across))
        tile = bumps(down.step, across.step, self.power, self.x.dtype, str(self.x.device))
        tiles = torch.where(drawn[:, :1, :, :, None, None], tile[0], tile[1])
        tiles = tiles * torch.where(drawn[:, 1:, :, :, None, None], 1, -1)
        delta = self.x.new_zeros(len(self.x), *self.size)
        delta[:, :, down.start : down.stop, across.start : across.stop] = (
            tiles.transpose(3, 4).flatten(4, 5).flatten(2, 3)
        )
        flat = delta.flatten(1)
        return (self.x + flat * (self.eps / self._norm(flat))).clamp(*self.bounds)

    def window(self, share: float) -> tuple[int, int]:
        """As in Linf, but with odd sides of at least 3, where the image has as much."""
        height, width = (max(3, side + (side + 1) % 2) for side in super().window(share))
        return min(height, self.size.height), min(width, self.size.width)

    def place(
        self, numbers: Float[Tensor, "batch numbers"], window: tuple[int, int]
    ) -> Int[Tensor, "batch places"]:
        """Where each sample's two windows lie: first the one that receives, then the one that gives."""
        return torch.cat([self.indices(numbers[:, at : at + 2], window) for at in (0, 2)], dim=1)

    def move(
        self,
        point: Float[Tensor, "batch d"],
        where: Int[Tensor, "batch places"],
        numbers: Float[Tensor, "batch numbers"],
        window: tuple[int, int],
    ) -> None:
        """Change the squares of ``point`` in place."""
        channels, tiny = self.size.channels, torch.finfo(point.dtype).tiny
        first, second = where.chunk(2, dim=1)
        x, x_second = self.x.gather(1, first), self.x.gather(1, second)
        delta = self._by_channel(point.gather(1, first) - x)
        unused = (self.eps**self.power - self._norm(point - self.x) ** self.power).clamp_min(0)
        # What the windows hold: all of the second, then what is left in the first once the second is empty.
        held = self._norm(self._by_channel(point.gather(1, second) - x_second)) ** self.power
        point.scatter_(1, second, x_second)
        held += self._norm(self._by_channel(point.gather(1, first) - x)) ** self.power

        across, along = bumps(*window, self.power, point.dtype, str(point.device)).flatten(1)
        bump = torch.where(numbers[:, 4:5] < 0.5, across, along)[:, None]
        shape = torch.where(numbers[:, 5:, None] < 0.5, bump, -bump)
        shape = shape + delta / self._norm(delta).clamp_min(tiny)
        length = (held + unused[:, :, None] / channels) ** (1 / self.power)
        moved = x + (shape * (length / self._norm(shape).clamp_min(tiny))).flatten(1)
        point.scatter_(1, first, moved.clamp(*self.bounds))

    def _norm(self, delta: Tensor) -> Tensor:
        return torch.linalg.vector_norm(delta, ord=self.power, dim=-1, keepdim=True)

    def _by_channel(self, places: Tensor) -> Tensor:
        return places.unflatten(1, (self.size.channels, -1))


@lru_cache(maxsize=64)
def bumps(
    height: int, width: int, power: int, dtype: torch.dtype, device: str
) -> Float[Tensor, "2 height width"]:
    r"""A bump beside its negative, one above the other and one left of the other, each of norm 1 (equation 2).

    A bump of sides :math:`h, w` has at distance :math:`m` (the larger of the rows' and the columns') from its centre
    the height :math:`\sum_{j=m+1}^{n} 1/j^2`, with :math:`n = \lfloor\max(h, w)/2\rfloor + 1`.
    """

    def bump(height: int, width: int) -> Tensor:
        row, column = ((torch.arange(n, dtype=torch.float64) - n // 2).abs() for n in (height, width))
        n = max(height, width) // 2 + 1
        level = (1 / torch.arange(1, n + 1, dtype=torch.float64) ** 2).flip(0).cumsum(0).flip(0)
        hill = level[torch.maximum(row[:, None], column).long()]
        return hill / torch.linalg.vector_norm(hill, ord=power)

    upper, left = height // 2, width // 2
    pairs = torch.stack(
        [
            torch.cat([bump(upper, width), -bump(height - upper, width)], dim=0),
            torch.cat([bump(height, left), -bump(height, width - left)], dim=1),
        ]
    )
    norm = torch.linalg.vector_norm(pairs, ord=power, dim=(1, 2), keepdim=True)
    return (pairs / norm).to(dtype=dtype, device=device)
