"""Patches: where they lie, and that one fitted to some pictures wins on others."""

import copy
import dataclasses
import math

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import Patch
from advnotes.losses import cross_entropy


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Dropout(), nn.Flatten(), nn.Linear(400, 3)
    ).double()


def pictures(n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.rand(n, 2, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, torch.arange(n) % 3


SMALL = Patch(steps=8, batch_size=4, size=6)


def test_it_covers_the_share_that_was_asked_for_and_lies_inside():
    x = torch.zeros(60, 1, 40, 60, dtype=torch.float64)
    for area in [(0.02, 0.02), (0.05, 0.09)]:
        stuck = Patch(area=area).apply(x, torch.ones(1, 5, 5), torch.arange(60))
        share = stuck.mean(dim=(1, 2, 3))
        assert share.min() > area[0] * 0.98
        assert share.max() < area[1] * 1.02
        assert stuck[..., 0, :].sum() + stuck[..., -1, :].sum() < 60 * 8  # it may touch, not cross
    # Every part of the picture is covered by some of them, and what is not covered is as it was.
    assert (stuck.amax(dim=0) > 0.9).double().mean() > 0.7  # a disc leaves the corners out
    assert (stuck == 0).double().mean() > 0.88


def test_it_is_turned_by_up_to_the_angle_and_not_mirrored():
    arrow = torch.zeros(1, 31, 31)
    arrow[:, :, :16] = 1  # bright on the left
    x = torch.full((200, 1, 50, 50), 0.5)
    stuck = Patch(area=(0.3, 0.3), rotation=40.0).apply(x, arrow, torch.arange(200))[:, 0] - 0.5
    rows, columns = torch.meshgrid(torch.arange(50.0), torch.arange(50.0), indexing="ij")
    bright, dark = stuck.clamp_min(0), (-stuck).clamp_min(0)
    across, along = (
        [(half * place).sum(dim=(1, 2)) / half.sum(dim=(1, 2)) for half in (bright, dark)]
        for place in (columns, rows)
    )
    angle = torch.atan2(along[1] - along[0], across[1] - across[0]).rad2deg()
    assert angle.abs().max() < 41
    assert angle.min() < -35
    assert angle.max() > 35


def test_the_gradient_with_respect_to_the_patch_is_that_of_finite_differences():
    x, _ = pictures(3)
    attack, weight = Patch(area=(0.2, 0.3)), torch.randn(3, 2, 12, 12, dtype=torch.float64)
    patch = torch.rand(2, 4, 4, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(lambda p: (attack.apply(x, p, torch.arange(3)) * weight).sum(), patch)


def test_one_patch_wins_on_digits_that_it_was_not_fitted_to():
    # Strokes fill a digit, so that a sticker on it wins less than on a photograph: the chapter has those.
    model = zoo.mnist_natural()
    x, y = data.mnist("validation", size=300)
    held_out, truth = data.mnist("test", size=300)
    noise = torch.rand(1, 12, 12, generator=torch.Generator().manual_seed(0))
    attack = Patch(targeted=True, area=(0.15, 0.2), steps=80, batch_size=32, size=12)
    patch = attack.fit(model, x, torch.full((300,), 3), torch.arange(300))
    assert patch.shape == (1, 12, 12)

    def said(patch):
        return model(attack.apply(held_out, patch, torch.arange(300))).argmax(1)

    share = [float((said(p)[truth != 3] == 3).float().mean()) for p in (patch, noise)]
    assert share[0] > 0.15
    assert share[0] > 3 * share[1]
    away = dataclasses.replace(attack, targeted=False).fit(model, x, y, torch.arange(300))
    wrong = [float((said(p) != truth).float().mean()) for p in (away, noise)]
    assert wrong[0] > wrong[1] + 0.15


def test_a_step_raises_the_aim_and_a_start_is_used():
    model, (x, y) = network().eval(), pictures()
    start = torch.rand(2, 6, 6, dtype=torch.float64)
    attack = dataclasses.replace(SMALL, steps=1, batch_size=8, step_size=1e-3)
    patch = attack.fit(model, x, y, torch.arange(8), start)
    assert 0 < (patch - start).abs().max() <= 1e-3 + 1e-9

    def loss(patch):
        return cross_entropy(model(attack.apply(x, patch, torch.arange(8), stream=1)), y).mean()

    assert loss(patch) > loss(start)
    towards = dataclasses.replace(attack, targeted=True).fit(model, x, y, torch.arange(8), start)
    assert loss(towards) < loss(start)


def test_every_picture_is_used_before_one_comes_again():
    rows = []

    def model(x):
        rows.extend(x[:, 0, 0, 0].round(decimals=3).tolist())
        return torch.stack([x.mean(dim=(1, 2, 3)), -x.mean(dim=(1, 2, 3))], dim=1)

    x = torch.full((9, 1, 30, 30), 0.5)
    x[:, 0, 0, 0] = torch.arange(9) / 10  # the corner, which no disc reaches
    Patch(steps=6, batch_size=3, size=4).fit(model, x, torch.zeros(9, dtype=torch.int64), torch.arange(9))
    assert len(rows) == 18
    assert len(set(rows[:9])) == len(set(rows[9:])) == 9
    assert rows[:9] != rows[9:]


def test_nothing_else_changes_and_the_seed_decides():
    model, (x, y) = network(), pictures()
    model.train()
    before, inputs, rng = copy.deepcopy(model.state_dict()), x.clone(), torch.get_rng_state()
    x_adv = SMALL(model, x, y, torch.Generator().manual_seed(0))
    assert x_adv.shape == x.shape
    assert x_adv.grad_fn is None
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert ((x_adv != x).any(dim=1).double().mean(dim=(1, 2)) < 0.2).all()
    assert torch.equal(x, inputs)
    assert all(m.training for m in model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), rng)
    assert torch.equal(x_adv, SMALL(model, x, y, torch.Generator().manual_seed(0)))
    assert not torch.equal(x_adv, SMALL(model, x, y, torch.Generator().manual_seed(1)))
    # A call is a fit and an apply with the same seeds.
    patch = SMALL.fit(model, x, y, torch.arange(8))
    torch.testing.assert_close(SMALL(model, x, y, torch.arange(8)), SMALL.apply(x, patch, torch.arange(8)))
    with torch.inference_mode():
        assert torch.equal(SMALL.fit(model, x * 1, y * 1, torch.arange(8)), patch)
    single = SMALL.fit(model.float(), x.float(), y, torch.arange(8))
    assert single.dtype == torch.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Patch(area=(0.0, 0.1)), "0 < smallest"),
        (lambda: Patch(area=(0.2, 0.1)), "smallest <= largest"),
        (lambda: Patch(area=(0.2, 0.9)), "largest <= pi / 4"),
        (lambda: Patch(steps=0), "at least 1"),
        (lambda: Patch(step_size=0.0), "step_size must be a finite number above 0"),
        (lambda: Patch(rotation=-1.0), "rotation must be a finite number of at least 0"),
        (lambda: SMALL(network(), torch.rand(3, 144), torch.arange(3)), "a patch wants pictures"),
        (lambda: SMALL.apply(pictures()[0], torch.rand(3, 6, 6)), "with 2 channels"),
        (lambda: SMALL.fit(network(), *pictures(), start=torch.rand(2, 5, 5)), "start must be of shape"),
        (lambda: SMALL.fit(network(), *pictures(), start=torch.full((2, 6, 6), 2.0)), "within"),
        (
            lambda: Patch(area=(0.1, math.pi / 4)).apply(torch.rand(1, 1, 8, 40), torch.rand(1, 4, 4)),
            "does not fit",
        ),
        (lambda: SMALL.fit(network(), pictures()[0] * 2, pictures()[1]), "within"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
