"""One partition out of many: cluster ensembles, Strehl and Ghosh 2002."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.linalg import qr
from scipy.spatial.distance import squareform

from advnotes.checks import check_count, check_number

__all__ = ["Consensus", "agreement", "consensus", "cspa", "hgpa", "mcla"]

Labels = NDArray[np.intp]
Matrix = NDArray[np.float64]


class Consensus(NamedTuple):
    """What :func:`consensus` returns: labels ``[n]`` from 0 on, and how they were chosen.

    ``method`` and ``clusters`` name the candidate, ``score`` is its agreement, ``scores`` has that of every candidate.
    """

    labels: Labels
    method: str
    clusters: int
    score: float
    scores: dict[tuple[str, int], float]


def consensus(partitions: Any, clusters: Sequence[int] | None = None, slack: float = 0.01) -> Consensus:
    r"""The candidate of :func:`cspa`, :func:`hgpa` and :func:`mcla` that agrees best with all partitions.

    Among those whose :func:`agreement` is within ``slack`` of the best the ones with fewest clusters are taken, and the
    best of these: the agreement hardly falls where a few samples are split off.

    Args:
        partitions: one labelling of the n samples in each row, whole numbers ``[partitions, n]``.
        clusters: the numbers to try; None: those that the partitions have, 1 excepted.
        slack: in agreement, from 0 (the best one, whatever its number) on.

    Raises:
        ValueError: where the partitions are no such table, all have a single cluster and none is asked for, or a
            number is less than 2 or larger than n.

    Source: Strehl and Ghosh 2002, "supra-consensus". Differs from the paper: the slack; several numbers.
    """
    given = read(partitions)
    n = given.shape[1]
    counts = sorted({len(set(row)) for row in given.tolist()} - {1}) if clusters is None else clusters
    if not isinstance(counts, Iterable):
        raise ValueError(
            f"expected the numbers of clusters to try, got {counts!r}: [{counts!r}] for a single one"
        )
    counts = [check_count("each number of clusters", count, least=2) for count in counts]
    slack = check_number("slack", slack, least=0.0)
    if not counts or max(counts) > n:
        raise ValueError(
            f"expected numbers of clusters from 2 to {n} (the samples), got {counts}"
            + ("" if counts else ": every partition has a single cluster")
        )
    cuts = {name: method(incidence(given)) for name, method in METHODS.items()}
    tried = {(name, count): cut(count) for count in counts for name, cut in cuts.items()}
    scores = {key: agreement(labels, given) for key, labels in tried.items()}
    close = [key for key in scores if scores[key] >= max(scores.values()) - slack]
    method, count = min(close, key=lambda key: (tried[key].max(), -scores[key]))
    labels = tried[method, count]
    return Consensus(labels, method, int(labels.max()) + 1, scores[method, count], scores)


def cspa(partitions: Any, clusters: int) -> Labels:
    r"""Cluster-based similarity: samples are alike by the share of partitions that put them together.

    :math:`S = \frac1r H H^\top`, where :math:`H` ``[n, hyperedges]`` has a column of zeros and ones for each cluster.

    Source: Strehl and Ghosh 2002, CSPA. Differs from the paper: METIS is not at hand; the graph is cut by
    average linkage, which does not ask for parts of equal size.
    """
    return _cspa(incidence(read(partitions)))(check_count("clusters", clusters))


def hgpa(partitions: Any, clusters: int) -> Labels:
    r"""Hypergraph partitioning: cut as few of the clusters as possible, each weighed alike.

    Source: Strehl and Ghosh 2002, HGPA. Differs from the paper: HMETIS is not at hand; the cut is the spectral
    one of Zhou, Huang and Schölkopf 2006, by the largest eigenvectors of :math:`D_v^{-1/2} H D_e^{-1} H^\top
    D_v^{-1/2}`, rounded by a QR decomposition with pivots (Damle, Minden and Ying 2019).
    """
    return _hgpa(incidence(read(partitions)))(check_count("clusters", clusters))


def mcla(partitions: Any, clusters: int) -> Labels:
    r"""Meta-clustering: clusters that share many samples become one, and a sample joins where it is most often.

    Clusters are alike by Jaccard's :math:`|a \cap b| / |a \cup b|`.

    Source: Strehl and Ghosh 2002, MCLA. Differs from the paper: average linkage in place of METIS.
    """
    return _mcla(incidence(read(partitions)))(check_count("clusters", clusters))


def _cspa(edges: Matrix) -> Callable[[int], Labels]:
    tree = _tree(1 - edges @ edges.T / edges[0].sum())
    return lambda clusters: _cut(tree, clusters)


def _hgpa(edges: Matrix) -> Callable[[int], Labels]:
    _, vectors = np.linalg.eigh((edges / edges.sum(axis=0)) @ edges.T / edges[0].sum())

    def cut(clusters: int) -> Labels:
        top = vectors[:, -clusters:]
        pivots = qr(top.T, pivoting=True, mode="economic")[2][:clusters]
        left, _, right = np.linalg.svd(top[pivots].T)
        return numbered(np.abs(top @ (left @ right)).argmax(axis=1))

    return cut


def _mcla(edges: Matrix) -> Callable[[int], Labels]:
    shared, sizes = edges.T @ edges, edges.sum(axis=0)
    tree = _tree(1 - shared / (sizes[:, None] + sizes - shared))

    def cut(clusters: int) -> Labels:
        groups = _cut(tree, clusters)
        members = np.eye(groups.max() + 1)[groups]
        return numbered((edges @ (members / members.sum(axis=0))).argmax(axis=1))

    return cut


METHODS = {"cspa": _cspa, "hgpa": _hgpa, "mcla": _mcla}


def agreement(labels: Any, partitions: Any) -> float:
    r"""Mean normalised mutual information of one labelling with several, from 0 (independent of all) to 1.

    :math:`\frac1r \sum_q I(\lambda, \lambda_q) / \sqrt{H(\lambda) H(\lambda_q)}`; where one of the two has a single
    cluster it counts 0.

    Source: Strehl and Ghosh 2002, average normalised mutual information.
    """
    given, own = read(partitions), read([labels])
    if given.shape[1] != own.shape[1]:
        raise ValueError(
            f"expected labels of the {given.shape[1]} samples of the partitions, got {own.shape[1]}"
        )
    one = incidence(own)
    total = 0.0
    for row in given:
        other = incidence(row[None])
        joint, apart = one.T @ other / len(row), np.outer(one.mean(axis=0), other.mean(axis=0))
        there = joint > 0
        information = float((joint[there] * np.log(joint[there] / apart[there])).sum())
        entropies = [-float((p * np.log(p)).sum()) for p in (one.mean(axis=0), other.mean(axis=0))]
        total += information / np.sqrt(entropies[0] * entropies[1]) if min(entropies) > 1e-12 else 0.0
    return total / len(given)


def incidence(partitions: Labels) -> Matrix:
    """The hypergraph ``[n, hyperedges]``: 1 where a sample is in a cluster of a partition."""
    return np.concatenate([np.eye(row.max() + 1)[row] for row in map(numbered, partitions)], axis=1)


def numbered(labels: NDArray[Any]) -> Labels:
    """The same clusters, numbered from 0 on without gaps."""
    return np.unique(labels, return_inverse=True)[1].astype(np.intp)


def read(partitions: Any) -> Labels:
    """Partitions as whole numbers ``[partitions, n]``; ValueError where they are something else."""
    try:
        table = np.asarray(partitions)
    except ValueError as error:
        raise ValueError(f"expected partitions that label the same samples; NumPy says: {error}") from None
    if table.ndim != 2 or 0 in table.shape or table.dtype.kind not in "iub":
        raise ValueError(
            "expected partitions as whole numbers, one labelling of all samples in each row, [partitions, n], got "
            f"the shape {table.shape} of {table.dtype}"
        )
    return table.astype(np.intp)


def _tree(distances: Matrix) -> Matrix:
    """Average linkage of things by their distances ``[things, things]``; a single one is no tree, and is not cut."""
    if len(distances) == 1:
        return np.empty((0, 4))
    return np.asarray(linkage(squareform(np.clip(distances, 0, None), checks=False), "average"))


def _cut(tree: Matrix, clusters: int) -> Labels:
    """A tree cut into at most so many groups."""
    return numbered(fcluster(tree, clusters, "maxclust")) if len(tree) else np.zeros(1, dtype=np.intp)
