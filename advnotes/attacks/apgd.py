"""Auto-PGD: projected gradient ascent that sets its own step sizes, towards no class or towards each likely one."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import Ascent, RowObjective, best_of_tries
from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification, check_loss
from advnotes.attacks.parts.auto_ascend import auto_ascend
from advnotes.attacks.parts.draws import answer_and_loss
from advnotes.checks import check_counts, check_logits
from advnotes.losses import Loss, cross_entropy, dlr, margin_loss, targeted_dlr, targeted_margin
from advnotes.model_state import NO_CLASS, Model, prediction
from advnotes.seeds import Source, own_seeds

__all__ = ["APGD", "TargetedAPGD"]


@dataclass(frozen=True)
class APGD(NormAttack):
    r"""Auto-PGD (Croce and Hein 2020, Algorithm 1; in L1 Croce and Hein 2021, Algorithm 1): nothing to be tuned.

    .. math::
        z_{k+1} &= \Pi\bigl(x_k + \eta\, v(\nabla f(x_k))\bigr) \\
        x_{k+1} &= \Pi\bigl(x_k + 0.75\,(z_{k+1} - x_k) + 0.25\,(x_k - x_{k-1})\bigr)

    with the steepest direction :math:`v` and, for each sample, a step :math:`\eta` that begins at 2 eps and is halved
    at checkpoints where the loss has not risen enough, from where the sample goes on from its best point
    (:class:`~advnotes.attacks.parts.step_schedules.HalvingSchedule`). In L1 there is no momentum, the steps are sparse
    (:class:`~advnotes.attacks.parts.step_schedules.SparseSchedule`), and :math:`\Pi` is the nearest point of the ball
    and the range at once (:meth:`advnotes.threats.L1.nearest`).

    Args:
        steps: gradients taken in each restart, at least 1.
        restarts: how many random starts to try; the best is kept for each sample.
        loss: what the adversary raises (or, with ``targeted``, lowers), one value for each sample. ``dlr`` and
            ``margin_loss`` find what ``cross_entropy`` misses on models with large logits; with ``targeted``,
            ``reach_dlr`` takes the place of ``dlr``.
        wider_first: begin with 0.3 of the steps in the ball of radius 3 eps and 0.3 in 2 eps, each part from the
            best point of the one before (Croce and Hein 2021, section 3.2): it helps in L1.

    The other arguments are :class:`NormAttack`'s. Samples have checkpoints and radii of their own.

    Differs from the paper: a start is drawn uniformly from the ball; in L2 and L1 a step leaves out the coordinates
    that the range stops from moving; the best point is one where the model is fooled before one where it is not.

    Raises:
        ValueError: where ``steps`` or ``restarts`` is below 1, ``eps`` is infinite, or ``loss`` is ``dlr`` with
            ``targeted``.
    """

    _: KW_ONLY
    steps: int = 100
    restarts: int = 1
    loss: Loss = cross_entropy
    wider_first: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(steps=self.steps, restarts=self.restarts)
        check_loss(self.loss, self.targeted)
        if not bool(torch.as_tensor(self.threat.eps).isfinite().all()):
            raise ValueError(
                f"APGD's steps are measured by eps, which must be finite, got {self.threat.eps}: without a limit "
                "ask for the nearest adversarial point, with FAB"
            )

    @property
    def estimated_passes(self) -> int:
        return self.steps * self.restarts

    @property
    def name(self) -> str:
        """What tables call it, such as APGD-CE."""
        short: dict[Loss, str] = {cross_entropy: "CE", dlr: "DLR", margin_loss: "margin"}
        return f"APGD-{short.get(self.loss, 'custom')}"

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        return self._best_of(
            self.restarts, lambda number: Classification(model, y, self.loss, self.targeted), x, generator
        )

    def _best_of(
        self, tries: int, aim: Callable[[int], RowObjective], x: Float[Tensor, "batch ..."], generator: Source
    ) -> Float[Tensor, "batch ..."]:
        """The best of several random starts, try number n towards ``aim(n)``."""
        seeds = own_seeds(generator, x)
        widths = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4)) if self.wider_first else ((1.0, 1.0),)

        def attempt(number: int, rows: Tensor) -> Ascent:
            objective, here, threat = aim(number).rows(rows), x[rows], self.threat.rows(rows)
            start = here + threat.scaled(widths[0][0]).sample(here, seeds[rows], stream=number)
            for width, share in widths:
                ascent = auto_ascend(
                    objective,
                    here,
                    threat.scaled(width),
                    start,
                    steps=max(1, round(share * self.steps)),
                    bounds=self.bounds,
                    early_stop=self.early_stop and width == 1,
                    warm=width != widths[0][0],
                )
                start = ascent.point
            return ascent

        return best_of_tries(attempt, tries, x, self.early_stop).point


@dataclass(frozen=True)
class TargetedAPGD(APGD):
    r"""APGD towards one wrong class after the other, the most likely first (Croce and Hein 2020, section 4).

    It raises the targeted difference of logits ratio (equation 7, :func:`~advnotes.losses.targeted_dlr`). With fewer
    than four classes there is no such thing, and it raises the margin :math:`z_t - z_y` instead; :meth:`remarks`
    says so. A sample is fooled where the model says any wrong class.

    Args:
        targets: how many classes to try, those with the highest logits at ``x``; all wrong ones where there are fewer.

    The other arguments are :class:`APGD`'s; ``restarts`` is for each class.

    Raises:
        ValueError: where ``targets`` is below 1, or ``targeted`` or ``loss`` is set, which it chooses itself.
    """

    _: KW_ONLY
    targets: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(targets=self.targets)
        if self.targeted or self.loss is not cross_entropy:
            raise ValueError(
                "TargetedAPGD chooses the classes to reach and the loss itself: to reach one class that you choose, "
                "use APGD(threat, targeted=True, loss=reach_dlr), margin_loss or cross_entropy; to leave the true "
                "class by another loss, APGD(threat, loss=...)"
            )

    @property
    def estimated_passes(self) -> int:
        return self.steps * self.restarts * self.targets

    @property
    def name(self) -> str:
        """What tables call it."""
        return "APGD-T"

    def remarks(self, classes: int) -> tuple[str, ...]:
        """What differs from the method with so few classes."""
        if classes >= 4:
            return ()
        return (f"{self.name}: margin instead of targeted DLR, which wants 4 classes and has {classes}",)

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        logits = model(x)
        check_logits(logits, y)
        classes = min(self.targets, logits.shape[1] - 1)
        likely = logits.scatter(1, y[:, None], -torch.inf).topk(classes, dim=1).indices
        return self._best_of(
            classes * self.restarts,
            lambda number: Towards(model, y, likely[:, number % classes]),
            x,
            generator,
        )


class Towards(NamedTuple):
    """The aim to lead the model from ``y`` towards ``target``, and to fool it in any way on the path."""

    model: Model
    y: Int[Tensor, " batch"]
    target: Int[Tensor, " batch"]

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each sample, and whether the model says a wrong class."""

        def towards(logits: Tensor) -> Tensor:
            loss = targeted_dlr if logits.shape[1] >= 4 else targeted_margin
            return loss(logits, self.y, self.target)

        logits, value = answer_and_loss(self.model, point, towards)
        predicted = prediction(logits)
        return value.masked_fill(predicted == NO_CLASS, torch.inf), predicted != self.y

    def rows(self, rows: Tensor) -> "Towards":
        """The aim against some of the samples."""
        return Towards(self.model, self.y[rows], self.target[rows])
