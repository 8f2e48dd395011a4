"""A stand-in's gradient for a step that has none."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["BPDA"]


def identity(x: Tensor) -> Tensor:
    """The input itself."""
    return x


class BPDA(nn.Module):
    r"""Backward pass differentiable approximation (Athalye et al. 2018, "Obfuscated gradients", section 4.1).

    Forward it is ``function``, to the last bit; backward it is the gradient of a differentiable stand-in
    :math:`h \approx g`:

    .. math:: y = g(x), \qquad \frac{\partial y}{\partial x} := \frac{\partial h}{\partial x}

    For a step that gives back nearly what it got, such as rounding, JPEG or denoising, the identity will do (the
    straight-through estimator). Rebuild the model with it, and every attack that takes gradients works:
    ``nn.Sequential(BPDA(lambda x: (x * 15).round() / 15), net)``.

    Args:
        function: the true step; it may leave PyTorch, and it gets no gradients.
        stand_in: a differentiable function with values of the same shape; the identity where it is not given.

    Raises:
        ValueError: when called, where the values of the two differ in shape.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        stand_in: Callable[[Tensor], Tensor] = identity,
    ) -> None:
        super().__init__()
        self.function = function
        self.stand_in = stand_in

    def forward(self, x: Tensor) -> Tensor:
        """The function's value, with the stand-in's graph."""
        with torch.no_grad():
            value = self.function(x.detach())
        if not torch.is_grad_enabled():
            return value
        near = self.stand_in(x)
        if near.shape != value.shape:
            raise ValueError(
                f"the stand-in must give values of the function's shape {tuple(value.shape)}, got "
                f"{tuple(near.shape)}: pass stand_in= a differentiable function that does"
            )
        # Zero forward, so that nothing is rounded; the whole gradient backward.
        return value + (near - near.detach())
