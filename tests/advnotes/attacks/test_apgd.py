"""APGD: its schedules by hand, the worst cases it must find, and what it buys over PGD."""

import dataclasses

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.ascend import Ascent
from advnotes.attacks import APGD, PGD, TargetedAPGD
from advnotes.attacks.parts.step_schedules import HalvingSchedule, SparseSchedule, checkpoints
from advnotes.gradients import MaskedGradientWarning
from advnotes.losses import cross_entropy, dlr, margin, margin_loss, targeted_dlr, targeted_margin
from advnotes.threats import L1, L2, Linf


@pytest.fixture(scope="module")
def digits():
    x, y = data.mnist("test", size=100)
    return x.double(), y, torch.arange(100)


@pytest.fixture(scope="module")
def robust():
    return zoo.mnist_robust().double()


def right(model, attack, x, y, seeds):
    x_adv = attack(model, x, y, seeds)
    assert (attack.threat.norm(x_adv - x) <= torch.as_tensor(attack.threat.eps) * (1 + 1e-5)).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    return model(x_adv).argmax(1) == y


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.3), L1(0.8)], ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("kind", [APGD, TargetedAPGD])
def test_finds_the_worst_case_of_a_linear_model(kind, threat):
    torch.manual_seed(0)
    # Far from the ends of the range, but for L1, whose ball reaches them: the best change fills one coordinate after
    # the other, by their weights, as far as each can go.
    model, x, y = nn.Linear(10, 2).double(), 0.45 + 0.1 * torch.rand(9, 10).double(), torch.arange(9) % 2
    w = (model.weight[1] - model.weight[0]).detach()
    w = torch.where((y == 0)[:, None], w, -w)
    if isinstance(threat, L1):
        way = torch.where(w > 0, 1 - x, x)
        order = w.abs().argsort(dim=1, descending=True)
        ways = way.gather(1, order)
        before = ways.cumsum(dim=1) - ways
        best = (w.abs().gather(1, order) * (threat.eps - before).clamp_min(0).minimum(ways)).sum(dim=1)
    else:
        best = threat.eps * (threat.steepest(w) * w).sum(dim=1)
    settings = dict(loss=margin_loss) if kind is APGD else {}
    x_adv = kind(threat, steps=100, **settings)(model, x, y)
    gained = (margin_loss(model(x_adv), y) - margin_loss(model(x), y)).detach()
    torch.testing.assert_close(gained, best, rtol=1e-3, atol=0)


def test_checkpoints_are_the_papers():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(10) == [3, 5, 6, 7, 8, 9, 10]
    assert checkpoints(1) == [1]
    assert checkpoints(1000)[:3] == [220, 410, 570]


def best_of(*losses: float) -> Ascent:
    loss = torch.tensor(losses).float()
    return Ascent(torch.zeros(len(losses), 1), loss, torch.zeros(len(losses), dtype=torch.bool))


def test_steps_are_halved_where_a_period_has_not_helped():
    """Periods of 3 and 2 steps for 10 steps, by hand."""
    schedule = HalvingSchedule.start(torch.full((4,), 0.5), steps=10)
    assert schedule.size.tolist() == [1, 1, 1, 1]
    x = torch.zeros(4, 1)
    # Rising each time; twice of three times (below 0.75); rising each time; never.
    losses = [[0, 0, 0, 0], [1, 1, 1, -1], [2, 2, 2, -2], [3, 1, 3, -3]]
    best = [[0, 0, 0, 0], [1, 1, 1, 0], [2, 2, 2, 0], [3, 2, 3, 0]]
    halved = [schedule.update(i, torch.tensor(losses[i]).float(), best_of(*best[i]), x) for i in range(4)]
    assert halved[:3] == [None, None, None]
    assert halved[3].tolist() == [False, True, False, True]
    assert schedule.size.tolist() == [1, 0.5, 1, 0.5]
    # In steps 4 and 5 all rise twice. The best loss of the third stands still, as it also does for the fourth, whose
    # step was halved a period ago: that one gets another period.
    schedule.update(4, torch.tensor([4, 2, 3.1, -2]), best_of(4, 2, 3, 0), x)
    again = schedule.update(5, torch.tensor([5, 3, 3.2, -1]), best_of(5, 3, 3, 0), x)
    assert again.tolist() == [False, False, True, False]
    assert schedule.size.tolist() == [1, 0.5, 0.5, 0.5]
    schedule.rows(torch.tensor([2, 0]))
    assert schedule.size.tolist() == [0.5, 1]
    assert schedule.update(6, torch.tensor([3.3, 6]), best_of(3.3, 6), x[:2]).tolist() == [False, False]


