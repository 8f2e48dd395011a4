"""Projected gradient descent, the iterated attack, with and without a random start."""

import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import Ascent, RowObjective, ascend, best_of_tries
from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification, check_loss
from advnotes.checks import check_counts, check_per_sample
from advnotes.losses import Loss, cross_entropy
from advnotes.model_state import Model
from advnotes.seeds import Source, rows_of

__all__ = ["BIM", "PGD"]

SomePGD = TypeVar("SomePGD", bound="PGD")


@dataclass(frozen=True)
class PGD(NormAttack):
    r"""Projected gradient ascent of the loss from a random point of the ball (Madry et al. 2017, section 2.1).

    .. math:: x^{t+1} = \Pi_{x + S}\bigl(x^t + \alpha\,\mathrm{sign}\,\nabla_x L(\theta, x^t, y)\bigr)

    Each sample comes back at the best point that any step of any restart has reached: a point where the model is
    fooled before one where it is not, then the highest loss.

    Args:
        steps: gradients taken in each restart, at least 1.
        step_size: the length :math:`\alpha` of a step in the unit of the input, or one for each sample. Where it is
            not given, 2.5 eps / steps, which reaches the edge from anywhere in the ball and can turn round there.
        restarts: how many random starts to try.
        random_start: begin at a random point of the ball instead of at ``x``.
        momentum: the factor :math:`\mu` of MI-FGSM (Dong et al. 2018); 0 is plain ascent.
        loss: what the adversary raises (or, with ``targeted``, lowers), one value for each sample.
        best: evaluate every step and return the best point. Without it the last point of one start is returned
            unevaluated, which saves a forward pass: what training wants.

    The other arguments are :class:`NormAttack`'s.

    Raises:
        ValueError: where ``steps``, ``restarts`` or ``step_size`` is too small, or restarts cannot be told apart.
    """

    _: KW_ONLY
    steps: int = 20
    step_size: float | Tensor | None = None
    restarts: int = 1
    random_start: bool = True
    momentum: float = 0.0
    loss: Loss = cross_entropy
    best: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(steps=self.steps, restarts=self.restarts)
        check_loss(self.loss, self.targeted)
        if self.step_size is not None and not bool((torch.as_tensor(self.step_size) > 0).all()):
            raise ValueError(f"step_size must be positive, got {self.step_size}")
        if self.restarts > 1 and not self.random_start:
            raise ValueError("restarts without a random start would all be the same: set random_start=True")
        if self.early_stop and not self.best:
            raise ValueError(
                "early_stop evaluates every step, which best=False leaves out: choose one of them"
            )
        if self.restarts > 1 and not self.best:
            raise ValueError("the best of several restarts is only known with best=True")

    @property
    def estimated_passes(self) -> int:
        return self.steps * self.restarts

    @property
    def returns_best(self) -> bool:
        return self.best

    def check_batch(self, count: int) -> None:
        super().check_batch(count)
        check_per_sample("step_size", self.step_size, count)

    def scaled(self: SomePGD, factor: float | Tensor) -> SomePGD:
        step_size = None if self.step_size is None else self.step_size * factor
        return dataclasses.replace(super().scaled(factor), step_size=step_size)

    def rows(self: SomePGD, rows: Tensor | slice) -> SomePGD:
        """The same attack for some rows of the batch, where ``eps`` or the step size has a value for each sample."""
        step_size = self.step_size
        if isinstance(step_size, Tensor) and step_size.ndim:
            step_size = step_size[rows]
        return dataclasses.replace(super().rows(rows), step_size=step_size)

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        return self.climb(Classification(model, y, self.loss, self.targeted), x, generator)

    def climb(
        self,
        objective: RowObjective,
        x: Float[Tensor, "batch ..."],
        generator: Source = None,
        start: Float[Tensor, "batch ..."] | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """Raise any objective by this attack's steps, inside its threat and bounds, as ``perturb`` raises its loss.

        Args:
            objective: gives each sample's value, to be raised; ``loss`` and ``targeted`` of the attack are not used.
            x: the centre of the ball, within ``bounds``.
            generator: of the random starts, see :data:`advnotes.seeds.Source`.
            start: where to begin, in place of ``x`` or a random start.

        Returns:
            A tensor like ``x``, without a graph.
        """

        def attempt(restart: int, rows: Tensor) -> Ascent:
            here, attack = x[rows], self.rows(rows)
            begin = here if start is None else start[rows]
            if self.random_start and start is None:
                begin = here + attack.threat.sample(here, rows_of(generator, rows), stream=restart)
            return ascend(
                objective.rows(rows),
                here,
                attack.threat,
                steps=self.steps,
                step_size=attack.default_step_size() if attack.step_size is None else attack.step_size,
                start=begin.clamp(*self.bounds),
                momentum=self.momentum,
                bounds=self.bounds,
                best=self.best,
                early_stop=self.early_stop,
            )

        return best_of_tries(attempt, self.restarts, x, self.early_stop).point

    def default_step_size(self) -> float | Tensor:
        """The length of a step where none is given."""
        return 2.5 * self.threat.eps / self.steps


@dataclass(frozen=True)
class BIM(PGD):
    """The basic iterative method: PGD that begins at ``x`` itself (Kurakin et al. 2016, section 2.2)."""

    _: KW_ONLY
    random_start: bool = False
