"""The classifier score against closed forms and SciPy's relative entropy, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy

from advnotes.metrics import classifier_score

DRAWN = torch.Generator().manual_seed(0)


def certain(classes: torch.Tensor, k: int = 10) -> torch.Tensor:
    return 200.0 * torch.nn.functional.one_hot(classes, k)


@given(splits=st.integers(1, 7), n=st.integers(28, 60))
def test_it_is_the_mean_over_splits_of_exp_of_the_relative_entropies_of_scipy(splits: int, n: int) -> None:
    logits = 3 * torch.randn(n, 4, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    p, scores = softmax(logits.numpy(), axis=1), []
    for i in range(splits):  # torch-fidelity cuts at these places
        part = p[i * n // splits : (i + 1) * n // splits]
        scores.append(np.exp(np.mean([entropy(row, part.mean(axis=0)) for row in part])))
    found = classifier_score(logits, splits)
    assert found.score == pytest.approx(np.mean(scores), rel=1e-10)
    assert found.deviation == pytest.approx(np.std(scores), abs=1e-10)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_certain_answers_on_k_equal_classes_score_k(k: int) -> None:
    assert classifier_score(certain(torch.arange(300) % k), 1).score == pytest.approx(k, rel=1e-9)


def test_equal_answers_score_1_however_sure_they_are() -> None:
    for row in (torch.zeros(10), certain(torch.tensor([3]))[0], torch.randn(10, generator=DRAWN)):
        assert classifier_score(row.repeat(100, 1)).score == pytest.approx(1, abs=1e-9)


def test_it_is_between_1_and_the_number_of_classes_and_blind_to_shifted_logits() -> None:
    logits = torch.randn(200, 5, generator=DRAWN)
    score = classifier_score(logits, 4).score
    assert 1 < score < 5
    assert classifier_score(logits + 100 * torch.randn(200, 1), 4).score == pytest.approx(score, rel=1e-4)
    assert classifier_score(logits.numpy(), 4).score == score


def test_ten_samples_repeated_have_the_highest_score() -> None:
    """How it is deceived: the chapter's memoriser."""
    few = certain(torch.arange(10)).repeat(100, 1)
    many = 4 * torch.randn(1000, 10, generator=DRAWN)
    assert classifier_score(few).score > classifier_score(many).score + 1


def test_sorted_samples_are_shuffled_where_asked() -> None:
    by_class = certain(torch.arange(10).repeat_interleave(100))
    assert classifier_score(by_class).score == pytest.approx(1, rel=1e-9)  # each split has one class
    assert classifier_score(by_class, generator=torch.Generator().manual_seed(0)).score > 8


@pytest.mark.parametrize(("n", "splits"), [(1, 1), (9, 1), (9, 10), (99, 10)])
def test_too_few_samples_are_refused_where_other_code_returns_1_or_nan(n: int, splits: int) -> None:
    with pytest.raises(ValueError, match="wants at least as many samples in each as there are classes"):
        classifier_score(torch.zeros(n, 10), splits)
    assert classifier_score(torch.zeros(splits * 10, 10), splits).score == pytest.approx(1)


def test_what_are_no_logits_is_refused() -> None:
    with pytest.raises(ValueError, match="two classes or more"):
        classifier_score(torch.zeros(20, 1))
    with pytest.raises(ValueError, match="logits must be finite"):
        classifier_score(torch.full((20, 2), torch.nan))
    with pytest.raises(ValueError, match="splits must be a whole number of at least 1"):
        classifier_score(torch.zeros(20, 2), 0)


def test_probabilities_are_not_taken_for_logits() -> None:
    logits = 5 * torch.randn(200, 4, generator=DRAWN)
    with pytest.raises(ValueError, match="these are probabilities; leave the softmax out"):
        classifier_score(logits.softmax(dim=1))
    assert classifier_score(logits.log_softmax(dim=1)).score == pytest.approx(classifier_score(logits).score)