def test_l1_steps_become_sparser():
    """Croce and Hein 2021, Algorithm 1, by hand: ten coordinates, a checkpoint after every fourth of 100 steps."""
    x = torch.zeros(2, 10)
    schedule = SparseSchedule.start(torch.full((2,), 3.0), steps=100, delta=torch.ones(2, 10), warm=False)
    assert schedule.period == 4
    gradient = torch.tensor([[5.0, -4, 3, 0.2, 0.1, 0, 0, 0, 0, 0]]).repeat(2, 1)
    point = torch.full((2, 10), 0.5)
    first = schedule.direction(gradient, point, L1(3.0), (0.0, 1.0))
    assert first[0].tolist() == [0.5, -0.5, 0, 0, 0, 0, 0, 0, 0, 0]  # a fifth of the coordinates
    changed = torch.zeros(2, 10)
    changed[0, :6] = 1  # sparser than all ten
    changed[1] = 1  # not sparser
    best = best_of(0, 0)._replace(point=changed)
    assert schedule.update(3, best.loss, best, x) is None
    assert schedule.update(4, best.loss, best, x).tolist() == [True, False]
    torch.testing.assert_close(schedule.size, torch.tensor([3.0, 2.0]))
    torch.testing.assert_close(schedule.count, torch.tensor([4.0, 10 / 1.5]))
    for step in range(8, 60, 4):
        assert not schedule.update(step, best.loss, best, x).any()
    torch.testing.assert_close(schedule.size, torch.full((2,), 0.3))  # never below eps / 10
    # At an end of the range a coordinate takes no part: the next ones move instead.
    point[:, :2] = torch.tensor([1.0, 0.0])
    assert schedule.direction(gradient, point, L1(3.0), (0.0, 1.0))[0, :5].count_nonzero() == 3


def test_follows_the_papers_first_steps():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 3)).double()
    x, y = torch.rand(5, 6).double(), torch.arange(5) % 3
    seeds, eps = torch.arange(5), 0.05
    start = point = (x + Linf(eps).sample(x, seeds)).clamp(0, 1)
    points = [start]
    for k in range(4):
        leaf = point.clone().requires_grad_()
        (g,) = torch.autograd.grad(cross_entropy(model(leaf), y).sum(), leaf)
        z = (x + (point + 2 * eps * g.sign() - x).clamp(-eps, eps)).clamp(0, 1)
        if k:
            z = point + 0.75 * (z - point) + 0.25 * (point - points[-2])
        point = (x + (z - x).clamp(-eps, eps)).clamp(0, 1)
        points.append(point)
    losses = torch.stack([cross_entropy(model(p), y) for p in points])
    seen = []
    with torch.no_grad():
        APGD(Linf(eps), steps=20)(lambda p: seen.append(p.detach()) or model(p), x, y, seeds)
    assert losses.shape == (5, 5)
    for ours, by_hand in zip(seen[:5], points, strict=True):
        torch.testing.assert_close(ours, by_hand)


def test_takes_as_many_gradients_as_it_says(digits):
    x, y, seeds = (values[:4] for values in digits)
    model, calls = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).double(), []
    model.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    APGD(Linf(0.1), steps=7)(model, x, y, seeds)
    assert calls == [True] * 7 + [False]  # the last point is evaluated, without a gradient


