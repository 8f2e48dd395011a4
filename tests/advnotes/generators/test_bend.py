"""Bends and poses: what they leave alone, where they carry pixels, and their limits."""

import math

import pytest
import torch
import torch.nn.functional as F

from advnotes.generators import Bend, random_affine


def told(bend: Bend, values: list[float]) -> None:
    """Let the network say the same for every latent vector: values within (-1, 1)."""
    with torch.no_grad():
        bend.network[-1].weight.zero_()
        bend.network[-1].bias.copy_(torch.tensor(values).atanh())


def test_with_nothing_to_say_a_picture_stays_as_it_is():
    x = torch.rand(3, 2, 7, 9).clamp_min(0.01)
    bend = Bend((7, 9), 4)
    told(bend, [0.0] * 33)
    torch.testing.assert_close(bend(torch.randn(3, 4), x), x)


def test_the_same_shift_at_all_knots_shifts_the_picture():
    x = torch.rand(1, 1, 8, 8)
    bend = Bend((8, 8), 4, knots=3, reach=0.5)
    told(
        bend, [0.5] * 9 + [0.0] * 10
    )  # a quarter of half the side: one pixel, to the right of where it stands
    torch.testing.assert_close(bend(torch.zeros(1, 4), x)[..., :-1], x[..., 1:])


def test_the_last_number_is_the_ink():
    x = torch.rand(2, 1, 6, 6)
    bend = Bend((6, 6), 4)
    told(bend, [0.0] * 32 + [0.5])
    torch.testing.assert_close(bend(torch.zeros(2, 4), x), x.clamp_min(1e-4) ** math.exp(0.5))


def test_the_field_is_bicubic_between_its_knots():
    bend = Bend((14, 14), 4, knots=4)
    knots = torch.randn(2, 2, 4, 4)
    expected = F.interpolate(knots, size=(14, 14), mode="bicubic", align_corners=True)
    torch.testing.assert_close((knots.flatten(2) @ bend.field).view(2, 2, 14, 14), expected)


def test_bends_keep_dtype_and_stay_within_the_range():
    bend = Bend((8, 8), 4, reach=1.0).double()
    z, x = torch.randn(20, 4, dtype=torch.float64), torch.rand(20, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        made = bend(5 * z, x)
    assert made.dtype == torch.float64
    assert 0 <= float(made.min()) <= float(made.max()) <= 1


def test_poses_of_no_range_change_nothing_and_full_turns_are_exact():
    x = torch.rand(4, 3, 9, 9)
    torch.testing.assert_close(random_affine(x, rotation=0.0, translation=0.0, scale=1.0), x)
    spot = torch.zeros(200, 1, 21, 21)
    spot[:, 0, 10, 10] = 1  # the middle, which only a shift can move
    turned = random_affine(spot, rotation=90.0, translation=0.0, scale=1.0)
    torch.testing.assert_close(turned[:, 0, 10, 10], torch.ones(200))


def test_shifts_are_uniform_within_their_range():
    x = torch.zeros(400, 1, 41, 41)
    x[:, 0, 20, 20] = 1
    made = random_affine(x, torch.Generator().manual_seed(0), rotation=0.0, translation=0.2, scale=1.0)[:, 0]
    places = torch.arange(41.0)
    right = (made.sum(dim=1) * places).sum(dim=1) / made.sum(dim=(1, 2)) - 20
    assert float(right.abs().max()) <= 0.2 * 41 + 1e-3
    assert abs(float(right.std()) - 0.2 * 41 / math.sqrt(3)) < 0.4
    again = random_affine(x, torch.Generator().manual_seed(0), rotation=0.0, translation=0.2, scale=1.0)[:, 0]
    assert torch.equal(made, again)


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="7x9 pixels"):
        Bend((7, 9), 4)(torch.randn(2, 4), torch.rand(2, 1, 9, 7))
    with pytest.raises(ValueError, match="scale"):
        random_affine(torch.rand(1, 1, 4, 4), scale=0.9)
    with pytest.raises(ValueError, match="knots"):
        Bend((7, 9), knots=1)


def test_no_pictures_give_none_and_other_precisions_are_told():
    bend, x = Bend((7, 9), 3), torch.rand(2, 1, 7, 9)
    assert random_affine(x[:0]).shape == (0, 1, 7, 9)
    with pytest.raises(ValueError, match=r"pictures are torch\.float64, the network torch\.float32"):
        bend(torch.randn(2, 3), x.double())
