"""Carlini and Wagner's attack: the exact distance for a linear classifier, and smaller changes than DeepFool's."""

from functools import partial

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import CarliniWagner as Slow
from advnotes.attacks import DeepFool
from advnotes.attacks.parts.hyperplane import shortest_way
from advnotes.losses import margin
from advnotes.threats import L1, L2, Linf

NO_LIMIT = L2(float("inf"))
#: Larger and fewer steps than the defaults.
CarliniWagner = partial(Slow, steps=200, step_size=0.05)


def affine(classes: int = 2, n: int = 8) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Linear(12, classes).double()
    x = 0.3 + 0.4 * torch.rand(n, 12).double()
    x[: n // 2, :3], x[: n // 2, 3:6] = 0, 1  # at the ends of the range
    return model, x, model(x).argmax(dim=1)


def exact_distance(model: nn.Linear, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """To the boundary between the two classes, inside the box."""
    normal = (model.weight[1 - y] - model.weight[y]).detach()
    way = shortest_way(NO_LIMIT, x, normal, margin(model(x), y).detach(), (0.0, 1.0))
    return NO_LIMIT.norm(way)


@pytest.mark.parametrize("targeted", [False, True])
def test_a_linear_classifiers_distance_is_found(targeted):
    model, x, y = affine()
    # With two classes, to leave one is to reach the other.
    x_adv = CarliniWagner(NO_LIMIT, targeted=targeted)(model, x, 1 - y if targeted else y)
    assert (model(x_adv).argmax(dim=1) != y).all()
    ratio = NO_LIMIT.norm(x_adv - x) / exact_distance(model, x, y)
    assert (ratio >= 1 - 1e-9).all()
    assert (ratio <= 1.03).all()


def test_the_range_of_the_input_is_only_a_unit():
    model, x, y = affine()
    unit = CarliniWagner(NO_LIMIT, steps=60)(model, x, y)
    wide = CarliniWagner(NO_LIMIT, steps=60, bounds=(-5.0, 5.0))(lambda z: model(z / 10 + 0.5), 10 * x - 5, y)
    torch.testing.assert_close(wide / 10 + 0.5, unit, rtol=0, atol=1e-6)


def test_it_needs_less_than_deepfool_on_average():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=20)
    ours, deepfool = (attack(NO_LIMIT)(model, x, y) for attack in (CarliniWagner, DeepFool))
    assert (model(ours).argmax(dim=1) != y).all()
    assert NO_LIMIT.norm(ours - x).mean() < 0.93 * NO_LIMIT.norm(deepfool - x).mean()


def test_a_chosen_class_is_reached():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=20)
    target = (y + 1) % 10
    any_class = CarliniWagner(NO_LIMIT, steps=60)(model, x, y)
    reached = CarliniWagner(NO_LIMIT, steps=60, targeted=True)(model, x, target)
    assert (model(reached).argmax(dim=1) == target).all()
    assert NO_LIMIT.norm(reached - x).mean() > 1.2 * NO_LIMIT.norm(any_class - x).mean()


def test_confidence_is_how_far_the_wrong_class_is_ahead():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=20)
    sure = CarliniWagner(NO_LIMIT, steps=60, confidence=4.0)(model, x, y)
    just = CarliniWagner(NO_LIMIT, steps=60)(model, x, y)
    assert (margin(model(sure), y) <= -4 + 1e-3).all()
    assert (margin(model(just), y) > -1).all()
    assert NO_LIMIT.norm(sure - x).mean() > 1.2 * NO_LIMIT.norm(just - x).mean()


def test_the_limit_decides_what_counts_and_stopping_early_gives_the_same_verdicts():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=40)
    samples = []
    model.register_forward_pre_hook(lambda _, inputs: samples.append(len(inputs[0])))
    full = CarliniWagner(L2(1.2), steps=40)(model, x, y)
    whole = sum(samples)
    samples.clear()
    early = CarliniWagner(L2(1.2), steps=40, early_stop=True)(model, x, y)
    assert sum(samples) < 0.9 * whole
    fooled = model(full).argmax(dim=1) != y
    assert 10 < int(fooled.sum()) < 30
    assert torch.equal(model(early).argmax(dim=1) != y, fooled)
    for x_adv in (full, early):
        assert (L2(1.2).norm(x_adv - x) <= 1.2 * (1 + 1e-5)).all()
        assert (margin(model(x_adv), y) < margin(model(x), y)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CarliniWagner(Linf(0.1)), "is for L2, got Linf: .* use FAB, in Linf also DeepFool"),
        (lambda: CarliniWagner(L1(1.0)), "is for L2, got L1: .* use FAB"),
        (lambda: CarliniWagner(NO_LIMIT, steps=0), "steps must be a whole number of at least 1"),
        (lambda: CarliniWagner(NO_LIMIT, searches=0), "searches must be a whole number of at least 1"),
        (lambda: CarliniWagner(NO_LIMIT, step_size=0.0), "step_size must be a finite number above 0"),
        (lambda: CarliniWagner(NO_LIMIT, initial_c=0.0), "initial_c must be a finite number above 0"),
        (
            lambda: CarliniWagner(NO_LIMIT, confidence=-1.0),
            "confidence must be a finite number of at least 0",
        ),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
