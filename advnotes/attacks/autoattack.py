"""AutoAttack: four or six attacks without a parameter to be tuned, and what is left after all of them."""

import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import Ascent
from advnotes.attacks.apgd import APGD, TargetedAPGD
from advnotes.attacks.attack import Attack, NormAttack
from advnotes.attacks.fab import FAB, TargetedFAB
from advnotes.attacks.square import Square
from advnotes.checks import check_logits
from advnotes.losses import dlr, margin_loss
from advnotes.model_state import Model
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

    Args:
        plus: the larger ensemble, which takes several times as long and seldom finds more.
        steps: gradients in each run of APGD and FAB; 100 is AutoAttack.
        queries: of Square; 5000 is AutoAttack.

    The other arguments are :class:`NormAttack`'s; ``early_stop`` changes nothing, since every member has it.

    Differs from the paper: with fewer than ten classes there are fewer targets; with fewer than four, or three, a
    margin takes the place of the targeted DLR, or of the DLR (:meth:`remarks`).

    Raises:
        ValueError: where ``steps`` or ``queries`` is below 1, ``eps`` is infinite, or ``targeted`` is set.
    """

    _: KW_ONLY
    plus: bool = False
    steps: int = 100
    queries: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.targeted:
            raise ValueError(
                "AutoAttack chooses the classes to reach by itself: to reach one that you choose, use "
                "APGD(threat, targeted=True) or Square(threat, targeted=True)"
            )
        self.members(10)  # they refuse what does not fit

    @property
    def estimated_passes(self) -> int:  # noqa: D102
        return sum(member.estimated_passes for member in self.members(10))

    def members(self, classes: int) -> tuple[NormAttack, ...]:
        """The attacks, in their order, against a model of so many classes.

        Raises:
            ValueError: where there are fewer than two classes.
        """
        if classes < 2:
            raise ValueError(f"an attack wants a model of at least 2 classes, got {classes}")
        shared = {item.name: getattr(self, item.name) for item in dataclasses.fields(Attack)}
        common: dict[str, Any] = {**shared, "early_stop": True}
        threat, sparse, targets = self.threat, isinstance(self.threat, L1), min(9, classes - 1)
        walks = {**common, "steps": self.steps}
        apgd = APGD(threat, restarts=5 if sparse or self.plus else 1, wider_first=sparse, **walks)
        apgd_t = TargetedAPGD(
            threat, targets=min(5, targets) if sparse else targets, wider_first=sparse, **walks
        )
        fab_t = TargetedFAB(threat, targets=targets, **walks)
        square = Square(threat, queries=self.queries, **common)
        if not self.plus:
            return apgd, apgd_t, fab_t, square
        apgd_dlr = dataclasses.replace(apgd, loss=dlr if classes >= 3 else margin_loss)
        return apgd, apgd_dlr, FAB(threat, restarts=5, **walks), square, apgd_t, fab_t

    def remarks(self, classes: int) -> tuple[str, ...]:
        """What differs from AutoAttack as it was published, against a model of so many classes."""
        said = []
        if classes < 10:
            said.append(f"targeted attacks try {classes - 1} of 9 classes, all wrong ones that there are")
        if classes < 3 and self.plus:
            said.append(f"APGD-DLR: margin instead of DLR, which wants 3 classes and has {classes}")
        return (*said, *TargetedAPGD(self.threat).remarks(classes))

    def perturb(  # noqa: D102
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        def reached(point: Tensor, logits: Tensor, y: Tensor) -> Ascent:
            return Ascent(point, margin_loss(logits, y), logits.argmax(dim=1) != y)

        seeds, logits = own_seeds(generator, x), model(x)
        check_logits(logits, y)
        best = reached(x.clone(), logits, y)
        for number, member in enumerate(self.members(logits.shape[1])):
            rows = (~best.won).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            # Seeds of its own for each member, so that they do not all begin at the same point.
            point = member.rows(rows).perturb(model, x[rows], y[rows], seeds[rows] + number)
            best.write(rows, best.rows(rows).better_of(reached(point, model(point), y[rows])))
        return best.point
