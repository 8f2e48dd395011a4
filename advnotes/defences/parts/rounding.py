"""How far a network as a machine executes it may be from the function that its layers define."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from advnotes.defences.parts.steps import Affine, Rectifier, Step

if TYPE_CHECKING:
    from advnotes.defences.parts.bounded_graph import BoundedGraph

__all__ = ["Arithmetic", "gamma", "size_of"]


def gamma(terms: int, unit: float) -> float:
    r"""The relative error of a sum of so many products, in whatever order: :math:`\gamma_n = n u / (1 - n u)`.

    .. math:: |\mathrm{fl}(w^\top x) - w^\top x| \le \gamma_n\, |w|^\top |x|

    Infinite where :math:`n u` reaches 1. Source: Higham 2002, *Accuracy and Stability of Numerical Algorithms*,
    equation 3.5.
    """
    share = terms * unit
    return share / (1 - share) if share < 1 else float("inf")


@dataclass(frozen=True)
class Arithmetic:
    """Two precisions: the one in which the model runs, and the one in which its bounds are computed.

    Args:
        model: float32 or float64.
        bounds: float32 or float64.
        coarse: the relative error of the model's products, where they are made of factors of fewer bits.
    """

    model: torch.dtype
    bounds: torch.dtype = torch.float64
    coarse: float = 0.0

    @classmethod
    def of(cls, graph: BoundedGraph, device: torch.device, bounds: torch.dtype = torch.float64) -> Arithmetic:
        """That of a model on a device, with torch's present settings."""
        return cls(graph.dtype, bounds, _coarse(device) if graph.dtype == torch.float32 else 0.0)

    def own(self, terms: int) -> float:
        """The relative error of the bounds themselves, where so many products are summed.

        Twice the terms, and some more: a centre and a radius are computed, and put together.
        """
        return 1.001 * gamma(2 * terms + 32, torch.finfo(self.bounds).eps / 2)

    def executed(self, terms: int) -> float:
        """The relative error of the model's sum of so many products and a bias."""
        return 1.001 * gamma(terms + 4, torch.finfo(self.model).eps / 2) + self.coarse

    @torch.no_grad()
    def error(self, step: Step, sizes: list[Tensor]) -> Tensor:
        r"""How far a step's output may be off, in the model and in the computation of its bounds.

        For :math:`W x + b` it is a share of :math:`|W|\,|x| + |b|`, and what underflow loses.

        Args:
            step: what is computed.
            sizes: the largest absolute value of each input of the step, ``[batch, *before]``.

        Returns:
            An upper bound, ``[batch, *after]``; infinite where the model's numbers may overflow.
        """
        limit, least = torch.finfo(self.model).max, torch.finfo(self.model).tiny
        if isinstance(step, Rectifier):
            if step.slope == 0:
                return torch.zeros_like(sizes[0])
            return (self.executed(1) + self.own(1)) * step.slope * sizes[0] + least
        if not isinstance(step, Affine) or step.terms[0] == 0:
            return sizes[0].new_zeros(len(sizes[0]), *step.after)
        size = step.linear(*sizes, absolute=True)
        bias = step.bias_size(size)
        size = size if bias is None else size + bias
        largest = step.largest()
        most = torch.stack([part.flatten(1).amax(dim=1) for part in sizes]).amax(dim=0) + largest + 2
        lost = (least * (step.terms[0] + 4)) * most.view(-1, *[1] * (size.ndim - 1))
        share = self.executed(step.terms[0]) + self.own(max(*step.terms, _count(step)))
        # A factor that is infinite in the model makes NaN of a zero.
        fits = (size <= limit / 2) & (torch.as_tensor(largest, device=size.device) <= limit)
        return torch.where(fits, share * size + lost, torch.full_like(size, torch.inf))


def _count(step: Step) -> int:
    return int(torch.Size(step.after).numel())


def size_of(lower: Tensor, upper: Tensor) -> Tensor:
    """The largest absolute value between two ends."""
    return torch.maximum(lower.abs(), upper.abs())


def _coarse(device: torch.device) -> float:
    """The relative error of a product of float32 numbers, where torch may make it of factors of 11 or 8 bits."""
    backends = torch.backends
    asked = [torch.get_float32_matmul_precision()]
    places: list[Any] = [backends]
    if device.type == "cuda":
        places += [backends.cuda.matmul, backends.cudnn, getattr(backends.cudnn, "conv", None)]
    else:
        places += [getattr(backends.mkldnn, name, None) for name in ("matmul", "conv")]
    for place in places:
        try:
            asked.append(str(getattr(place, "fp32_precision", "none")))
        except RuntimeError:  # settings of an old and a new kind at once
            asked.append("tf32")
    if device.type == "cuda" and backends.cudnn.allow_tf32:
        asked.append("tf32")
    if any(word == "medium" or "bf16" in word for word in asked):
        return 2.0**-6
    return 2.0**-9 if any(word in ("high", "tf32") for word in asked) else 0.0
