"""How many modes of a known mixture a generator covers, and how good its samples are."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Num
from numpy.typing import NDArray
from torch import Tensor

from advnotes.checks import check_number
from advnotes.metrics.features import AnyArray, as_matrix

__all__ = ["Coverage", "effective_modes", "mode_coverage"]


class Coverage(NamedTuple):
    """Modes that received a sample, and the share of samples that belong to any mode."""

    modes: int
    share: float


def mode_coverage(
    samples: Num[Tensor, "samples coordinates"] | Num[AnyArray, "samples coordinates"],
    centres: Num[Tensor, "modes _"] | Num[AnyArray, "modes _"],
    radius: float,
) -> Coverage:
    r"""Count the modes that have a sample within ``radius`` of their centre.

    A sample belongs to its nearest centre if it lies within ``radius`` of it, usually three standard deviations
    of the mode (Srivastava et al. 2017, section 4.1: high-quality samples).

    Args:
        samples: what the generator made; half precision and whole numbers are compared in float32.
        centres: the true modes' centres; moved to the samples' device.
        radius: in the unit of the samples.

    Raises:
        ValueError: where there are no samples, ``radius`` is not a positive number, samples or centres are no matrices
            of equally many coordinates, or one of them is not finite.
    """
    nearest, good = _nearest(samples, centres, radius)
    return Coverage(int(nearest[good].unique().numel()), float(good.float().mean()))


def effective_modes(
    samples: Num[Tensor, "samples coordinates"] | Num[AnyArray, "samples coordinates"],
    centres: Num[Tensor, "modes _"] | Num[AnyArray, "modes _"],
    radius: float,
) -> float:
    r"""How evenly the samples that belong to a mode are shared out: :math:`\exp H`, in modes.

    With the share :math:`\pi_k` of those samples in mode :math:`k`, :math:`H = -\sum_k \pi_k \log \pi_k`: as many
    as there are modes where all get the same, 1 where one gets all, 0 where no sample belongs to any.
    :func:`mode_coverage` counts a mode that has one sample in a thousand like any other; this does not.

    Arguments and errors are those of :func:`mode_coverage`.
    """
    nearest, good = _nearest(samples, centres, radius)
    if not bool(good.any()):
        return 0.0
    counts = torch.bincount(nearest[good], minlength=len(centres)).double()
    return float(torch.special.entr(counts / counts.sum()).sum().exp())


def _nearest(
    samples: Tensor | NDArray[np.generic], centres: Tensor | NDArray[np.generic], radius: float
) -> tuple[Tensor, Tensor]:
    """Each sample's nearest mode, and whether it belongs to it."""
    check_number("radius", radius, above=0.0)
    points, modes = as_matrix("samples", samples), as_matrix("centres", centres)
    if points.shape[1] != modes.shape[1]:
        raise ValueError(
            f"samples and centres must have equal numbers of coordinates, got shapes {tuple(points.shape)} and "
            f"{tuple(modes.shape)}"
        )
    # Not by way of |a|^2 - 2ab + |b|^2, cdist's choice for many points: far from 0 nothing is left of the distance.
    distances = torch.cdist(points, modes.to(points), compute_mode="donot_use_mm_for_euclid_dist")
    distance, nearest = distances.min(dim=1)
    return nearest, distance <= radius
