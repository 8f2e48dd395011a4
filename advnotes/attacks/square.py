"""Square, the random search that breaks models whose gradients are hidden, wrong or not there."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import Ascent, best_of_tries
from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification, check_loss
from advnotes.attacks.parts.lp_squares import LpSquares
from advnotes.attacks.parts.squares import LinfSquares, Size
from advnotes.checks import check_counts
from advnotes.losses import Loss, margin_loss
from advnotes.model_state import Model
from advnotes.seeds import Source, own_seeds, uniform
from advnotes.threats import Linf

__all__ = ["Square"]

#: After so many of 10,000 queries the squares' area halves (Andriushchenko et al. 2020, section 4.1).
HALVINGS: Sequence[int] = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


@dataclass(frozen=True)
class Square(NormAttack):
    r"""Random search with squares (Andriushchenko et al. 2020, Algorithms 1-3): no gradient is taken.

    A query looks at the best point so far with a square of it changed, and keeps the change where the loss is
    higher. In Linf each channel of the square moves to :math:`x + \epsilon` or :math:`x - \epsilon`; in L2 the
    norm that two squares hold is gathered into one of them, as two bumps of opposite signs. The squares begin
    with ``share`` of the image and shrink on the paper's schedule for 10,000 queries.

    The model is only called, so it may round, draw, or run elsewhere. Inputs are ``[batch, channels, height,
    width]``; any other shape is taken as one channel of height :math:`d` and width 1, whose squares are runs of
    neighbouring features.

    Args:
        queries: how often each sample is looked at in each restart, the starting point included.
        restarts: how many independent searches; the best is kept.
        loss: what the adversary raises (or, with ``targeted``, lowers), one value for each sample.
        share: the share of the pixels that the first squares cover, the paper's p, in (0, 1].
        stretch: stretch or squeeze the schedule to the number of queries, so that any number ends with the smallest
            squares. Otherwise the squares shrink at the paper's queries, as AutoAttack has it (``resc_schedule=False``
            in the authors' code).

    The other arguments are :class:`NormAttack`'s. Samples do not depend on each other: each has its own squares,
    drawn from its own seed.

    Differs from the paper: a square that would change nothing is turned round instead of drawn again; each sample
    draws its own orientation in L2. L1, which the paper does not have, is L2 with sums of absolute values instead
    of squares; AutoAttack's L1 variant also projects onto the range and the ball at once.

    Raises:
        ValueError: where ``queries`` or ``restarts`` is below 1, or ``share`` is not in (0, 1].
    """

    uses_width: ClassVar[bool] = True

    _: KW_ONLY
    queries: int = 5000
    restarts: int = 1
    loss: Loss = margin_loss
    share: float = 0.8
    stretch: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(queries=self.queries, restarts=self.restarts)
        check_loss(self.loss, self.targeted)
        if not 0 < self.share <= 1:
            raise ValueError(
                f"share must lie in (0, 1], got {self.share}: it is the part of the pixels in a square"
            )

    @property
    def estimated_passes(self) -> int:
        return self.queries * self.restarts

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        objective = Classification(model, y, self.loss, self.targeted)
        seeds = own_seeds(generator, x)

        def attempt(restart: int, rows: Tensor) -> Ascent:
            search = self.rows(rows)
            return search._search(objective.rows(rows), x[rows], seeds[rows], restart * self.queries)

        return best_of_tries(attempt, self.restarts, x, self.early_stop).point

    def _search(self, objective: Classification, x: Tensor, seeds: Tensor, stream: int) -> Ascent:
        """Algorithm 1, with the random numbers of query ``t`` in the stream ``stream + t``."""
        size = Size(*x.shape[1:]) if x.ndim == 4 else Size(1, x[0].numel(), 1)
        squares = (LinfSquares if isinstance(self.threat, Linf) else LpSquares).around(
            x, size, self.threat, self.bounds
        )
        shape = x.shape[1:]
        point = squares.start(uniform(x, squares.numbers_to_start, seeds, stream))
        loss, won = objective(point.view(-1, *shape))
        ended = Ascent(point.clone(), loss.clone(), won.clone())
        rows = torch.arange(len(x), device=x.device)

        for query in range(1, self.queries):
            if self.early_stop and bool(won.any()):
                ended.write(rows, Ascent(point, loss, won))
                keep = (~won).nonzero().squeeze(1)
                if len(keep) == 0:
                    break
                rows, point, loss, won, seeds = (values[keep] for values in (rows, point, loss, won, seeds))
                objective, squares = objective.rows(keep), squares.rows(keep)
            halvings = bisect_left(HALVINGS, query * 10_000 // self.queries if self.stretch else query)
            numbers = uniform(point, squares.numbers, seeds, stream + query)
            # The point is changed in place and put back where that did not help: a query costs what its square does.
            window = squares.window(self.share / 2**halvings)
            where = squares.place(numbers, window)
            before = point.gather(1, where)
            squares.move(point, where, numbers, window)
            new_loss, new_won = objective(point.view(-1, *shape))
            better = Ascent(point, loss, won).beaten_by(Ascent(point, new_loss, new_won))
            point.scatter_(1, where, torch.where(better[:, None], point.gather(1, where), before))
            loss, won = torch.where(better, new_loss, loss), won | new_won

        ended.write(rows, Ascent(point, loss, won))
        return ended._replace(point=ended.point.view(-1, *shape))
