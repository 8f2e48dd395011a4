"""What the number of samples does to the Frechet distance, and what is left when it is extrapolated away."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Num
from torch import Tensor

from advnotes.checks import check_count
from advnotes.metrics.features import AnyArray, as_pair
from advnotes.metrics.fidelity import frechet_distance

__all__ = ["FrechetLimit", "frechet_limit"]


class FrechetLimit(NamedTuple):
    """Numbers of generated samples, the distance at each of them, and where the line through these meets 1/n = 0."""

    sizes: tuple[int, ...]
    distances: tuple[float, ...]
    limit: float


def frechet_limit(
    real: Num[Tensor, "real features"] | Num[AnyArray, "real features"],
    generated: Num[Tensor, "generated _"] | Num[AnyArray, "generated _"],
    sizes: Sequence[int] | None = None,
    generator: torch.Generator | None = None,
) -> FrechetLimit:
    r"""The Frechet distance at several numbers of generated samples, extrapolated to infinitely many.

    .. math:: \mathrm{FID}_n \approx \mathrm{FID}_\infty + \frac{c}{n}, \qquad c > 0

    The distance of a finite set is too high, and the excess falls as :math:`1/n` to first order, with a factor that
    depends on the generator: of two generators the worse one may look better. The limit is the intercept of a
    least-squares line through the distances over :math:`1/n` (Chong and Forsyth 2020: :math:`FID_\infty`).
    The real samples are all used each time, and their own share of the excess stays.

    Args:
        real, generated: features as in :func:`frechet_distance`.
        sizes: numbers of generated samples, drawn anew for each. None: 15 of them, evenly spaced from a tenth of the
            set, or twice the number of features if that is more, to the whole of it.
        generator: draws the samples. None: the global one, on the CPU.

    Returns:
        The :class:`FrechetLimit`; a limit below 0 stands for 0 within the scatter of the distances.

    Raises:
        ValueError: where fewer than 2 different sizes are given, one is smaller than twice the number of features (the
            covariance is near singular there and the law does not hold) or larger than the set, and what
            :func:`frechet_distance` refuses.

    Differs from the paper: samples are drawn at random, where the paper takes a Sobol sequence of latent vectors,
    which needs the generator itself and not only its samples.
    """
    first, second = as_pair(real, generated, 2)
    chosen = _check_sizes(sizes, *second.shape)
    device = torch.device("cpu") if generator is None else generator.device
    distances = []
    for size in chosen:
        order = torch.randperm(len(second), generator=generator, device=device)[:size]
        distances.append(frechet_distance(first, second[order.to(second.device)]))
    _, limit = np.polyfit(1 / np.asarray(chosen), distances, 1)
    return FrechetLimit(chosen, tuple(distances), float(limit))


def _check_sizes(sizes: Sequence[int] | None, samples: int, features: int) -> tuple[int, ...]:
    """The sizes as whole numbers; the usual ones where there are none."""
    least = 2 * features
    if samples <= least:
        raise ValueError(
            f"expected more than {least} generated samples, twice the number of features, got {samples}: the "
            "distance falls as 1/n only beyond that; generate more, or take fewer features"
        )
    if sizes is None:
        sizes = torch.linspace(max(least, samples // 10), samples, 15).round().int().tolist()
    chosen = tuple(check_count("sizes", size, least) for size in sizes)
    if len(set(chosen)) < 2 or max(chosen) > samples:
        raise ValueError(
            f"sizes must be at least 2 different numbers, none above the {samples} generated samples; got {sizes}"
        )
    return chosen
