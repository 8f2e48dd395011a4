"""The renderer against what geometry says, and its gradients against finite differences."""

import math

import pytest
import torch
from torch import nn

from advnotes.attacks import PGD
from advnotes.render import Posed, Scene, box, card, rotation
from advnotes.threats import Linf

GREY = torch.full((3, 32, 32), 0.5, dtype=torch.float64)
#: At this distance half of the picture is 1 unit.
NEAR = 1 / math.tan(math.radians(15))


def colours(count: int, rows: int = 8) -> torch.Tensor:
    """Smooth textures, so that finite differences mean something."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 3, 3, dtype=torch.float64, generator=generator)
    return nn.functional.interpolate(coarse, size=(rows, rows), mode="bicubic", align_corners=True).clamp(
        0, 1
    )


def plain(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)


def pose(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def cube(background: torch.Tensor = GREY, **settings: float) -> Scene:
    return Scene(box((1.0, 1.0, 1.0), colours(6)), background, **settings)


def test_a_card_that_fills_the_view_is_its_texture():
    texture = colours(1, 32)[0]
    picture = Scene(card(texture, size=(2.0, 2.0)), GREY, ambient=1.0)(pose(0, 0, 0, 0, 0, NEAR))
    torch.testing.assert_close(picture[0], texture)


def test_a_card_without_a_back_shows_its_front_mirrored_from_behind():
    texture = colours(1, 32)[0]
    picture = Scene(card(texture, size=(2.0, 2.0)), GREY, ambient=1.0)(pose(180, 0, 0, 0, 0, NEAR))
    torch.testing.assert_close(picture[0], texture.flip(2))


@pytest.mark.parametrize(("roll", "turns"), [(90.0, -1), (180.0, 2), (-90.0, 1)])
def test_roll_turns_the_picture_clockwise(roll, turns):
    texture = colours(1, 32)[0]
    picture = Scene(card(texture, size=(2.0, 2.0)), GREY, ambient=1.0)(pose(0, 0, roll, 0, 0, NEAR))
    torch.testing.assert_close(picture[0], texture.rot90(turns, (1, 2)))


def test_places_and_distances_are_in_their_units():
    square = Scene(card(plain(1.0)[0], size=(0.5, 0.5)), torch.zeros(3, 64, 96).double(), ambient=1.0)
    size = 64 * 0.5 / 2  # pixels, at the distance where the height is 2
    for right, down, farther in [(0.0, 0.0, 1.0), (0.25, -0.125, 1.0), (-0.25, 0.25, 2.0)]:
        (picture,) = square(pose(0, 0, 0, right, down, NEAR * farther))[:, 0]
        area = picture.sum()
        rows, columns = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(96) + 0.5, indexing="ij")
        torch.testing.assert_close(area, torch.tensor((size / farther) ** 2).double(), rtol=1e-6, atol=0)
        torch.testing.assert_close((picture * columns).sum() / area, torch.tensor(48 + 96 * right).double())
        torch.testing.assert_close((picture * rows).sum() / area, torch.tensor(32 + 64 * down).double())


@pytest.mark.parametrize(
    ("yaw", "pitch", "face"),
    [(0, 0, 0), (90, 0, 1), (180, 0, 2), (-90, 0, 3), (0, 90, 4), (0, -90, 5)],
)
def test_each_side_of_a_box_is_where_its_name_says(yaw, pitch, face):
    marks = torch.linspace(0.1, 0.9, 6).tolist()
    scene = Scene(box((1.0, 1.0, 1.0), plain(*marks)), GREY * 0, ambient=1.0)
    # The camera's right-hand side comes to the front when the box turns by 90 degrees; likewise the others.
    middle = scene(pose(yaw, pitch, 0, 0, 0, 6))[0, 0, 15:17, 15:17]
    torch.testing.assert_close(middle, torch.full_like(middle, marks[face]))


def test_textures_are_not_mirrored():
    half = torch.zeros(3, 8, 8).double()
    half[:, :, :4] = 1  # bright on the left of every side, as one reads it
    scene = Scene(box((1.0, 1.0, 1.0), half.expand(6, -1, -1, -1)), GREY, ambient=1.0)
    for yaw, pitch in [(0, 0), (90, 0), (180, 0), (270, 0)]:
        picture = scene(pose(yaw, pitch, 0, 0, 0, 4))[0, 0]
        assert picture[16, 13] > 0.9
        assert picture[16, 18] < 0.1


def test_what_is_covered_is_the_projected_area_and_neighbours_leave_no_gap():
    # A long lens, so that rays are nearly parallel.
    white = Scene(
        box((1.0, 1.0, 1.0), plain(1, 1, 1, 1, 1, 1)), torch.zeros(3, 64, 64).double(), view=2.0, ambient=1.0
    )
    poses = torch.tensor([[30.0, 20.0, 10.0, 0.0, 0.0, 60.0], [45.0, -35.0, 80.0, 0.0, 0.0, 60.0]]).double()
    picture = white(poses)[:, 0]
    # A unit cube's shadow has the area |n_x| + |n_y| + |n_z|, n the direction that it is seen from.
    shadow = rotation(poses[:, :3])[:, 2].abs().sum(dim=1)
    area = (picture * (2 * 60 * math.tan(math.radians(1)) / 64) ** 2).sum(dim=(1, 2))
    torch.testing.assert_close(area, shadow, rtol=2e-2, atol=0)
    # Where all of a pixel's neighbourhood is at least half covered, no background shines through a seam.
    inner = -nn.functional.max_pool2d(-picture[:, None], 5, stride=1, padding=2)[:, 0] > 0.5
    assert inner.sum() > 500
    assert picture[inner].min() > 0.85  # the pixel where three sides meet
    assert (picture[inner] > 0.99).double().mean() > 0.99


def test_light_is_lamberts():
    for tilt in (0.0, 40.0, 75.0):
        scene = Scene(card(plain(1.0)[0]), GREY * 0, light=(0.0, 0.0, -1.0), ambient=0.2)
        lit = scene(pose(0, tilt, 0, 0, 0, 6))[0, 0, 16, 16]
        torch.testing.assert_close(lit, torch.tensor(0.2 + 0.8 * math.cos(math.radians(tilt))).double())


def test_rotations_are_rotations():
    turn = rotation(torch.randn(20, 3, dtype=torch.float64) * 90)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand(20, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(20).double())


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_finite_differences(number, seed):
    generator = torch.Generator().manual_seed(seed)
    scene = cube(colours(2, 32)[1])
    low, high = torch.tensor([[-80.0, -60, -80, -0.2, -0.2, 3], [80.0, 60, 80, 0.2, 0.2, 5]]).double()
    here = low + (high - low) * torch.rand(6, dtype=torch.float64, generator=generator)
    weight = colours(3, 32)[2]  # a smooth sum over the pixels, outlines included

    def value(p):
        return (scene(p[None])[0] * weight).sum()

    p = here.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(p), p)
    # Outlines have corners where a pixel becomes fully covered: a step of a fraction of a pixel averages over them.
    step = torch.zeros(6, dtype=torch.float64)
    step[number] = 1e-5 * (high - low)[number]
    slope = (value(here + step) - value(here - step)) / (2 * step[number])
    torch.testing.assert_close(gradient[number], slope, rtol=2e-3, atol=2e-4)


def test_an_edge_on_card_vanishes_smoothly():
    scene = Scene(card(plain(1.0)[0], size=(1.0, 1.0)), GREY * 0, ambient=1.0)
    seen = [float(scene(pose(yaw, 0, 0, 0, 0, 6))[0, 0].sum()) for yaw in (85.0, 88.0, 89.0, 90.0, 91.0)]
    assert seen[0] > seen[1] > seen[2] > seen[3] == pytest.approx(0, abs=1e-9)
    assert seen[4] == pytest.approx(seen[2])
    p = pose(90, 0, 0, 0, 0, 6).requires_grad_()
    (gradient,) = torch.autograd.grad(scene(p).sum(), p)
    assert gradient.isfinite().all()


def test_samples_do_not_depend_on_their_batch():
    generator = torch.Generator().manual_seed(0)
    poses = torch.rand(8, 6, generator=generator, dtype=torch.float64) * 360
    poses[:, 3:] = torch.tensor([0.1, 0.0, 5.0])
    scene = cube()
    torch.testing.assert_close(scene(poses), torch.cat([scene(p[None]) for p in poses]))
    assert scene(poses).min() >= 0
    assert scene(poses).max() <= 1
    torch.testing.assert_close(scene.float()(poses.float()), scene(poses.float()))


def test_attacks_of_inputs_search_poses():
    class Lit(nn.Module):
        """Class 0 where the middle of the picture is dark, class 1 where it is bright."""

        def forward(self, x):
            middle = x[:, :, 12:20, 12:20].mean(dim=(1, 2, 3)) - 0.5
            return torch.stack([-10 * middle, 10 * middle], dim=1)

    fade = torch.linspace(0, 1, 8).double().expand(3, 8, 8)
    scene = Scene(card(fade, size=(2.0, 2.0)), GREY * 0, ambient=1.0)
    classifier = Posed(scene, Lit(), low=(0.0, 0.0, 0.0, -0.3, 0.0, 4.0), high=(0.0, 0.0, 0.0, 0.3, 0.0, 4.0))
    middle, y = torch.zeros(4, 6).double(), torch.zeros(4, dtype=torch.int64)
    torch.testing.assert_close(classifier.pose(middle)[0], torch.tensor([0, 0, 0, 0, 0, 4.0]).double())
    found = PGD(Linf(1.0), bounds=(-1.0, 1.0), steps=10)(classifier, middle, y, torch.arange(4))
    # The card's bright side is on its right: moving it to the left brings it into the middle.
    torch.testing.assert_close(classifier.pose(found)[:, 3], torch.full((4,), -0.3).double())
    assert (classifier(found).argmax(1) == 1).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: box((1.0, 1.0, 1.0), colours(5)), "six pictures"),
        (lambda: box((1.0, 0.0, 1.0), colours(6)), "positive size"),
        (lambda: card(colours(1)[0], colours(1, 9)[0]), "of one shape"),
        (lambda: card(colours(1)[0], size=(0.0, 1.0)), "positive size"),
        (lambda: cube(GREY[:1]), "as many channels"),
        (lambda: cube(view=180.0), r"view in \(0, 180\)"),
        (lambda: cube(light=(0.0, 0.0, 0.0)), "zero vector"),
        (lambda: cube()(torch.zeros(2, 5).double()), r"poses are \[batch, 6\]"),
        (lambda: cube()(pose(0, 0, 0, 0, 0, 0.5)), "cannot touch the camera"),
        (lambda: Posed(cube(), nn.Identity(), (0.0,) * 6, (1.0,) * 5), "six numbers"),
        (lambda: Posed(cube(), nn.Identity(), (2.0,) * 6, (1.0,) * 6), "low <= high"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
