"""Whether generated records are copies: how near they lie to the training set, beside records that were held out."""

from typing import NamedTuple

import torch
from jaxtyping import Num
from torch import Tensor

from advnotes.metrics.balls import comparable, distances
from advnotes.metrics.features import AnyArray, as_matrix, as_pair

__all__ = ["NearestRecords", "nearest_records"]


class NearestRecords(NamedTuple):
    """How near records lie to the training set: 0.5 of ``closer`` is as near as records that were held out."""

    closer: float
    copies: float
    copies_held_out: float


def nearest_records(
    train: Num[Tensor, "train features"] | Num[AnyArray, "train features"],
    generated: Num[Tensor, "generated _"] | Num[AnyArray, "generated _"],
    held_out: Num[Tensor, "held_out _"] | Num[AnyArray, "held_out _"],
) -> NearestRecords:
    r"""Distances to the nearest training record: of generated records, and of records that were not trained on.

    With the distance :math:`d(z) = \min_i \lVert z - x_i \rVert` to the training set,

    .. math:: \mathrm{closer} = P(d(\hat x) < d(x')) + \tfrac12 P(d(\hat x) = d(x'))

    for a generated record :math:`\hat x` and a held-out one :math:`x'`. A generator that has learnt the distribution
    has 0.5, one that repeats training records 1, and one whose records are off the data less than 0.5. So a value of at
    most 0.5 shows no copying; it is no proof of privacy, which is to hold for every record and not on the average.
    ``copies`` is the share of generated records that are a training record, to be read beside ``copies_held_out``, the
    same of held-out ones: coarse records coincide by chance.

    Args:
        train: features of what the generator was trained on, one record in a row; put columns on one scale in front.
        generated, held_out: features of its records, and of records from the same source that it has not seen.

    Raises:
        ValueError: where a set is empty or no matrix, they differ in their number of features, or one is not finite.
    """
    train, generated = as_pair(train, generated, 1, 1)
    _, held_out = as_pair(train, as_matrix("held_out", held_out, 1), 1, 1)
    best = torch.promote_types(generated.dtype, held_out.dtype)  # neither is rounded to the other's
    points, both = comparable(train, torch.cat([generated.to(best), held_out.to(generated.device, best)]))
    nearest = torch.cat([distances(part, points).amin(dim=1) for part in both.split(500)])
    ours, theirs = nearest.split([len(generated), len(held_out)])
    ordered = theirs.sort().values
    below, up_to = (torch.searchsorted(ordered, ours, right=right) for right in (False, True))
    farther = len(ordered) - (below + up_to).double() / 2
    shares = [float((part == 0).double().mean()) for part in (ours, theirs)]
    return NearestRecords(float(farther.mean()) / len(ordered), *shares)
