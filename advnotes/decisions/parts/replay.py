"""A replay buffer (Lin 1992; Mnih et al. 2015): the last so many rows, drawn from at random."""

import torch
from torch import Tensor

from advnotes.checks import check_count

__all__ = ["ReplayBuffer"]


class ReplayBuffer:
    """The last ``capacity`` rows that were added, in a ring: a full one forgets its oldest rows.

    A row is one entry of each of several columns, such as state, action, reward, next state, end; or the samples of
    one round of a game. The first call of :meth:`add` fixes the columns' shapes, dtypes and device.

    Args:
        capacity: the most rows that are kept.

    Raises:
        ValueError: where ``capacity`` is less than 1.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = check_count("capacity", capacity)
        self.columns: tuple[Tensor, ...] = ()
        self.added = 0

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, *columns: Tensor) -> None:
        """Add rows: ``columns`` of shapes ``[rows, ...]``, one tensor for each column; they are copied.

        Raises:
            ValueError: where they are no tensors or not equally long, or differ from the first ones in number, shape,
                dtype or device.
        """
        rows = self.check(columns)
        if not self.columns:
            with torch.inference_mode(False):  # what is made in it cannot be written to outside of it
                self.columns = tuple(column.new_zeros(self.capacity, *column.shape[1:]) for column in columns)
        kept = min(rows, self.capacity)
        first = self.added + rows - kept
        for ring, column in zip(self.columns, columns, strict=True):
            places = torch.arange(first, first + kept, device=ring.device) % self.capacity
            ring[places] = column.detach()[rows - kept :]
        self.added += rows

    def sample(self, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
        """``count`` rows, drawn with replacement, each kept row equally likely; one tensor for each column.

        Args:
            count: how many rows.
            generator: where the draw comes from, on whatever device it is; torch's own where it is left out.

        Raises:
            ValueError: where ``count`` is less than 1, or nothing was added yet.
        """
        check_count("count", count)
        if not len(self):
            raise ValueError("cannot draw from an empty replay buffer: add(...) some rows before sample(...)")
        device = None if generator is None else generator.device
        drawn = torch.randint(len(self), (count,), generator=generator, device=device)
        return tuple(column[drawn.to(column.device)] for column in self.columns)

    def check(self, columns: tuple[Tensor, ...]) -> int:
        """The number of rows in ``columns``; raise ValueError where they do not fit each other or the buffer."""
        odd = next((column for column in columns if not isinstance(column, Tensor) or column.ndim == 0), None)
        if odd is not None or not columns:
            got = "nothing" if odd is None else "a number" if isinstance(odd, Tensor) else type(odd).__name__
            raise ValueError(
                f"a replay buffer takes tensors of rows, [rows, ...], got {got}: x[None] is one row"
            )
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1:
            raise ValueError(f"all columns must have equally many rows, got {lengths}")
        if not self.columns:
            return lengths[0]
        kinds, wanted = (
            [(tuple(column.shape[1:]), column.dtype, column.device) for column in some]
            for some in (columns, self.columns)
        )
        if kinds != wanted:
            raise ValueError(
                f"this buffer keeps rows of (shape, dtype, device) {wanted}, got {kinds}: bring them to its kind, or "
                "make another ReplayBuffer"
            )
        return lengths[0]
