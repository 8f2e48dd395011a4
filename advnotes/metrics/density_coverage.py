"""Density and coverage: precision and recall, mended so that one stray sample does not decide."""

from typing import NamedTuple, SupportsIndex

import torch
from jaxtyping import Num
from torch import Tensor

from advnotes.checks import check_count
from advnotes.metrics.balls import comparable, distances, reach
from advnotes.metrics.features import AnyArray, as_pair

__all__ = ["DensityCoverage", "density_coverage"]


class DensityCoverage(NamedTuple):
    """How densely generated samples lie among real ones (about 1 is right), and the share of real ones covered."""

    density: float
    coverage: float


def density_coverage(
    real: Num[Tensor, "real features"] | Num[AnyArray, "real features"],
    generated: Num[Tensor, "generated _"] | Num[AnyArray, "generated _"],
    neighbours: SupportsIndex = 5,
) -> DensityCoverage:
    r"""In how many real samples' balls a generated one lies, and how many of these balls have one at all.

    With the ball :math:`B_i` around the real sample :math:`x_i` that reaches to its :math:`k`-th neighbour,

    .. math:: \mathrm{density} = \frac{1}{kM} \sum_{j=1}^{M} \sum_{i=1}^{N} 1[y_j \in B_i], \qquad
        \mathrm{coverage} = \frac{1}{N} \sum_{i=1}^{N} 1[\exists j: y_j \in B_i]

    (Naeem et al. 2020.) A real outlier has a large ball, which makes
    :func:`precision_recall` call everything within it real; here such a ball is one of many. Balls are drawn around
    real samples only, so that scattered generated ones do not raise the coverage. For two sets from one distribution
    the expected density is 1 and the expected coverage :math:`1 - \prod_{l<k} (N - 1 - l) / (2N - 1 - l)`, about
    :math:`1 - 2^{-k}`, at equal numbers. The density may exceed 1, where samples crowd in the middle of the real ones.

    Args:
        real, generated: features as in :func:`precision_recall`.
        neighbours: the paper's k, 5.

    Raises:
        ValueError: where ``neighbours`` is less than 1 or there are not more real samples than that, a set is empty or
            no matrix, the sets differ in their number of features, or a feature is not finite.

    Differs from the paper: balls are closed, as in :func:`precision_recall`; the authors' code has open ones. It shows
    only where distances are equal, as for generated samples that are copies of real ones.
    """
    count = check_count("neighbours", neighbours)
    real, generated = comparable(*as_pair(real, generated, count + 1, 1))
    radius = reach(real, count)
    inside = torch.zeros(len(real), dtype=torch.int64, device=real.device)  # generated samples in each ball
    for part in generated.split(1000):
        inside += (distances(part, real) <= radius).sum(dim=0)
    return DensityCoverage(
        float(inside.sum()) / (count * len(generated)), float((inside > 0).double().mean())
    )
