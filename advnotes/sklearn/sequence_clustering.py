"""Clusters of sequences of unequal length, whose number nobody has to know."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, check_random_state

from advnotes.checks import check_count, check_number
from advnotes.decisions.parts.consensus import Consensus, consensus, numbered
from advnotes.decisions.parts.representations import fourier, local_statistics, polynomial, wavelets
from advnotes.decisions.rival_penalised import rival_penalised, survivors
from advnotes.sklearn.sequences import read_sequences

__all__ = ["SequenceClusterer"]

Array = NDArray[np.float64]
Representation = Callable[[Array], Array]

#: From statistics of segments over wavelets and polynomials to waves, as in the paper.
REPRESENTATIONS: tuple[Representation, ...] = (local_statistics, wavelets, polynomial, fourier)

#: Strengths of the rival's push that are tried with penalty=None.
PENALTIES = (0.3, 0.4, 0.5, 0.6, 0.7)


class SequenceClusterer(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Sequences in clusters by rivals that compete on several representations, and a consensus (Yang and Chen 2011).

    Each sequence becomes a row of numbers in several ways. On each of these tables
    :func:`~advnotes.decisions.rival_penalised` (Xu, Krzyżak and Oja 1993) runs a few times, and
    :func:`~advnotes.decisions.consensus` (Strehl and Ghosh 2002) makes one partition of all of them.
    ``SequenceClusterer().fit_predict(sequences)`` takes arrays, Series, frames or lists of different lengths,
    ``[length]`` or ``[length, channels]``, or a table with one sequence in each row.

    Args:
        n_clusters: how many clusters the consensus has; None: it is found.
        max_clusters: how many units compete in each run, at least 2: no more clusters are found.
        penalty: the rival's step beside the winner's, from 0 to 1; together with ``max_clusters`` it decides how many
            units survive. None: 0.3 to 0.7 are tried, and the one with which the partitions agree best is taken. A
            high agreement is no proof that there are clusters.
        runs: competitions on each representation.
        epochs: passes over the sequences in each.
        representations: functions from a sequence ``[length, channels]`` to a row of one size for all lengths; None:
            the paper's four, in :mod:`advnotes.decisions`.
        standardise: give every channel mean 0 and deviation 1 over all steps of all sequences, for channels in
            different units.
        random_state: as everywhere in scikit-learn: with a number, a second ``fit`` finds the same.

    Attributes:
        labels_: the cluster of each sequence, from 0 on.
        n_clusters_: how many there are.
        penalty_: the one that was taken.
        agreement_: the consensus's mean normalised mutual information with all partitions, from 0 to 1.
        partitions_: the cluster of each sequence in each run, ``[partitions, sequences]``.
        n_features_in_: the length, where the sequences were rows of a table.

    Differs from the paper: a new sequence goes to the cluster whose members were with it in most partitions, and so do,
    at the end, those of ``fit``; ``penalty=None`` is ours.

    Raises:
        ValueError: in ``fit`` and ``predict``, where a number is out of range, or a sequence is empty, is not made of
            finite numbers or has other channels than the others. It says which one, and what to do.
        TypeError: for a sparse matrix.
    """

    def __init__(
        self,
        n_clusters: int | None = None,
        max_clusters: int = 12,
        penalty: float | None = 0.5,
        runs: int = 6,
        epochs: int = 20,
        representations: Sequence[Representation] | None = None,
        standardise: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.max_clusters = max_clusters
        self.penalty = penalty
        self.runs = runs
        self.epochs = epochs
        self.representations = representations
        self.standardise = standardise
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "SequenceClusterer":
        """Find clusters; ``y`` is not looked at."""
        penalties, functions = self._check()
        sequences = read_sequences(self, X, reset=True)
        if self.n_clusters is not None and self.n_clusters > len(sequences):
            raise ValueError(
                f"n_clusters is {self.n_clusters}, but there are only {len(sequences)} sequences"
            )
        self._channels, self._functions = sequences[0].shape[1], functions
        steps = np.concatenate(sequences)
        # The deviation of a constant is not 0 but its rounding.
        deviation = np.where((steps == steps[0]).all(axis=0), 0.0, steps.std(axis=0))
        self._centre = steps.mean(axis=0) if self.standardise else np.zeros(self._channels)
        self._scale = np.where(deviation > 0, deviation, 1.0) if self.standardise else np.ones(self._channels)
        tables = self._tables(sequences, functions)
        number = int(check_random_state(self.random_state).randint(2**31))
        found = [self._compete(tables, penalty, number) for penalty in penalties]
        best = max(found, key=lambda one: one[2].score)
        self.penalty_, members, chosen = best
        self.agreement_ = chosen.score
        if chosen.clusters == 1:
            warnings.warn(
                "all sequences ended in one cluster: they are alike, or the penalty drives all units but one out; try "
                "a smaller penalty, or standardise=True for channels in different units",
                stacklevel=2,
            )
        self._members = [(place, centres) for place, centres, _ in members]
        self.partitions_ = np.stack([labels for *_, labels in members])
        # How often the sequences of a cluster have each label of a partition: [labels, clusters].
        own = np.eye(chosen.clusters)[chosen.labels] / np.bincount(chosen.labels)
        self._votes = [np.eye(row.max() + 1)[row].T @ own for row in self.partitions_]
        voted = self._vote(self.partitions_)
        kept = np.unique(voted)
        self._votes = [votes[:, kept] for votes in self._votes]
        self.labels_, self.n_clusters_ = numbered(voted), len(kept)
        return self

    def predict(self, X: Any) -> NDArray[np.intp]:
        """The cluster of each sequence, new or not."""
        check_is_fitted(self, "labels_")
        sequences = read_sequences(self, X, reset=False)
        if sequences[0].shape[1] != self._channels:
            raise ValueError(
                f"expected sequences of {self._channels} channel(s), as in fit, got {sequences[0].shape[1]}"
            )
        tables = self._tables(sequences, self._functions)
        nearest = [
            ((tables[place][:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
            for place, centres in self._members
        ]
        return self._vote(np.stack(nearest))

    def _vote(self, labels: NDArray[np.intp]) -> NDArray[np.intp]:
        """The cluster that has most in common with each sequence, by its labels ``[partitions, sequences]``."""
        votes = sum(votes[row] for votes, row in zip(self._votes, labels, strict=True))
        return np.asarray(votes).argmax(axis=1)

    def _tables(self, sequences: list[Array], functions: Sequence[Representation]) -> list[Array]:
        """One table of rows for each representation."""
        scaled = [(one - self._centre) / self._scale for one in sequences]
        tables = []
        for function in functions:
            rows = [np.asarray(function(one), dtype=np.float64) for one in scaled]
            shapes = {row.shape for row in rows}
            if len(shapes) > 1 or rows[0].ndim != 1 or not all(np.isfinite(row).all() for row in rows):
                raise ValueError(
                    "expected a representation that makes one finite row of one size from sequences of any length, got "
                    f"the shapes {sorted(shapes)[:3]} from {getattr(function, '__name__', function)!r}"
                )
            tables.append(np.stack(rows))
        return tables

    def _compete(
        self, tables: list[Array], penalty: float, number: int
    ) -> tuple[float, list[tuple[int, Array, NDArray[np.intp]]], Consensus]:
        """All runs with one penalty, as (table, centres that are left, labels), and their consensus."""
        random, members = np.random.default_rng(number), []
        for place, table in enumerate(tables):
            centres = table[None, :1]
            if np.ptp(table, axis=0).max() > 1e-12 * np.abs(table).max():  # more than rounding apart
                units = min(self.max_clusters, len(table))
                centres = rival_penalised(
                    table, units, penalty=penalty, epochs=self.epochs, runs=self.runs, generator=random
                ).centres
            for run in centres:
                left, labels = survivors(table, run)
                members.append((place, run[left], labels))
        partitions = np.stack([labels for *_, labels in members])
        if not partitions.any():
            return penalty, members, Consensus(partitions[0], "none", 1, 0.0, {})
        counts = None if self.n_clusters is None else [self.n_clusters]
        return penalty, members, consensus(partitions, counts)

    def _check(self) -> tuple[tuple[float, ...], tuple[Representation, ...]]:
        """The penalties to try and the representations; ValueError for an argument that is out of range."""
        if self.n_clusters is not None and check_count("n_clusters", self.n_clusters) == 1:
            raise ValueError(
                "n_clusters must be at least 2, got 1: one cluster is all sequences; take None to have it found"
            )
        check_count("max_clusters", self.max_clusters, least=2)
        check_count("runs", self.runs)
        check_count("epochs", self.epochs)
        functions = REPRESENTATIONS if self.representations is None else tuple(self.representations)
        if not functions or not all(map(callable, functions)):
            raise ValueError(
                "representations must be functions from a sequence to a row, such as advnotes.decisions.polynomial, "
                f"got {self.representations!r}"
            )
        if self.penalty is None:
            return PENALTIES, functions
        return (check_number("penalty", self.penalty, least=0.0, most=1.0),), functions
