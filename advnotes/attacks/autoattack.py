"""AutoAttack: four or six attacks without a parameter to be tuned, and what is left after all of them."""

import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import Ascent
from advnotes.attacks.apgd import APGD, TargetedAPGD
from advnotes.attacks.attack import Attack, NormAttack
from advnotes.attacks.eot import EOT
from advnotes.attacks.fab import FAB, TargetedFAB
from advnotes.attacks.parts.boundary import MANY_CLASSES, cost_of_classes
from advnotes.attacks.parts.draws import Draws
from advnotes.attacks.square import Square
from advnotes.checks import check_counts, check_logits
from advnotes.fields import field_values
from advnotes.losses import cross_entropy, dlr, margin_loss
from advnotes.model_state import NO_CLASS, Model, prediction
from advnotes.seeds import Source, own_seeds
from advnotes.threats import L1

__all__ = ["AutoAttack"]


@dataclass(frozen=True)
class AutoAttack(NormAttack):
    """The ensemble of Croce and Hein 2020 (section 6): each member attacks what the ones before it have left.

    The standard one is APGD with cross-entropy, APGD-T towards 9 classes, FAB-T through 9 classes, and Square. With
    ``plus`` it is APGD with cross-entropy and with DLR, FAB (5 restarts each), Square, APGD-T and FAB-T. In L1 (Croce
    and Hein 2021, section 4) APGD has 5 restarts, APGD-T 5 classes, and both begin in wider balls.

    A sample that the model gets wrong comes back as it is. A sample that was fooled comes back at the first point that
    fooled it, one that was not at the point of all members that has the smallest margin.

    A model that draws at random wants ``randomised``, the authors' version "rand": APGD with cross-entropy and with
    DLR, each step along the mean gradient of ``samples`` draws (:class:`~advnotes.attacks.EOT`). No member stops early
    or leaves a sample out, since a model that was fooled by one draw may stand at the next. What counts as fooled is
    the vote of ``samples`` draws; each sample comes back at the best point of both members.

    Args:
        plus: the larger ensemble, which takes several times as long and seldom finds more.
        randomised: the ensemble for models that draw at random.
        samples: draws in each mean, with ``randomised``; 20 is AutoAttack.
        steps: gradients in each run of APGD and FAB; 100 is AutoAttack.
        queries: of Square; 5000 is AutoAttack.

    The other arguments are :class:`NormAttack`'s; ``early_stop`` changes nothing, since every member has it, or with
    ``randomised`` none.

    Differs from the paper: with fewer than ten classes there are fewer targets; with fewer than four, or three, a
    margin takes the place of the targeted DLR, or of the DLR (:meth:`remarks`).

    Raises:
        ValueError: where ``steps``, ``queries`` or ``samples`` is below 1, ``eps`` is infinite, ``targeted`` is set, or
            both ``plus`` and ``randomised`` are.
    """

    uses_width: ClassVar[bool] = True

    _: KW_ONLY
    plus: bool = False
    randomised: bool = False
    samples: int = 20
    steps: int = 100
    queries: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.targeted:
            raise ValueError(
                "AutoAttack chooses the classes to reach by itself: to reach one that you choose, use "
                "APGD(threat, targeted=True) or Square(threat, targeted=True)"
            )
        check_counts(samples=self.samples)
        if self.plus and self.randomised:
            raise ValueError(
                "plus and randomised are two ensembles: randomised=True for a model that draws at random, plus=True "
                "for any other"
            )
        self.members(10)  # they refuse what does not fit

    @property
    def estimated_passes(self) -> int:
        return sum(member.estimated_passes for member in self.members(10))

    def members(self, classes: int) -> tuple[Attack, ...]:
        """The attacks, in their order, against a model of so many classes.

        Raises:
            ValueError: where there are fewer than two classes.
        """
        if classes < 2:
            raise ValueError(f"an attack wants a model of at least 2 classes, got {classes}")
        shared = field_values(self, dataclasses.fields(Attack))
        common: dict[str, Any] = {**shared, "early_stop": not self.randomised}
        threat, sparse, targets = self.threat, isinstance(self.threat, L1), min(9, classes - 1)
        by_steps = {**common, "steps": self.steps}
        leave = dlr if classes >= 3 else margin_loss
        if self.randomised:
            single = APGD(threat, **by_steps)
            return tuple(
                EOT(dataclasses.replace(single, loss=loss), samples=self.samples)
                for loss in (cross_entropy, leave)
            )
        apgd = APGD(threat, restarts=5 if sparse or self.plus else 1, wider_first=sparse, **by_steps)
        apgd_t = TargetedAPGD(
            threat, targets=min(5, targets) if sparse else targets, wider_first=sparse, **by_steps
        )
        fab_t = TargetedFAB(threat, targets=targets, **by_steps)
        square = Square(threat, queries=self.queries, stretch=False, **common)
        if not self.plus:
            return apgd, apgd_t, fab_t, square
        apgd_dlr = dataclasses.replace(apgd, loss=leave)
        return apgd, apgd_dlr, FAB(threat, restarts=5, **by_steps), square, apgd_t, fab_t

    def remarks(self, classes: int) -> tuple[str, ...]:
        """What differs from AutoAttack as it was published, against a model of so many classes."""
        notes = []
        if classes < 10 and not self.randomised:
            notes.append(f"targeted attacks try {classes - 1} of 9 classes, all wrong ones that there are")
        if classes < 3 and (self.plus or self.randomised):
            notes.append(f"APGD-DLR: margin instead of DLR, which wants 3 classes and has {classes}")
        if self.plus and classes >= MANY_CLASSES:
            notes.append(
                f"FAB: {cost_of_classes(classes - 1)}, where FAB-T takes one: 'standard' leaves FAB out"
            )
        return tuple(notes) if self.randomised else (*notes, *TargetedAPGD(self.threat).remarks(classes))

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        def reached(point: Tensor, logits: Tensor, y: Tensor) -> Ascent:
            predicted = prediction(logits)
            return Ascent(
                point, margin_loss(logits, y).masked_fill(predicted == NO_CLASS, torch.inf), predicted != y
            )

        judge = Draws(model, self.samples) if self.randomised else model
        seeds, logits = own_seeds(generator, x), judge(x)
        check_logits(logits, y)
        best = reached(x.clone(), logits, y)
        for number, member in enumerate(self.members(logits.shape[1])):
            rows = (self.randomised | ~best.won).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            # Seeds of its own for each member, so that they do not all begin at the same point.
            point = member.rows(rows).perturb(model, x[rows], y[rows], seeds[rows] + number)
            best.write(rows, best.rows(rows).better_of(reached(point, judge(point), y[rows])))
        return best.point
