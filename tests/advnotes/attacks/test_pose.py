"""Poses in the plane: the geometry, and what each search finds and leaves alone."""

import copy
import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import GridPose, Pose, RandomPose
from advnotes.attacks.pose import moved
from advnotes.losses import cross_entropy

SEARCHES = [
    Pose(steps=4, restarts=3, scale=1.2),
    RandomPose(tries=12, scale=1.2),
    GridPose(counts=(5, 3, 3, 3), scale=1.2),
]
every_search = pytest.mark.parametrize("attack", SEARCHES, ids=lambda a: type(a).__name__)


def pictures(n: int = 6, height: int = 12, width: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.rand(n, 1, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, torch.arange(n) % 3


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Dropout(), nn.Flatten(), nn.Linear(400, 3)
    ).double()


def one(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


@pytest.mark.parametrize("shape", [(8, 8), (6, 10)])
def test_whole_moves_are_exact(shape):
    height, width = shape
    x, _ = pictures(1, height, width)
    torch.testing.assert_close(moved(x, one(0, 0, 0, 1)), x)
    torch.testing.assert_close(moved(x, one(180, 0, 0, 1)), x.flip(2, 3))
    shifted = moved(x, one(0, 2 / width, -1 / height, 1), background=0.25)
    torch.testing.assert_close(shifted[..., :-1, 2:], x[..., 1:, :-2])
    assert (shifted[..., :2] == 0.25).all()
    assert (shifted[..., -1, :] == 0.25).all()
    if height == width:
        torch.testing.assert_close(moved(x, one(90, 0, 0, 1)), x.rot90(-1, (2, 3)))  # clockwise


def test_a_rotation_keeps_its_shape_in_a_wide_picture():
    x = torch.zeros(1, 1, 40, 80, dtype=torch.float64)
    x[..., 18:22, 10:70] = 1  # a bar of 60 by 4
    upright = moved(x, one(90, 0, 0, 0.5))
    rows, columns = (upright[0, 0] > 0.5).nonzero().unbind(dim=1)
    assert (int(rows.min()), int(rows.max())) == (5, 34)
    assert (int(columns.min()), int(columns.max())) == (39, 40)


def test_the_order_is_scale_turn_shift():
    x = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    x[..., 20, 30] = 1  # ten pixels to the right of the middle
    there = moved(x, one(90, 5 / 41, 0, 0.5))[0, 0]
    # Half of ten, turned clockwise to point down, then five to the right.
    assert there.flatten().argmax() == 25 * 41 + 25


@given(st.floats(-80, 80), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(0.7, 1.4), st.floats(0, 1))
def test_pixels_stay_between_those_of_the_picture_and_the_background(angle, right, down, factor, background):
    x, _ = pictures(2)
    turned = moved(x, one(angle, right, down, factor).expand(2, -1), background)
    assert turned.min() >= min(float(x.min()), background) - 1e-9
    assert turned.max() <= max(float(x.max()), background) + 1e-9


@pytest.mark.parametrize("number", range(4))
def test_gradients_are_those_of_finite_differences(number):
    coarse = torch.rand(1, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = nn.functional.interpolate(coarse, size=(24, 24), mode="bicubic").clamp(0, 1)
    weight = torch.linspace(-1, 1, 24).double()
    here = one(13.0, 0.043, -0.061, 1.07)

    def value(pose):
        return (moved(x, pose) * weight).sum()

    pose = here.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(pose), pose)
    step = torch.zeros(1, 4, dtype=torch.float64)
    step[0, number] = 1e-6
    slope = (value(here + step) - value(here - step)) / 2e-6
    torch.testing.assert_close(gradient[0, number], slope, rtol=1e-4, atol=1e-5)


@every_search
def test_the_pictures_are_those_of_the_poses_found_and_the_poses_within_their_ranges(attack):
    model, (x, y) = network().eval(), pictures()
    attack = dataclasses.replace(attack, rotation=torch.tensor([0.0, 10, 20, 30, 40, 50]), background=0.5)
    seeds = torch.arange(6)
    pose = attack.find(model, x, y, seeds)
    torch.testing.assert_close(attack(model, x, y, seeds), moved(x, pose, 0.5))
    assert (pose[:, 0].abs() <= torch.tensor([0.0, 10, 20, 30, 40, 50]) + 1e-6).all()
    assert (pose[:, 1:3].abs() <= 0.1 + 1e-6).all()
    assert (pose[:, 3].log().abs() <= math.log(1.2) + 1e-6).all()
    assert (pose[1:, 0] != 0).any()


def test_the_gradient_sets_out_from_anywhere_in_the_ranges():
    x, y = torch.rand(400, 1, 12, 12, dtype=torch.float64), torch.zeros(400, dtype=torch.int64)
    attack = Pose(steps=1, step_size=1e-9, restarts=1, rotation=30.0)
    turned = attack.find(network().eval(), x, y, torch.arange(400))[:, 0].abs() / 30
    assert (turned > 1 - 1e-6).sum() <= 1  # a start outside the ranges would be moved to their ends
    assert abs(turned.mean() - 0.5) < 0.1


@every_search
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_else_changes(attack, dtype):
    model, (x, y) = network().to(dtype), pictures()
    x = x.to(dtype)
    model.train()
    model[1].eval()
    before, inputs = copy.deepcopy(model.state_dict()), x.clone()
    rng = torch.get_rng_state()
    x_adv = attack(model, x, y, torch.Generator().manual_seed(0))
    assert x_adv.dtype == dtype
    assert x_adv.grad_fn is None
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert torch.equal(x, inputs)
    assert [m.training for m in model] == [True, False, True, True, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), rng)


@every_search
def test_a_sample_depends_on_itself_and_its_seed_alone(attack):
    model, (x, y) = network().eval(), pictures()
    seeds = torch.arange(6) + 3
    together = attack(model, x, y, seeds)
    alone = torch.cat([attack(model, x[i : i + 1], y[i : i + 1], seeds[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(alone, together)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(attack(model, x[order], y[order], seeds[order]), together[order])
    again = attack(model, x, y, torch.Generator().manual_seed(1))
    assert torch.equal(again, attack(model, x, y, torch.Generator().manual_seed(1)))
    with torch.inference_mode():
        assert torch.equal(attack(model, x * 1, y * 1, seeds), together)
        assert attack.find(model, x * 1, y * 1, seeds).shape == (6, 4)


@every_search
def test_targeted_reaches_for_the_class(attack):
    model, (x, y) = network().eval(), pictures()
    target = (y + 1) % 3
    seeds = torch.arange(6)
    towards = dataclasses.replace(attack, targeted=True)(model, x, target, seeds)
    away = attack(model, x, target, seeds)
    assert cross_entropy(model(towards), target).mean() < cross_entropy(model(away), target).mean() - 1e-3


@every_search
def test_early_stop_decides_the_same_samples(attack):
    model, seeds = zoo.mnist_natural(), torch.arange(100)
    x, y = data.mnist("test", size=100)
    attack = dataclasses.replace(attack, rotation=25.0, translation=0.03, scale=1.0)
    seen = 0

    def counted(x):
        nonlocal seen
        seen += len(x)
        return model(x)

    slow = model(attack(counted, x, y, seeds)).argmax(1) != y
    full, seen = seen, 0
    quick = model(dataclasses.replace(attack, early_stop=True)(counted, x, y, seeds)).argmax(1) != y
    assert torch.equal(slow, quick)
    assert 10 < slow.sum() < 100
    assert seen < 0.9 * full


def test_the_grid_finds_the_worst_angle_that_there_is():
    def model(x):  # class 1 where the bar points down and to the right at 45 degrees
        diagonal = torch.eye(21, dtype=x.dtype)
        likeness = (x[:, 0] * diagonal).sum(dim=(1, 2))
        return torch.stack([torch.full_like(likeness, 12.0), likeness], dim=1)

    x = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
    x[..., 10, :] = 1
    y = torch.zeros(1, dtype=torch.int64)
    attack = GridPose(rotation=90.0, translation=0.0, counts=(13, 1, 1, 1))
    torch.testing.assert_close(attack.find(model, x, y), one(45.0, 0.0, 0.0, 1.0), rtol=1e-5, atol=1e-5)
    # The hill is wide enough here for the gradient to lead to it from some start.
    climbed = Pose(rotation=90.0, translation=0.0, steps=20, restarts=6).find(model, x, y, torch.tensor([0]))
    assert 40 < climbed[0, 0] < 50


def test_more_tries_find_more():
    model, seeds = zoo.mnist_natural(), torch.arange(200)
    x, y = data.mnist("test", size=200)

    def accuracy(attack):
        return float((model(attack(model, x, y, seeds)).argmax(1) == y).float().mean())

    few, many = (accuracy(RandomPose(tries=k, translation=0.0)) for k in (1, 10))
    worst = accuracy(GridPose(translation=0.0, counts=(61, 1, 1, 1)))
    assert worst <= many + 0.02 < few
    assert worst < 0.9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pose(rotation=-1.0), "rotation >= 0"),
        (lambda: Pose(translation=-0.1), "translation >= 0"),
        (lambda: Pose(scale=0.9), "scale >= 1"),
        (lambda: Pose(rotation=float("inf")), "expected a rotation"),
        (lambda: Pose(rotation=0.0, translation=0.0), "nothing may move"),
        (lambda: Pose(background=1.5), "background must lie within"),
        (lambda: Pose(steps=0), "at least 1"),
        (lambda: Pose(step_size=0.0), "step_size must be a finite number above 0"),
        (lambda: RandomPose(tries=0), "tries must be a whole number of at least 1"),
        (lambda: GridPose(counts=(3, 0, 1, 1)), "four counts"),
        (lambda: Pose()(network(), torch.rand(3, 144), torch.arange(3)), "poses want pictures"),
        (
            lambda: Pose(rotation=torch.ones(4))(network(), *pictures()),
            "rotation has 4 values, but the batch has 6",
        ),
        (lambda: Pose().find(network(), 2 * pictures()[0], pictures()[1]), "within"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
