"""Training by sampling: which category a row is asked for, and a row that has it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["Conditions"]


class Conditions:
    r"""CTGAN's training by sampling (Xu et al. 2019, section 4.3): rare categories are seen more often than they are.

    A column is drawn uniformly, in it a category :math:`k` with probability

    .. math:: p_k \propto \log(1 + n_k)

    of its :math:`n_k` rows, then one of these rows. Differs from the paper, which has :math:`\log n_k`: a category of a
    single row would never be drawn.

    Args:
        codes: the number of each row's category in each column, ``[rows, columns]``.
        sizes: how many categories each column has; each has rows.

    Attributes:
        probabilities: of each category in training, ``[categories]``, the columns one after the other.
        frequencies: the same as they are in the rows, with columns drawn uniformly: what samples are asked for.
    """

    def __init__(self, codes: Int64[Tensor, "rows columns"], sizes: Sequence[int]) -> None:
        self.rows, self.sizes = len(codes), tuple(sizes)
        starts = torch.tensor([0, *self.sizes[:-1]][: len(self.sizes)], dtype=torch.int64).cumsum(dim=0)
        flat = codes + starts
        self.counts = flat.flatten().bincount(minlength=sum(self.sizes))
        # All rows of the first category, then of the second, and so on: a row counts once in each column.
        self.holders = flat.T.flatten().argsort(stable=True) % max(self.rows, 1)
        self.first = self.counts.cumsum(dim=0) - self.counts
        logs = self.counts.double().log1p().split(self.sizes) if self.sizes else ()
        self.probabilities = torch.cat(
            [part / part.sum() / len(self.sizes) for part in logs] or [torch.empty(0)]
        )
        self.frequencies = self.counts.double() / max(self.counts.sum().item(), 1)

    def draw(
        self, n: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "n categories"], Int64[Tensor, " n"]]:
        """``n`` conditions, each with a single one, and for each the number of a row that has the category."""
        if not self.sizes:
            return torch.empty(n, 0), torch.randint(self.rows, (n,), generator=generator)
        drawn = torch.multinomial(self.probabilities, n, replacement=True, generator=generator)
        place = torch.rand(n, generator=generator, dtype=torch.float64) * self.counts[drawn]
        rows = self.holders[self.first[drawn] + place.long()]
        return torch.nn.functional.one_hot(drawn, len(self.counts)).float(), rows
