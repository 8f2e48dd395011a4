"""Adding features under a budget: what was there stays, and for a linear model nothing better exists."""

import dataclasses
from itertools import combinations

import pytest
import torch
from torch import nn

from advnotes.attacks import OnlyAdd
from advnotes.losses import cross_entropy, margin_loss


def linear(features: int = 8, classes: int = 2) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(features, classes).double()


def presence(n: int = 12, features: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(n, features, generator=generator) < 0.4).double(), torch.arange(n) % 2


def network() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3)).double()


def test_nothing_that_was_there_goes_and_the_budget_is_kept():
    x, y = presence()
    budget = torch.tensor([1, 2, 3] * 4)
    moved = OnlyAdd(budget)(network(), x, y) - x
    assert set(moved.unique().tolist()) <= {0.0, 1.0}
    assert (moved.sum(dim=1) <= budget).all()
    assert (moved.sum(dim=1) > 0).any()


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_no_choice_of_features_beats_it_on_a_linear_model(budget):
    model, (x, y) = linear(), presence()
    found = margin_loss(model(OnlyAdd(budget, shortlist=1)(model, x, y)), y)
    best = margin_loss(model(x), y)
    for chosen in combinations(range(8), budget):
        tried = x.clone()
        tried[:, list(chosen)] = 1
        best = torch.maximum(best, margin_loss(model(tried), y))
    # A greedy attack spends its whole budget; the exhaustive one may stop before it harms itself.
    torch.testing.assert_close(found, best)


def test_a_trial_finds_what_the_gradient_hides():
    def model(x):  # the gradient at 0 promises the first feature, the jump to 1 is worth the second
        gain = x[:, 0] * 0.3 + x[:, 1] ** 2
        return torch.stack([torch.full_like(gain, 0.5), gain + 1e-9 * x.sum(dim=1)], dim=1)

    x, y = torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    assert OnlyAdd(1, shortlist=1)(model, x, y).tolist() == [[1.0, 0.0]]
    assert OnlyAdd(1, shortlist=2)(model, x, y).tolist() == [[0.0, 1.0]]


def test_only_what_may_be_added_is_added():
    x, y = presence()
    addable = torch.tensor([True, False] * 4)
    moved = OnlyAdd(8, addable=addable)(network(), x, y) != x
    assert moved[:, addable].any()
    assert not moved[:, ~addable].any()
    with pytest.raises(ValueError, match=r"shape of a sample, \(8,\), got \(3,\)"):
        OnlyAdd(1, addable=torch.ones(3, dtype=torch.bool))(network(), x, y)


def test_a_full_sample_comes_back_as_it_is():
    x, y = torch.ones(2, 8, dtype=torch.float64), torch.tensor([0, 1])
    assert torch.equal(OnlyAdd(3)(network(), x, y), x)


def test_early_stop_and_the_batch_do_not_change_the_verdict():
    model, (x, y) = network(), presence(40)
    attack = OnlyAdd(3, loss=cross_entropy)
    together = attack(model, x, y)
    alone = torch.cat([attack(model, x[i : i + 1], y[i : i + 1]) for i in range(40)])
    assert torch.equal(together, alone)
    stopped = dataclasses.replace(attack, early_stop=True)(model, x, y)
    fooled = model(together).argmax(1) != y
    assert torch.equal(model(stopped).argmax(1) != y, fooled)
    assert fooled.any()
    assert not fooled.all()
    assert (stopped != x).sum() < (together != x).sum()


def test_targeted_and_images_too():
    model, (x, _) = network(), presence()
    target = torch.full((12,), 2)
    images = x.view(12, 1, 2, 4)
    moved = OnlyAdd(2, targeted=True)(nn.Sequential(nn.Flatten(), model), images, target)
    assert moved.shape == images.shape
    assert (margin_loss(model(moved.flatten(1)), target) <= margin_loss(model(x), target) + 1e-12).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OnlyAdd(0), "budget must be a number of features of at least 1, got 0"),
        (lambda: OnlyAdd(torch.tensor([1, 0])), "budget must be"),
        (lambda: OnlyAdd(1, shortlist=0), "shortlist must be a whole number of at least 1"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
