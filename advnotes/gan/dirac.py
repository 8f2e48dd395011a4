"""The Dirac-GAN of Mescheder et al. 2018: any GAN, played with two numbers, and what theory says of it."""

import cmath
import math
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.gan.standard import GAN

__all__ = ["Point", "dirac_eigenvalues", "dirac_gan"]

AnyGAN = TypeVar("AnyGAN", bound=GAN)


class Point(nn.Module):
    r"""A generator that makes nothing but one number, :math:`G(z) = \theta`."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([theta]))

    def forward(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n 1"]:
        """The number, once for each latent vector."""
        return self.theta.expand(len(z), 1)


def dirac_gan(kind: type[AnyGAN], start: tuple[float, float] = (1.0, 1.0), **options: Any) -> AnyGAN:
    r"""The Dirac-GAN (Mescheder, Geiger and Nowozin 2018, definition 2.1) of a kind of GAN.

    All data are 0: play it with ``[torch.zeros(1, 1)]``. The generator is one number, :math:`G(z) = \theta`, the
    discriminator a line through 0, :math:`\ell(x) = \psi x`, and both should end at 0.

    Args:
        kind: a class of this package, such as :class:`~advnotes.gan.GAN`.
        start: the first :math:`\theta` and :math:`\psi`.
        options: for ``kind``, such as ``penalties=[R1()]``.

    Raises:
        ValueError: where ``start`` is not two finite numbers, and what ``kind`` refuses.
    """
    if len(start) != 2 or not all(map(math.isfinite, start)):
        raise ValueError(f"expected two finite numbers to start from, got {start}")
    discriminator = nn.Linear(1, 1, bias=False)
    nn.init.constant_(discriminator.weight, start[1])
    return kind(Point(start[0]), discriminator, 1, **options)


def dirac_eigenvalues(gamma: float, slope: float = 0.5) -> tuple[complex, complex]:
    r"""The eigenvalues of the Dirac-GAN's gradient flow at its equilibrium, under R1 or R2.

    .. math::
        \begin{pmatrix} \dot\theta \\ \dot\psi \end{pmatrix} =
        \begin{pmatrix} 0 & s \\ -s & -\gamma \end{pmatrix}
        \begin{pmatrix} \theta \\ \psi \end{pmatrix}, \qquad
        \lambda = -\frac{\gamma}{2} \pm \sqrt{\frac{\gamma^2}{4} - s^2}

    (Mescheder et al. 2018, section 2 without and section 3 with the penalty.) With
    :math:`\gamma < 2s` the players spiral in, with more they approach without turning; at :math:`\gamma = 2s` the
    damping is critical: the slower of the two rates is as high as it can be. Without the penalty the zero-sum game
    circles for ever; the non-saturating one is damped in the fourth order only, which vanishes near 0.

    Args:
        gamma: the penalty's strength.
        slope: :math:`s`, the derivative of the players' loss in the logit at 0: 1/2 for the GAN in either form, 1
            for the Wasserstein GAN.

    Returns:
        The one that decays slower first; in the unit of one over (learning rate times steps).

    Raises:
        ValueError: where ``gamma`` is negative or ``slope`` not positive.
    """
    check_number("gamma", gamma, least=0.0)
    check_number("slope", slope, above=0.0)
    root = cmath.sqrt(gamma**2 / 4 - slope**2)
    return -gamma / 2 + root, -gamma / 2 - root
