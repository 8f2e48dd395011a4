"""Verdicts: the rule's cases, and its promise that more seeds never make a true claim less likely to hold."""

import math
from itertools import pairwise

import numpy as np
import pytest

from advnotes.claim_verdicts import Finding, judge, reproduced, scatter


def test_the_four_verdicts():
    assert judge([[0.9, 0.92, 0.91]], 0.8, math.inf).verdict == "holds"
    assert judge([[0.9, 0.75, 0.85]], 0.8, math.inf).verdict == "on the edge"
    assert judge([[0.9, 0.6, 0.7]], 0.8, math.inf).verdict == "not reproduced"
    assert judge([[0.9]], 0.8, math.inf).verdict == "not judged"


def test_a_run_whose_mean_is_outside_puts_a_claim_on_the_edge():
    inside, outside = [0.9, 0.9, 0.9], [0.79, 0.79, 0.79]
    assert judge([inside] * 9, 0.8, math.inf).verdict == "holds"
    assert judge([inside] * 9 + [outside], 0.8, math.inf).verdict == "on the edge"


def test_the_standard_error_does_not_count_machines_as_seeds():
    run = [0.7, 0.9, 0.8]
    one, three = judge([run], 0.0, 1.0), judge([run] * 3, 0.0, 1.0)
    assert one.error == pytest.approx(np.std(run, ddof=1) / math.sqrt(3))
    assert three.error == pytest.approx(np.std(run * 3, ddof=1) / math.sqrt(3))


def test_a_share_scatters_at_least_as_its_samples_do():
    assert scatter([[0.8, 0.8, 0.8]]) == pytest.approx(0)
    assert scatter([[0.7, 0.9], [0.1, 0.3]]) == pytest.approx(np.std([0.7, 0.9], ddof=1))
    assert scatter([[0.8, 0.8, 0.8]], n=100) == pytest.approx(0.04)
    assert judge([[0.8, 0.8, 0.8]], 0.79, 1.0, n=100).verdict == "on the edge"


def test_the_room_is_to_the_nearer_end_and_negative_outside():
    assert judge([[0.5, 0.5]], 0.4, 0.8).room == pytest.approx(0.1)
    assert judge([[0.3, 0.3]], 0.4, 0.8).room == pytest.approx(-0.1)


def test_what_is_exact_needs_no_seeds_and_no_room():
    assert judge([[1e-12]], -math.inf, 1e-9, exact=True).verdict == "holds"
    assert judge([[1e-12], [1e-8]], -math.inf, 1e-9, exact=True).verdict == "on the edge"
    assert judge([[1e-8]], -math.inf, 1e-9, exact=True).verdict == "not reproduced"


def test_nothing_is_no_run():
    for runs in ([], [[]], [[1.0], []]):
        with pytest.raises(ValueError, match="at least one run"):
            judge(runs, 0.0, 1.0)


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0, 4.0])
def test_more_seeds_never_make_a_true_claim_less_likely_to_hold(distance):
    """A true mean so many standard deviations inside: the share of verdicts that hold rises with the seeds."""
    draws = np.random.default_rng(0).normal(distance, 1, size=(4000, 48))
    share = [
        np.mean([judge([row[:seeds].tolist()], 0.0, math.inf).verdict == "holds" for row in draws])
        for seeds in (3, 6, 12, 24, 48)
    ]
    assert all(later >= earlier - 0.01 for earlier, later in pairwise(share)), share
    assert share[-1] > 0.9


def test_number_direction_or_nothing():
    held = Finding("holds", mean=0.90, error=0.001, room=0.1)
    assert reproduced(held, 0.894, share=True) == "number"
    assert reproduced(held, 0.95, share=True) == "direction"
    assert reproduced(Finding("holds", 0.0136, 0.0005, 1.0), 0.0064, share=True) == "direction"
    assert reproduced(held, None, share=True) == "direction"
    assert reproduced(Finding("not reproduced", 0.9, 0.1, -0.1), 0.9, share=True) == ""
    assert reproduced(Finding("holds", 9.5, 0.1, 1.0), 10.0, share=False) == "number"
    assert reproduced(Finding("holds", 8.5, 0.1, 1.0), 10.0, share=False) == "direction"
    assert reproduced(Finding("holds", 8.5, 1.0, 1.0), 10.0, share=False) == "number"
