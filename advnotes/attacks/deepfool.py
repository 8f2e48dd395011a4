"""DeepFool: the nearest adversarial point, from one linear model of the classifier to the next."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification
from advnotes.attacks.parts.boundary import (
    MinimumNormTracker,
    input_jacobian,
    likeliest_wrong,
    logit_gaps,
    warn_of_cost,
)
from advnotes.attacks.parts.hyperplane import distances
from advnotes.checks import check_counts
from advnotes.losses import margin_loss
from advnotes.model_state import Model
from advnotes.seeds import Source
from advnotes.threats import L1, L2, tiny

__all__ = ["DeepFool"]

#: Added to the length of a step, as a share of the range of the input: 1e-4 in the authors' code.
NUDGE = 1e-4


@dataclass(frozen=True)
class DeepFool(NormAttack):
    r"""Step to the nearest boundary of the linearised model, until the class changes (Moosavi-Dezfooli et al. 2016).

    Algorithm 2 in L2 and, in Linf, its equations 9 to 11. With the gaps :math:`f_k = z_k - z_y` of the other classes
    and their gradients :math:`w_k`, the boundary that is taken is the nearest, :math:`l = \arg\min_k |f_k| / \lVert
    w_k\rVert_q`, and the step is the shortest way to it,

    .. math::
        r = \frac{|f_l|}{\lVert w_l\rVert_2^2}\,w_l \quad\text{or}\quad
        r = \frac{|f_l|}{\lVert w_l\rVert_1}\,\mathrm{sign}(w_l).

    The sum of the steps, a little longer than it is, is what is added to ``x``. Cheap and, unlike :class:`FAB`, not
    sharpened once the class has changed: the point lies near the boundary, but not where the boundary is nearest.

    Args:
        steps: linear models at most, at least 1.
        overshoot: how much longer the sum of the steps is made, as a share of it, to cross the boundary.
        candidates: how many classes are looked at, the true one included, by their logits at ``x``; each costs a
            backward pass in every step. None is all of them; a warning says what that costs from 50 on.

    The other arguments are :class:`NormAttack`'s.

    Differs from the paper: after each step the point is moved back into the range of the input; a step is longer by
    a ten-thousandth of that range, as in the authors' code, since what overshoots is 2% of the last step only, which
    may be next to nothing; the classes are limited to ``candidates``.

    Warns:
        ManyClassesWarning: when called, where 50 classes or more are looked at.

    Raises:
        ValueError: for L1, with ``targeted``, or where an argument lies outside its range.
    """

    uses_width: ClassVar[bool] = True

    _: KW_ONLY
    steps: int = 50
    overshoot: float = 0.02
    candidates: int | None = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.threat, L1):
            raise ValueError("DeepFool is for L2 and Linf: for L1 use FAB")
        if self.targeted:
            raise ValueError(
                "DeepFool chooses the classes to reach by itself, the nearest: to reach one that you choose, use "
                "FAB(threat, targeted=True) or CarliniWagner(threat, targeted=True)"
            )
        check_counts(steps=self.steps)
        if self.overshoot < 0:
            raise ValueError(f"overshoot must be at least 0, got {self.overshoot}")
        if self.candidates is not None and self.candidates < 2:
            raise ValueError(
                f"candidates must be at least 2, the true class and another one, or None for all; got {self.candidates}"
            )

    @property
    def estimated_passes(self) -> int:
        return self.steps

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        nearest = MinimumNormTracker(Classification(model, y, margin_loss), x, self.threat, self.early_stop)
        others = likeliest_wrong(model(x), y, None if self.candidates is None else self.candidates - 1)
        remedy = "candidates=10 looks at the likeliest ones, and seldom finds a farther point"
        warn_of_cost("DeepFool", others.shape[1], self.steps, remedy)
        rows, last, total = nearest.unfinished(), x.clone(), torch.zeros_like(x)
        for _ in range(self.steps):
            if len(rows) == 0:
                break

            def ahead(point: Tensor, rows: Tensor = rows) -> Tensor:
                return logit_gaps(y, others, model(point), rows)

            gap, normal = input_jacobian(ahead, last[rows])
            normal = nearest.sanitize(rows, normal)
            closest = distances(self.threat, gap, normal).argmin(dim=1)
            each = torch.arange(len(rows), device=rows.device)
            gap, normal = gap[each, closest].abs()[:, None], normal[each, closest]
            length = self.threat.dual_norm(normal).clamp_min(tiny(normal))[:, None]
            # Divided twice by the length: its square would underflow for small gradients.
            way = normal / length if isinstance(self.threat, L2) else normal.sign()
            step = (gap / length + NUDGE * (self.bounds[1] - self.bounds[0])) * way
            total[rows] += step.view_as(total[rows])
            last[rows] = (x[rows] + (1 + self.overshoot) * total[rows]).clamp(*self.bounds)
            rows = rows[~nearest.evaluate(rows, last[rows])]
        return nearest.best(last)
