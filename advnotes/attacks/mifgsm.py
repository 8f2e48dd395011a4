"""The momentum iterative fast gradient sign method, whose examples travel better between models."""

from dataclasses import KW_ONLY, dataclass

from torch import Tensor

from advnotes.attacks.pgd import PGD

__all__ = ["MIFGSM"]


@dataclass(frozen=True)
class MIFGSM(PGD):
    r"""MI-FGSM (Dong et al. 2018, Algorithm 1): iterated steps along an accumulated gradient, from ``x``.

    .. math::
        g_{t+1} = \mu\, g_t + \frac{\nabla_x J(x_t, y)}{\lVert\nabla_x J(x_t, y)\rVert_1}, \qquad
        x_{t+1} = x_t + \frac{\epsilon}{T}\,\mathrm{sign}(g_{t+1})

    Args:
        steps: the number of steps :math:`T`.
        step_size: the length of a step; eps / steps where it is not given, so that the last one reaches the edge.
        random_start: the paper begins at ``x``; a start drawn from the ball allows restarts.
        momentum: the decay factor :math:`\mu`.

    The other arguments are :class:`PGD`'s.

    Differs from the paper: the best step is returned (``best=False``: the last one, as there), the gradient is divided
    by its mean and not by its sum, which is the same in Linf, and L2 and L1 have their own steepest steps.
    """

    _: KW_ONLY
    steps: int = 10
    random_start: bool = False
    momentum: float = 1.0

    def default_step_size(self) -> float | Tensor:
        return self.threat.eps / self.steps
