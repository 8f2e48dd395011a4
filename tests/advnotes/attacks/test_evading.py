"""Evading: misclassified and not flagged, by any attack."""

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import APGD, FAB, PGD, CarliniWagner, Evading, Square
from advnotes.gradients import NotDifferentiableError
from advnotes.losses import cross_entropy, dlr, margin_loss
from advnotes.testing import check_attack
from advnotes.threats import L2, Linf


class Right(nn.Module):
    """Class 1 where the first of two numbers is above 0.5, else class 0."""

    def forward(self, x):
        return torch.stack([torch.zeros_like(x[:, 0]), 4 * (x[:, 0] - 0.5)], dim=1)


def ahead(x):
    """How far the first number is ahead of the second."""
    return x[:, 0] - x[:, 1]


START, ZERO = torch.tensor([[0.3, 0.3]]), torch.tensor([0])
#: The nearest point of class 1 that passes a threshold of 0.1 is (0.5, 0.4).
NEAREST = 0.05**0.5


def test_the_least_change_that_is_misclassified_and_passes():
    evading = Evading(CarliniWagner(L2(1.0), steps=200, step_size=0.05), ahead, 0.1)
    x_adv = evading(Right(), START, ZERO, torch.tensor([0]))
    assert evading.evaded(Right(), START, x_adv, ZERO).all()
    assert NEAREST - 1e-4 <= float((x_adv - START).norm()) <= 1.03 * NEAREST


def test_where_both_can_be_had_only_outside_of_the_ball_nothing_is_found():
    # In Linf, 0.2 is enough to be misclassified, and to pass as well.
    for eps, possible in ((0.19, False), (0.21, True)):
        evading = Evading(PGD(Linf(eps), steps=100), ahead, 0.1)
        x_adv = evading(Right(), START, ZERO, torch.tensor([0]))
        assert bool(evading.evaded(Right(), START, x_adv, ZERO)) == possible
    # Who is to pass a threshold of -0.1 with the second number fixed has to move to the left.
    stuck = Evading(PGD(Linf(0.3), steps=50), lambda x: x[:, 0] - 0.3, 0.1)
    x_adv = stuck(Right(), START, ZERO, torch.tensor([0]))
    assert not stuck.evaded(Right(), START, x_adv, ZERO).any()


@pytest.fixture(scope="module")
def digits():
    return zoo.mnist_natural(), *data.mnist("validation", size=16), torch.arange(16)


@pytest.mark.parametrize("targeted", [False, True])
def test_a_detector_that_never_flags_changes_nothing(digits, targeted):
    model, x, y, seeds = digits
    y = (y + 1) % 10 if targeted else y
    attack = PGD(Linf(0.1), steps=5, loss=margin_loss, targeted=targeted, fast=False)
    never = Evading(attack, lambda x: x.flatten(1).sum(dim=1), 1e9)
    torch.testing.assert_close(never(model, x, y, seeds), attack(model, x, y, seeds), atol=1e-6, rtol=0)


class OtherPGD(PGD):
    """Attacked like any other, label by label."""

    def perturb(self, model, x, y, generator=None):
        return super().perturb(model, x, y, generator)


@pytest.mark.parametrize("targeted", [False, True])
def test_all_labels_at_once_and_one_after_the_other_are_the_same(digits, targeted):
    model, x, y, seeds = digits
    y, threshold = (y + 1) % 10 if targeted else y, float(mean_of(x).median())
    settings = dict(steps=5, loss=margin_loss, targeted=targeted, fast=False)
    at_once, one_by_one = (
        Evading(kind(Linf(0.2), **settings), mean_of, threshold) for kind in (PGD, OtherPGD)
    )
    torch.testing.assert_close(at_once(model, x, y, seeds), one_by_one(model, x, y, seeds), atol=1e-5, rtol=0)


def test_who_is_always_flagged_never_evades(digits):
    model, x, y, seeds = digits
    always = Evading(PGD(Linf(0.3), steps=5), lambda x: x.flatten(1).sum(dim=1), -1.0)
    assert not always.evaded(model, x, always(model, x, y, seeds), y).any()


def test_no_number_is_flagged_and_an_infinite_score_does_no_harm(digits):
    model, x, y, seeds = digits
    for value in (torch.nan, torch.inf):
        flagged = Evading(PGD(Linf(0.3), steps=3), lambda x, v=value: x.flatten(1).sum(dim=1) * 0 + v, 1.0)
        with pytest.warns(UserWarning, match="gradient"):
            x_adv = flagged(model, x, y, seeds)
        assert x_adv.isfinite().all()
        assert not flagged.evaded(model, x, x_adv, y).any()
    passes = Evading(PGD(Linf(0.3), steps=20), lambda x: x.flatten(1).sum(dim=1) * 0 - torch.inf, 1.0)
    x_adv = passes(model, x, y, seeds)
    assert torch.equal(passes.evaded(model, x, x_adv, y), model(x_adv).argmax(dim=1) != y)


def mean_of(x):
    return x.flatten(1).mean(dim=1)


def test_more_pass_than_of_an_attack_that_does_not_know_of_the_detector(digits):
    """A digit may not become brighter than it was by 0.02 on the average."""
    model, x, y, seeds = digits
    threshold = float(mean_of(x).max())
    plain = PGD(Linf(0.2), steps=20)
    evading = Evading(plain, mean_of, threshold)
    oblivious, knowing = (evading.evaded(model, x, a(model, x, y, seeds), y) for a in (plain, evading))
    assert knowing.sum() >= oblivious.sum() + 3


