"""Two sets of samples compared by the features that are stated: Frechet distance, precision and recall."""

from typing import NamedTuple, SupportsIndex

import torch
from jaxtyping import Float, Num
from torch import Tensor

from advnotes.checks import check_count
from advnotes.metrics.balls import comparable, distances, reach
from advnotes.metrics.features import AnyArray, as_pair

__all__ = ["PrecisionRecall", "frechet_distance", "frechet_gaussians", "precision_recall"]


def frechet_distance(
    real: Num[Tensor, "real features"] | Num[AnyArray, "real features"],
    generated: Num[Tensor, "generated _"] | Num[AnyArray, "generated _"],
) -> float:
    r"""The Frechet distance of two Gaussians fitted to two sets of features: FID, on whatever features they are.

    (Heusel et al. 2017, section 2.) Squared, as everybody reports it; see :func:`frechet_gaussians`. A distance
    belongs to its feature extractor and to the number of samples: name both beside it. It is biased upwards for
    few samples, so compare only at equal numbers, and with that of a second set of real ones.

    Args:
        real, generated: the features of one sample in each row: the paper's are a layer of an Inception network;
            for digits take :func:`advnotes.zoo.mnist_features`, for points in a plane the points. Tensors or arrays;
            the distance is computed in float64.

    Raises:
        ValueError: where a set is no matrix or has fewer than 2 samples, the sets differ in their number of features,
            or a feature is not finite or too large.
    """
    real, generated = as_pair(real, generated, 2)
    (mean_p, cov_p), (mean_q, cov_q) = _moments(real), _moments(generated)
    if not bool(cov_p.isfinite().all()) or not bool(cov_q.isfinite().all()):
        raise ValueError(
            f"features as large as {float(max(real.abs().max(), generated.abs().max())):.2g} have no finite covariance "
            "in float64: divide both sets by one number"
        )
    return frechet_gaussians(mean_p, cov_p, mean_q.to(mean_p), cov_q.to(cov_p))


def frechet_gaussians(
    mean_p: Float[Tensor, " size"],
    cov_p: Float[Tensor, "size size"],
    mean_q: Float[Tensor, " size"],
    cov_q: Float[Tensor, "size size"],
) -> float:
    r"""The squared Frechet (2-Wasserstein) distance of two Gaussians.

    .. math:: \lVert\mu_p - \mu_q\rVert^2 + \mathrm{tr}\bigl(\Sigma_p + \Sigma_q
        - 2 (\Sigma_p^{1/2} \Sigma_q \Sigma_p^{1/2})^{1/2}\bigr)

    (Dowson and Landau 1982.) With :math:`\Sigma_p = A A^\top` the last root's trace is the sum of the roots of the
    eigenvalues of :math:`A^\top \Sigma_q A`, which is symmetric and never negative, as a product of covariances is not;
    covariances may be singular.
    """
    values, vectors = torch.linalg.eigh(cov_p.double())
    root_p = vectors * values.clamp_min(0).sqrt()  # what rounding pushed below 0 is 0
    overlap = torch.linalg.eigvalsh(root_p.T @ cov_q.double() @ root_p).clamp_min(0).sqrt().sum()
    apart = (mean_p - mean_q).double().square().sum()
    distance = apart + cov_p.double().trace() + cov_q.double().trace() - 2 * overlap
    return max(0.0, float(distance))


class PrecisionRecall(NamedTuple):
    """The share of generated samples that could be real, and of real ones that could be generated."""

    precision: float
    recall: float


def precision_recall(
    real: Num[Tensor, "real features"] | Num[AnyArray, "real features"],
    generated: Num[Tensor, "generated _"] | Num[AnyArray, "generated _"],
    neighbours: SupportsIndex = 3,
) -> PrecisionRecall:
    r"""How many generated samples lie among the real ones, and how many real ones among the generated.

    A set's territory is the union of balls around its samples, each reaching to its ``neighbours``-th neighbour in
    the set. Precision is the share of generated samples within the real ones' territory, recall the share of real
    samples within the generated ones' (Kynkaanniemi et al. 2019, section 2, equations 1 and 2). A generator that
    has collapsed onto one mode keeps its precision and loses its recall.

    Args:
        real, generated: features as in :func:`frechet_distance`; compared in float32, or in float64 where one set
            is.
        neighbours: the paper's k, 3.

    Raises:
        ValueError: where ``neighbours`` is less than 1 or a set has not more samples than that, a set is no matrix, the
            sets differ in their number of features, or a feature is not finite.
    """
    count = check_count("neighbours", neighbours)
    real, generated = comparable(*as_pair(real, generated, count + 1))
    return PrecisionRecall(_within(generated, real, count), _within(real, generated, count))


def _within(points: Tensor, territory: Tensor, neighbours: int) -> float:
    """The share of ``points`` in the union of the balls around ``territory``."""
    radius = reach(territory, neighbours)
    inside = [(distances(part, territory) <= radius).any(dim=1) for part in points.split(1000)]
    return float(torch.cat(inside).double().mean())


def _moments(points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance, with as few passes over the samples as they need."""
    points = points.double()
    mean = points.mean(dim=0)
    centred = points - mean
    return mean, centred.T @ centred / (len(points) - 1)
