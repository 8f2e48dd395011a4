"""How many modes of a known mixture a generator covers, and how good its samples are."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Coverage", "effective_modes", "mode_coverage"]


class Coverage(NamedTuple):
    """Modes that received a sample, and the share of samples that belong to any mode."""

    modes: int
    share: float


def mode_coverage(
    samples: Float[Tensor, "samples coordinates"], centres: Float[Tensor, "modes coordinates"], radius: float
) -> Coverage:
    r"""Count the modes that have a sample within ``radius`` of their centre.

    A sample belongs to its nearest centre if it lies within ``radius`` of it, usually three standard deviations
    of the mode (Srivastava et al. 2017, section 4.1: high-quality samples).

    Args:
        samples: what the generator made.
        centres: the true modes' centres; moved to the samples' device.
        radius: in the unit of the samples.

    Raises:
        ValueError: where there are no samples or ``radius`` is not positive.
    """
    nearest, good = _home(samples, centres, radius)
    return Coverage(int(nearest[good].unique().numel()), float(good.float().mean()))


def effective_modes(
    samples: Float[Tensor, "samples coordinates"], centres: Float[Tensor, "modes coordinates"], radius: float
) -> float:
    r"""How evenly the samples that belong to a mode are shared out: :math:`\exp H`, in modes.

    With the share :math:`\pi_k` of those samples in mode :math:`k`, :math:`H = -\sum_k \pi_k \log \pi_k`: as many
    as there are modes where all get the same, 1 where one gets all, 0 where no sample belongs to any.
    :func:`mode_coverage` counts a mode that has one sample in a thousand like any other; this does not.

    Arguments and errors are those of :func:`mode_coverage`.
    """
    nearest, good = _home(samples, centres, radius)
    if not bool(good.any()):
        return 0.0
    counts = torch.bincount(nearest[good], minlength=len(centres)).double()
    return float(torch.special.entr(counts / counts.sum()).sum().exp())


def _home(samples: Tensor, centres: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Each sample's nearest mode, and whether it belongs to it."""
    if len(samples) == 0 or radius <= 0:
        raise ValueError(
            f"expected samples and a positive radius, got {len(samples)} samples, radius {radius}"
        )
    # Not by way of |a|^2 - 2ab + |b|^2, cdist's choice for many points: far from 0 nothing is left of the distance.
    distances = torch.cdist(samples, centres.to(samples), compute_mode="donot_use_mm_for_euclid_dist")
    distance, nearest = distances.min(dim=1)
    return nearest, distance <= radius
