"""Two sets of samples compared by a kernel: KID, an estimate without bias, on whatever features are stated."""

from typing import NamedTuple, SupportsIndex

import torch
from jaxtyping import Float, Num
from torch import Tensor

from advnotes.checks import check_count
from advnotes.metrics.features import AnyArray, as_pair

__all__ = ["KernelDistance", "kernel_distance"]


class KernelDistance(NamedTuple):
    """The mean over the subsets, and their standard deviation, which says how far to trust a single one."""

    mean: float
    std: float


def kernel_distance(
    real: Num[Tensor, "real features"] | Num[AnyArray, "real features"],
    generated: Num[Tensor, "generated _"] | Num[AnyArray, "generated _"],
    subsets: SupportsIndex = 100,
    subset_size: SupportsIndex = 1000,
    generator: torch.Generator | None = None,
) -> KernelDistance:
    r"""The squared maximum mean discrepancy with a cubic kernel: KID, on whatever features they are.

    .. math:: \frac{1}{m(m-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
        - \frac{2}{m^2} \sum_{i, j} k(x_i, y_j), \qquad k(x, y) = \Bigl(\frac{x^\top y}{d} + 1\Bigr)^3

    (Binkowski et al. 2018; :math:`d` is the number of features.) It compares means,
    covariances and third moments, where :func:`frechet_distance` stops at the second. Its expectation is 0 for two sets
    from one distribution, however small they are, so that values at unequal numbers of samples may be compared; a
    single value may be negative. It changes with the unit of the features: name them beside it.

    Args:
        real, generated: features as in :func:`frechet_distance`; computed in float64.
        subsets: how many times :math:`m` samples of each set are drawn and compared.
        subset_size: :math:`m`, drawn without replacement; the paper's is 1,000. One subset of all samples costs as much
            as all pairs of them do.
        generator: draws the subsets. None: the global one, on the CPU.

    Raises:
        ValueError: where ``subsets`` is less than 1 or ``subset_size`` less than 2, a set has fewer samples than
            ``subset_size``, is no matrix or has a feature that is not finite or too large, or the sets differ in their
            number of features.
    """
    count, size = check_count("subsets", subsets), check_count("subset_size", subset_size, 2)
    first, second = (part.double() for part in as_pair(real, generated, size))
    second = second.to(first.device)
    found = torch.stack(
        [_unbiased(_draw(first, size, generator), _draw(second, size, generator)) for _ in range(count)]
    )
    if not bool(found.isfinite().all()):
        raise ValueError(
            f"features as large as {float(max(first.abs().max(), second.abs().max())):.2g} have no finite cubes in "
            "float64: divide both sets by one number"
        )
    return KernelDistance(float(found.mean()), float(found.std(correction=0)))


def _draw(points: Tensor, size: int, generator: torch.Generator | None) -> Tensor:
    """So many of the points, each once at most."""
    device = torch.device("cpu") if generator is None else generator.device
    order = torch.randperm(len(points), generator=generator, device=device)
    return points[order[:size].to(points.device)]


def _unbiased(x: Float[Tensor, "m d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """The estimate on two sets of equal size."""
    m = len(x)
    within = sum((_kernel(z, z).sum() - _kernel_with_itself(z).sum()) / (m * (m - 1)) for z in (x, y))
    return within - 2 * _kernel(x, y).mean()


def _kernel(x: Float[Tensor, "m d"], y: Float[Tensor, "n d"]) -> Float[Tensor, "m n"]:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _kernel_with_itself(x: Float[Tensor, "m d"]) -> Float[Tensor, " m"]:
    return (x.square().mean(dim=1) + 1) ** 3