@pytest.mark.parametrize(
    ("name", "threat"),
    [("robust", Linf(0.3)), ("robust", Linf(0.33)), ("natural", L2(1.0)), ("natural", L1(6.0))],
)
def test_finds_at_least_what_pgd_finds_with_as_many_gradients(name, threat, digits, robust):
    model = robust if name == "robust" else zoo.mnist_natural().double()
    losses = (cross_entropy, margin_loss)
    pgd = [right(model, PGD(threat, steps=50, loss=loss), *digits) for loss in losses]
    ours = [right(model, APGD(threat, steps=50, loss=loss), *digits) for loss in losses]
    assert 5 < pgd[0].sum() < 98
    for mine, other in zip(ours, pgd, strict=True):
        assert mine.sum() <= other.sum()
    assert (ours[0] & ours[1]).sum() < (pgd[0] & pgd[1]).sum()


@pytest.mark.parametrize("threat", [Linf(0.3), L2(1.8), L1(8.0), Linf(torch.linspace(0.2, 0.4, 100))])
@pytest.mark.parametrize("kind", [APGD, TargetedAPGD])
def test_early_stop_decides_the_same_samples(robust, digits, threat, kind):
    x, y, seeds = digits
    passes = 0

    def counted(x):
        nonlocal passes
        passes += len(x)
        return robust(x)

    attack = kind(threat, steps=12, restarts=2) if kind is APGD else kind(threat, steps=12, targets=2)
    slow, full = right(counted, attack, x, y, seeds), passes
    passes = 0
    assert torch.equal(right(counted, dataclasses.replace(attack, early_stop=True), x, y, seeds), slow)
    assert 0 < slow.sum() < 100
    assert passes < full * (1 - 0.4 * (~slow).double().mean())


def test_wider_balls_first_help_in_l1(robust, digits):
    one = right(robust, APGD(L1(8.0), steps=40), *digits)
    wide = APGD(L1(8.0), steps=40, wider_first=True)
    many = right(robust, wide, *digits)
    assert many.sum() < one.sum() - 5
    assert torch.equal(right(robust, dataclasses.replace(wide, early_stop=True), *digits), many)


def test_restarts_keep_the_best_for_each_sample(robust, digits):
    x, y, seeds = (values[:40] for values in digits)
    margins = [
        margin(robust(APGD(L2(1.5), steps=4, restarts=n, loss=margin_loss)(robust, x, y, seeds)), y).detach()
        for n in (1, 2, 4)
    ]
    assert (margins[0] >= margins[1]).all()
    assert (margins[1] >= margins[2]).all()
    assert (margins[0] > margins[2] + 1e-4).any()


def test_targets_are_the_most_likely_wrong_classes():
    # Class 0 is right; the target's logit alone rises, each with its own feature.
    def model(x):
        return torch.cat([torch.ones(len(x), 1), x - torch.tensor([0.6, 0.7, 0.9, 0.8])], dim=1).double()

    x, y = torch.full((1, 4), 0.5), torch.zeros(1, dtype=torch.int64)
    for targets, moved in [(1, [0]), (2, [0, 1]), (3, [0, 1, 3]), (9, [0, 1, 2, 3])]:
        tried = []
        attack = TargetedAPGD(Linf(0.1), steps=4, targets=targets)
        attack(lambda p, tried=tried: tried.append(p.detach()) or model(p), x, y, torch.arange(1))
        # Each try ends with the feature of its class as high as it goes: the last of 5 evaluations, after one at x.
        ends = torch.cat(tried[5::5])
        assert len(ends) == min(targets, 4)
        assert ends.argmax(dim=1).tolist() == [0, 1, 3, 2][: len(moved)]


