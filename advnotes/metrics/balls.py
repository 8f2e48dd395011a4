"""Balls around samples, each reaching to a neighbour of the sample: what precision, recall and their like count in."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["comparable", "distances", "reach"]


def comparable(
    real: Float[Tensor, "real features"], generated: Float[Tensor, "generated features"]
) -> tuple[Tensor, Tensor]:
    """Both sets in the better of their two precisions, on one device, in a unit in which no square is 0 or infinite.

    The unit is a power of two, by which nothing is rounded: which of two distances is larger does not depend on it.
    """
    dtype = torch.promote_types(real.dtype, generated.dtype)
    both = real.to(dtype), generated.to(real.device, dtype)
    largest = torch.stack([part.abs().amax() for part in both]).amax()
    exponent = torch.frexp(largest).exponent
    return torch.ldexp(both[0], -exponent), torch.ldexp(both[1], -exponent)


def reach(points: Float[Tensor, "points features"], neighbours: int) -> Float[Tensor, " points"]:
    """The distance of each point to so many-th nearest of the others."""
    return torch.cat(
        [distances(part, points).kthvalue(neighbours + 1).values for part in points.split(1000)]
    )  # one more, as each point is its own nearest


def distances(a: Float[Tensor, "a features"], b: Float[Tensor, "b features"]) -> Float[Tensor, "a b"]:
    """Not by way of inner products: what is left of a small distance far from 0 decides here."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
