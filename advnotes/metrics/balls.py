"""Balls around samples, each reaching to a neighbour of the sample: what precision, recall and their like count in."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["distances", "reach"]


def reach(points: Float[Tensor, "points features"], neighbours: int) -> Float[Tensor, " points"]:
    """The distance of each point to so many-th nearest of the others."""
    return torch.cat(
        [distances(part, points).kthvalue(neighbours + 1).values for part in points.split(1000)]
    )  # one more, as each point is its own nearest


def distances(a: Float[Tensor, "a features"], b: Float[Tensor, "b features"]) -> Float[Tensor, "a b"]:
    """Not by way of inner products: what is left of a small distance far from 0 decides here."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