def test_any_wrong_class_is_a_win_for_a_targeted_try():
    def model(x):  # the way to class 1 leads through class 2
        return torch.stack([0 * x[:, 0] + 0.5, x[:, 0], 3 * x[:, 0] - 1, 0 * x[:, 0] - 5], dim=1)

    x, y = torch.full((3, 1), 0.2), torch.zeros(3, dtype=torch.int64)
    x_adv = TargetedAPGD(Linf(0.5), steps=10, targets=1)(model, x, y)
    assert (model(x_adv).argmax(dim=1) == 2).all()


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_few_classes_have_a_loss_too(classes):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 30), nn.Tanh(), nn.Linear(30, classes, bias=False))
    x = torch.rand(60, 8)
    y, seeds = model(x).argmax(dim=1), torch.arange(60)
    attack = TargetedAPGD(Linf(0.2), steps=20)
    left = right(model, attack, x, y, seeds).sum()
    assert left <= right(model, PGD(Linf(0.2), steps=20, loss=margin_loss), x, y, seeds).sum()
    assert left < 60
    said = attack.remarks(classes)
    assert (said == ()) == (classes == 4)
    if said:
        assert f"has {classes}" in said[0]
        with pytest.raises(ValueError, match="at least 4 classes"):
            targeted_dlr(model(x), y, (y + 1) % classes)
    if classes == 2:
        with pytest.raises(ValueError, match=r"at least 3 classes.*use margin_loss"):
            APGD(Linf(0.1), loss=dlr)(model, x, y)
    else:  # to leave a class of three the ratio of equation 6 is enough: it fools nearly as many
        alone = right(model, APGD(Linf(0.2), steps=20, loss=dlr), x, y, seeds).sum()
        assert 60 - alone > 0.7 * (60 - left)


def test_the_warning_counts_all_samples_where_some_have_left_the_batch():
    """Four samples are fooled at once; the other six have no gradient and stay."""

    def model(x):
        left = x[:, :1] < 0.5
        return torch.cat([torch.where(left, 0.0 * x, -x), 0.5 * torch.ones_like(x)], dim=1)[:, [0, 1]]

    x = torch.tensor([0.9] * 4 + [0.1] * 6)[:, None].repeat(1, 1)
    y = torch.tensor([0] * 4 + [1] * 6)
    with pytest.warns(MaskedGradientWarning, match="6 of 10 samples"):
        APGD(Linf(0.1), steps=6, early_stop=True, fast=False)(model, x, y, torch.arange(10))


def test_large_logits_hide_a_model_from_cross_entropy_alone(digits):
    """The digits' network with its logits multiplied: what it says is the same."""
    x, y, seeds = digits
    natural = zoo.mnist_natural()
    x = x.float()

    def saturated(x):
        return 100 * natural(x)

    with pytest.warns(MaskedGradientWarning, match="masked gradients"):
        assert right(saturated, PGD(Linf(0.2), steps=20), x, y, seeds).sum() >= 50
    for attack in (
        PGD(Linf(0.2), steps=20, loss=margin_loss),
        APGD(Linf(0.2), steps=20, loss=dlr),
        APGD(Linf(0.2), steps=20, loss=margin_loss),
        TargetedAPGD(Linf(0.2), steps=20, targets=3),
    ):
        assert right(saturated, attack, x, y, seeds).sum() == 0


def test_targeted_losses_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.0, -1.0, 0.0], [-1.0, -5.0, -9.0, -2.0, -3.0]])
    y, target = torch.tensor([0, 0]), torch.tensor([1, 4])
    torch.testing.assert_close(targeted_margin(logits, y, target), torch.tensor([-2.0, -2.0]))
    # The highest less the mean of the third and the fourth: 3 - (1 + 0) / 2 and -1 - (-3 - 5) / 2.
    torch.testing.assert_close(targeted_dlr(logits, y, target), torch.tensor([-2 / 2.5, -2 / 3]))
    torch.testing.assert_close(targeted_dlr(7 * logits + 2, y, target), targeted_dlr(logits, y, target))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: APGD(Linf(0.1), steps=0), "steps must be a whole number of at least 1, got 0"),
        (lambda: APGD(Linf(0.1), restarts=0), "restarts must be a whole number of at least 1, got 0"),
        (lambda: APGD(L2(float("inf"))), "must be finite.*FAB"),
        (lambda: TargetedAPGD(Linf(0.1), targets=0), "targets must be a whole number of at least 1, got 0"),
        (lambda: TargetedAPGD(Linf(0.1), loss=dlr), "chooses the classes to reach and the loss itself"),
        (lambda: TargetedAPGD(Linf(0.1), targeted=True), r"targeted=True, loss=reach_dlr\)"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names():
    assert [APGD(Linf(0.1), loss=loss).name for loss in (cross_entropy, dlr, margin_loss, min)] == [
        "APGD-CE",
        "APGD-DLR",
        "APGD-margin",
        "APGD-custom",
    ]
    assert TargetedAPGD(Linf(0.1)).name == "APGD-T"
