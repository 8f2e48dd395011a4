"""The fast gradient (sign) method."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import ascend
from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification, check_loss
from advnotes.losses import Loss, cross_entropy
from advnotes.model_state import Model
from advnotes.seeds import Source

__all__ = ["FGSM"]


@dataclass(frozen=True)
class FGSM(NormAttack):
    r"""One step to the edge of the ball (Goodfellow, Shlens and Szegedy 2014, section 4).

    .. math:: x_\mathrm{adv} = x + \epsilon\,\mathrm{sign}\,\nabla_x J(\theta, x, y)

    In L2 and L1 it is the step of length :math:`\epsilon` in that norm's steepest direction. For a model that is
    linear in ``x`` this is the worst perturbation there is; for any other it is a first guess.

    Args:
        loss: what the adversary raises (or, with ``targeted``, lowers), one value for each sample.

    The other arguments are :class:`NormAttack`'s.
    """

    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_loss(self.loss, self.targeted)

    @property
    def estimated_passes(self) -> int:
        return 1

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        objective = Classification(model, y, self.loss, self.targeted)
        # Unlike a step of BIM, this one is not chosen among others: it is returned as it is.
        return ascend(
            objective, x, self.threat, steps=1, step_size=self.threat.eps, bounds=self.bounds, best=False
        ).point
