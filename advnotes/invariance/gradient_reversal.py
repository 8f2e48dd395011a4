"""Gradient reversal: the layer that makes one backward pass serve two players who want the opposite."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["GradientReversal", "growing_strength", "reverse_gradient"]


def growing_strength(progress: float) -> float:
    r"""The schedule of the reversal's strength, from 0 at the beginning of training to almost 1.

    .. math:: \lambda(p) = \frac{2}{1 + e^{-10 p}} - 1

    (Ganin et al. 2016, section 5.2.2.) At first the adversary knows nothing, and its gradient would only be noise.

    Args:
        progress: the share :math:`p` of the training that is over, in [0, 1].

    Raises:
        ValueError: where ``progress`` is out of range.
    """
    if not 0 <= progress <= 1:
        raise ValueError(f"progress is a share of the training, in [0, 1], got {progress}")
    return math.tanh(5 * progress)  # the same number, without the cancellation near 0


def reverse_gradient(x: Float[Tensor, "*shape"], strength: float | Tensor = 1.0) -> Float[Tensor, "*shape"]:
    r"""The input unchanged, and on the way back minus ``strength`` times the gradient.

    .. math:: R_\lambda(x) = x, \qquad \frac{\partial R_\lambda}{\partial x} = -\lambda I

    (Ganin et al. 2016, equations 16 and 17.) The layers before it ascend the loss that the layers after it
    descend. Its second derivatives are those of the reversed gradient.

    Args:
        x: any tensor.
        strength: :math:`\lambda`, a finite number, or a tensor with one entry, which is not differentiated.
    """
    return _Reversal.apply(x, strength)


class GradientReversal(nn.Module):
    """:func:`reverse_gradient` as a layer, to be put between two parts of a network.

    Args:
        strength: :math:`\\lambda >= 0`; the attribute of that name may be set anew before any pass.

    Raises:
        ValueError: where ``strength`` is negative or not finite.
    """

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        if not (math.isfinite(strength) and strength >= 0):
            raise ValueError(f"strength must be a finite number >= 0, got {strength}")
        self.strength = strength

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The input unchanged."""
        return reverse_gradient(x, self.strength)

    def extra_repr(self) -> str:
        """What a print of the model says."""
        return f"strength={self.strength}"


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float | Tensor) -> Tensor:
        ctx.strength = strength.detach() if isinstance(strength, Tensor) else strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None
