"""Consensus: agreement as scikit-learn measures it, partitions that agree, and errors that do not."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from advnotes.decisions import agreement, consensus, cspa, hgpa, mcla

TRUTH = np.repeat([0, 1, 2], [30, 20, 10])


def noisy(errors: float, members: int = 9, seed: int = 0) -> np.ndarray:
    """Partitions with their own names for the clusters, in each of which other samples are wrong."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(members):
        row = random.permutation(3)[TRUTH]
        wrong = random.random(len(row)) < errors
        rows.append(np.where(wrong, random.integers(0, 3, len(row)), row))
    return np.stack(rows)


def test_agreement_is_the_mean_of_scikit_learn_s():
    rows = noisy(0.4)
    theirs = [normalized_mutual_info_score(TRUTH, row, average_method="geometric") for row in rows]
    assert agreement(TRUTH, rows) == pytest.approx(np.mean(theirs), abs=1e-12)
    assert agreement(5 - rows[0], rows[:1]) == pytest.approx(1)
    assert agreement(np.zeros(60, dtype=int), rows) == 0


@pytest.mark.parametrize("method", [cspa, hgpa, mcla])
def test_each_method_gives_back_what_all_agree_on_and_mends_what_few_get_wrong(method):
    assert adjusted_rand_score(TRUTH, method(noisy(0.0), 3)) == 1
    rows = noisy(0.3)
    single = np.mean([adjusted_rand_score(TRUTH, row) for row in rows])
    assert adjusted_rand_score(TRUTH, method(rows, 3)) > max(0.8, single + 0.2)


@pytest.mark.parametrize("method", [cspa, hgpa, mcla])
def test_names_and_order_do_not_count(method):
    rows, order = noisy(0.2), np.random.default_rng(1).permutation(60)
    renamed = np.stack([np.array([7, 3, 5])[row] for row in rows])
    assert adjusted_rand_score(method(rows, 3), method(renamed, 3)) == 1
    assert adjusted_rand_score(method(rows, 3)[order], method(rows[:, order], 3)) == 1


def test_the_number_is_found_and_splinters_do_not_add_to_it():
    rows = noisy(0.0)
    rows[:2, 0] = 3  # one sample by itself, in two partitions of nine
    found = consensus(rows, [2, 3, 4, 5])
    assert (found.clusters, found.labels.max()) == (3, 2)
    assert found.score == pytest.approx(found.scores[found.method, found.clusters])
    assert found.score >= max(found.scores.values()) - 0.01
    assert len(found.scores) == 12
    rows[:6, 0] = 3
    best = consensus(rows, [2, 3, 4, 5], slack=0.0)
    assert (best.clusters, best.score) == (4, max(best.scores.values()))
    assert consensus(rows, [2, 3, 4, 5], slack=0.1).clusters == 3


def test_partitions_of_other_numbers_of_clusters_say_which_are_tried():
    split = np.where(np.arange(60) < 15, 3, TRUTH)
    found = consensus(np.stack([TRUTH, TRUTH, split, np.zeros(60, dtype=int)]))
    assert {count for _, count in found.scores} == {3, 4}
    assert adjusted_rand_score(TRUTH, found.labels) == 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("rows", "counts", "message"),
    [
        (np.zeros((2, 5), dtype=int), None, "every partition has a single cluster"),
        (noisy(0.1), [1], "at least 2, got 1"),
        (noisy(0.1), [61], r"from 2 to 60 .the samples., got \[61\]"),
        (noisy(0.1), 3, r"\[3\] for a single one"),
        ([[0, 1], [0]], None, "label the same samples"),
        (noisy(0.1)[0], None, r"\[partitions, n\], got the shape \(60,\)"),
        (noisy(0.1) / 2, None, "whole numbers"),
        (np.array([["a", "b"]]), None, "whole numbers"),
    ],
)
def test_what_is_no_partition_is_refused(rows, counts, message):
    with pytest.raises(ValueError, match=message):
        consensus(rows, counts)


def test_labels_of_other_samples_are_refused():
    with pytest.raises(ValueError, match="of the 60 samples"):
        agreement(TRUTH[:50], noisy(0.1))


@pytest.mark.parametrize("method", [cspa, hgpa, mcla])
def test_one_sample_is_one_cluster(method):
    assert method(np.array([[3], [5]]), 1).tolist() == [0]


def test_clusters_of_one_partition_with_one_cluster_are_one():
    assert mcla(np.zeros((1, 5), dtype=int), 2).tolist() == [0] * 5