def test_early_stop_finds_the_same_samples(digits):
    model, x, y, seeds = digits
    threshold = float(mean_of(x).median())
    found = []
    for early in (False, True):
        evading = Evading(APGD(Linf(0.15), steps=20, early_stop=early, fast=False), mean_of, threshold)
        found.append(evading.evaded(model, x, evading(model, x, y, seeds), y))
    assert 2 <= found[0].sum() <= 14
    assert int((found[0] != found[1]).sum()) <= 1  # rounding in smaller batches


def test_a_success_is_misclassified_not_flagged_and_in_the_ball():
    evading = Evading(PGD(Linf(0.3)), ahead, 0.1)
    x = START.repeat(5, 1)
    x_adv = torch.tensor([[0.55, 0.55], [0.45, 0.45], [0.59, 0.4], [0.7, 0.7], [0.6, 0.5]])
    seen = evading.evaded(Right(), x, x_adv, ZERO.repeat(5))
    # The second is not misclassified, the third is flagged, the fourth is too far away; the last is at both limits.
    assert seen.tolist()[:4] == [True, False, False, False]
    assert bool(seen[4]) == bool(ahead(x_adv[4:]) <= 0.1)
    reaching = Evading(PGD(Linf(0.3), targeted=True), ahead, 0.1)
    assert reaching.evaded(Right(), x, x_adv, ZERO.repeat(5) + 1)[0]


def test_queries_need_no_gradient_of_the_score_and_gradients_do(digits):
    model, x, y, seeds = digits

    def rough(x):
        return (x * 4).round().flatten(1).mean(dim=1).detach()

    threshold = float(rough(x).max())
    for attack in (PGD(Linf(0.2), steps=3), FAB(Linf(0.2), steps=2)):
        with pytest.raises(NotDifferentiableError, match=r"the detector's scores do not depend on the input"):
            Evading(attack, rough, threshold)(model, x, y, seeds)
    by_queries = Evading(Square(Linf(0.3), queries=150), rough, threshold)
    assert by_queries.evaded(model, x, by_queries(model, x, y, seeds), y).sum() >= 2


class Score(nn.Module):
    """With dropout and a buffer, for what an attack could disturb."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Linear(64, 1))

    def forward(self, x):
        return self.body(x.float()).squeeze(1)


@pytest.mark.parametrize(
    "attack", [PGD(Linf(0.1), steps=3, restarts=2), APGD(L2(0.5), steps=3, early_stop=True)]
)
def test_it_keeps_what_an_attack_promises(attack):
    torch.manual_seed(0)
    check_attack(Evading(attack, Score().eval().requires_grad_(False), 0.1))


def test_the_detector_is_left_as_it_was(digits):
    model, x, y, seeds = digits
    score = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(784), nn.Dropout(0.5), nn.Linear(784, 1), nn.Flatten(0)
    )
    score.train()
    before = {name: value.clone() for name, value in score.state_dict().items()}
    modes = []
    score[1].register_forward_hook(lambda module, *_: modes.append(module.training))
    Evading(PGD(Linf(0.1), steps=2), score, 0.1)(model, x, y, seeds)
    assert modes
    assert not any(modes)
    assert score.training
    assert score[1].training
    assert all(torch.equal(value, score.state_dict()[name]) for name, value in before.items())
    assert all(parameter.grad is None for parameter in score.parameters())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Evading(Linf(0.1), mean_of, 0.1), "wants an attack such as PGD"),
        (lambda: Evading(PGD(Linf(0.1)), 0.5, 0.1), "one score for each input, got 0.5"),
        (lambda: Evading(PGD(Linf(0.1)), mean_of, torch.nan), "threshold must be a finite number"),
        (lambda: Evading(PGD(Linf(0.1)), mean_of, None), "threshold must be a finite number"),
        (lambda: Evading(PGD(Linf(0.1), precision=torch.bfloat16), mean_of, 0.1), "precision=None"),
    ],
)
def test_what_is_no_attack_no_detector_or_no_threshold_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("detector", "words"),
    [
        (lambda x: mean_of(x) > 0.1, r"real numbers .* got torch.bool: .* not the answer yes or no"),
        (lambda x: x.flatten(1).mean(dim=1, keepdim=True), r"one score for each of the \d+ inputs.*squeeze"),
        (lambda x: x.mean(), r"one score for each of the \d+ inputs, got shape \(\)"),
        (lambda x: [0.1] * len(x), "must return a tensor of scores, got list"),
    ],
)
def test_what_gives_no_scores_is_refused(digits, detector, words):
    model, x, y, seeds = digits
    evading = Evading(PGD(Linf(0.1), steps=2), detector, 0.1)
    with pytest.raises(ValueError, match=words):
        evading(model, x, y, seeds)
    with pytest.raises(ValueError, match=words):
        evading.evaded(model, x, x, y)


def test_labels_and_losses_that_do_not_fit_are_refused(digits):
    model, x, y, seeds = digits
    with pytest.raises(ValueError, match="labels must lie from 0 to 9, got 10"):
        Evading(PGD(Linf(0.1)), mean_of, 0.1)(model, x, y + 1 + (9 - y.max()), seeds)
    with pytest.raises(ValueError, match="use margin_loss"):
        Evading(APGD(Linf(0.1), loss=dlr), mean_of, 0.1)(model, x, y, seeds)
    for loss in (cross_entropy, margin_loss):
        Evading(APGD(Linf(0.1), steps=1, loss=loss), mean_of, 0.1)(model, x, y, seeds)
