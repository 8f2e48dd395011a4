"""Adding words, calls or fields and taking none away: evasion of a detector under a budget."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.ascend import Ascent
from advnotes.attacks.attack import Attack
from advnotes.attacks.objective import Classification, check_loss
from advnotes.checks import check_counts
from advnotes.gradients import value_and_gradient
from advnotes.losses import Loss, margin_loss
from advnotes.model_state import Model
from advnotes.seeds import Source

__all__ = ["OnlyAdd"]


@dataclass(frozen=True)
class OnlyAdd(Attack):
    r"""Switch on at most ``budget`` features, one after the other, and switch none off.

    .. math::
        \max_{x'} L(f(x'), y) \quad \text{where} \quad x' \ge x, \; x'_i \in \{x_i, u\}, \;
        |\{i : x'_i \neq x_i\}| \le b

    with the highest value :math:`u` of the input. What was there stays, so a mail still says what it said and a
    program still does what it did. Each round ranks the features by what the gradient promises,
    :math:`(u - x_i)\, \partial L / \partial x_i`, tries the best few and keeps the one that really raises the loss
    most (the gradient-guided greedy search of Grosse et al. 2017, section 3, with the trial added: a gradient at 0
    says little about a feature that jumps to 1). For a linear model the result is optimal.

    Args:
        budget: how many features may be switched on, at least 1; or one number for each sample.
        addable: which features may be added, ``[...]`` in the shape of a sample; all of them where it is not given.
        shortlist: how many of the features that the gradient ranks first are tried in each round.
        loss: what the adversary raises (or, with ``targeted``, lowers), one value for each sample.

    The other arguments are :class:`Attack`'s.

    Raises:
        ValueError: where the budget or ``shortlist`` is less than 1, or ``addable`` does not fit the input.
    """

    uses_width: ClassVar[bool] = True

    budget: int | Int[Tensor, " batch"]
    _: KW_ONLY
    addable: Bool[Tensor, "..."] | None = None
    shortlist: int = 4
    loss: Loss = margin_loss

    def __post_init__(self) -> None:
        super().__post_init__()
        if not bool((torch.as_tensor(self.budget) >= 1).all()):
            raise ValueError(f"budget must be a number of features of at least 1, got {self.budget}")
        check_counts(shortlist=self.shortlist)
        check_loss(self.loss, self.targeted)

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        budget = torch.as_tensor(self.budget, device=x.device).expand(len(x))
        addable = self._addable(x)
        objective = Classification(model, y, self.loss, self.targeted)
        loss, won = objective(x)
        reached = Ascent(x.clone(), loss, won)
        rows, point = torch.arange(len(x), device=x.device), x
        for spent in range(int(budget.max())):
            going = budget[rows] > spent
            if self.early_stop:
                going &= ~reached.won[rows]
            rows, point = rows[going], point[going]
            if len(rows) == 0:
                break
            now = self._add_one(objective.rows(rows), point, addable)
            reached.write(rows, reached.rows(rows).better_of(now))
            point = now.point
        return reached.point

    def _add_one(self, objective: Classification, point: Tensor, addable: Tensor) -> Ascent:
        """The points with one feature more."""
        flat, highest = point.flatten(1), self.bounds[1]
        gradient = value_and_gradient(objective, point)[2].flatten(1).nan_to_num()
        promise = (gradient * (highest - flat)).masked_fill(~addable | (flat == highest), -torch.inf)
        tried = promise.topk(min(self.shortlist, flat.shape[1]), dim=1)  # [rows, shortlist]
        # Where nothing is left to add, the trial is the point as it is.
        value = torch.where(tried.values.isfinite(), highest, flat.gather(1, tried.indices))
        trials = flat[:, None].repeat(1, value.shape[1], 1)  # [rows, shortlist, features]
        trials = trials.scatter(2, tried.indices[..., None], value[..., None])
        each = torch.arange(len(point), device=point.device).repeat_interleave(value.shape[1])
        loss, won = (
            result.view_as(value) for result in objective.rows(each)(trials.view(-1, *point.shape[1:]))
        )
        # Among the trials that fool, where any does, the highest loss.
        best = loss.masked_fill(won.any(dim=1, keepdim=True) & ~won, -torch.inf).argmax(dim=1)
        at = torch.arange(len(point), device=point.device)
        return Ascent(trials[at, best].view_as(point), loss[at, best], won[at, best])

    def _addable(self, x: Tensor) -> Tensor:
        """Which features of a flat sample may be added."""
        if self.addable is None:
            return torch.ones(x[0].numel(), dtype=torch.bool, device=x.device)
        if self.addable.shape != x.shape[1:]:
            raise ValueError(
                f"addable must have the shape of a sample, {tuple(x.shape[1:])}, got {tuple(self.addable.shape)}"
            )
        return self.addable.to(x.device).flatten()
