"""Classes to reach."""

import pytest
import torch

from advnotes.attacks import least_likely, random_targets


def test_random_targets_are_every_wrong_class_equally_often():
    y = torch.arange(4).repeat(3000)
    targets = random_targets(y, 4, torch.Generator().manual_seed(0))
    assert targets.dtype == torch.int64
    assert (targets != y).all()
    pairs = torch.bincount(4 * y + targets, minlength=16).view(4, 4)
    wrong = pairs[~torch.eye(4, dtype=torch.bool)]
    assert wrong.sum() == len(y)
    assert ((wrong - 1000).abs() < 150).all()
    seeds = torch.arange(9)
    assert torch.equal(random_targets(y[:9], 4, seeds)[3:], random_targets(y[3:9], 4, seeds[3:]))
    assert random_targets(torch.tensor([0, 1]), 2).tolist() == [1, 0]


def test_the_least_likely_class_is_never_the_true_one():
    logits = torch.tensor([[3.0, -1.0, 0.0], [-5.0, 2.0, 1.0], [0.0, 1.0, -9.0]])
    assert least_likely(logits, torch.tensor([0, 0, 1])).tolist() == [1, 2, 2]


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="classes must be a whole number of at least 2"):
        random_targets(torch.tensor([0]), 1)
    with pytest.raises(ValueError, match="labels must lie from 0 to 2, got 3 for sample 1"):
        random_targets(torch.tensor([0, 3]), 3)
    with pytest.raises(ValueError, match="labels must lie from 0 to 2, got 3 for sample 0"):
        least_likely(torch.zeros(1, 3), torch.tensor([3]))
