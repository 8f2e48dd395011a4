"""How many modes of a known mixture a generator covers, and how good its samples are."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Coverage", "mode_coverage"]


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
    if len(samples) == 0 or radius <= 0:
        raise ValueError(
            f"expected samples and a positive radius, got {len(samples)} samples, radius {radius}"
        )
    # Not by way of |a|^2 - 2ab + |b|^2, cdist's choice for many points: far from 0 nothing is left of the distance.
    distances = torch.cdist(samples, centres.to(samples), compute_mode="donot_use_mm_for_euclid_dist")
    distance, nearest = distances.min(dim=1)
    good = distance <= radius
    return Coverage(int(nearest[good].unique().numel()), float(good.float().mean()))
