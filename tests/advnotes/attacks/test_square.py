"""Square: against its definition read plainly, what a query costs, and models that have no gradient."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import PGD, Square
from advnotes.attacks.parts.lp_squares import LpSquares, bumps
from advnotes.attacks.parts.squares import LinfSquares, Size
from advnotes.attacks.square import HALVINGS
from advnotes.losses import margin_loss
from advnotes.seeds import uniform
from advnotes.threats import L1, L2, Linf


@pytest.fixture
def digits():
    x, y = data.mnist("test", size=60)
    return zoo.mnist_natural(), x, y


def spread(numbers: float, places: int) -> int:
    return math.floor(numbers * places)


def plain_linf(model, x, y, eps, queries, share, seed, schedule=10_000):
    """Algorithms 1 and 2 for one image, with slices."""
    channels, height, width = x.shape
    low, high = (x - eps).clamp(0, 1), (x + eps).clamp(0, 1)
    u = uniform(x[None], channels * width, seed, 0)[0]
    best = torch.where((u < 0.5).view(channels, 1, width), high, low)
    loss = margin_loss(model(best[None]), y)
    for query in range(1, queries):
        at = query * 10_000 // schedule
        p = share / 2 ** sum(at > mark for mark in HALVINGS)
        side = max(1, round(math.sqrt(p * height * width)))
        u = uniform(x[None], 2 + channels, seed, query)[0]
        top, left = spread(u[0], height - side + 1), spread(u[1], width - side + 1)
        new = best.clone()
        for flip in (False, True):
            for channel in range(channels):
                end = high if (u[2 + channel] < 0.5) ^ flip else low
                new[channel, top : top + side, left : left + side] = end[
                    channel, top : top + side, left : left + side
                ]
            if not torch.equal(new, best):
                break
        new_loss = margin_loss(model(new[None]), y)
        if new_loss > loss:
            best, loss = new, new_loss
    return best


@pytest.mark.parametrize("stretch", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_linf_is_the_algorithm(channels, stretch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(channels * 64, 12), nn.Tanh(), nn.Linear(12, 3)).double()
    x, y = torch.rand(5, channels, 8, 8).double(), torch.arange(5) % 3
    seeds = torch.arange(5) + 40
    ours = Square(Linf(0.2), queries=60, stretch=stretch)(model, x, y, seeds)
    for i in range(5):
        schedule = 60 if stretch else 10_000  # where it is not stretched, 60 queries are its beginning
        plain = plain_linf(model, x[i], y[i : i + 1], 0.2, 60, 0.8, seeds[i : i + 1], schedule)
        torch.testing.assert_close(ours[i], plain)


@pytest.mark.parametrize("stretch", [True, False])
def test_the_squares_shrink_at_the_papers_queries_or_at_the_same_shares_of_those_given(stretch, monkeypatch):
    """The authors' table, p by query, beside the sides of the windows that are really changed."""
    shares = []
    window = LinfSquares.window

    def noted(squares, share):
        shares.append(share)
        return window(squares, share)

    monkeypatch.setattr(LinfSquares, "window", noted)
    torch.manual_seed(0)
    model, x = nn.Linear(4, 2).double(), torch.rand(1, 4).double()
    queries = 5000
    Square(Linf(0.1), queries=queries, stretch=stretch)(model, x, torch.tensor([0]), torch.tensor([3]))
    ends, halved = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000], []
    for query in range(1, queries):
        at = 2 * query if stretch else query
        halved.append(0.8 / 2 ** sum(at > end for end in ends))
    assert shares == halved
    assert shares[-1] == 0.8 / (512 if stretch else 128)


@pytest.mark.parametrize("power", [1, 2])
def test_a_step_in_l2_is_the_algorithm(power):
    """Algorithm 3 with masks over whole images."""
    torch.manual_seed(0)
    size, side, eps = Size(2, 12, 10), 5, 3.0
    x = torch.full((6, 2, 12, 10), 0.5, dtype=torch.float64)
    squares = LpSquares.around(x, size, {1: L1, 2: L2}[power](eps), (0.0, 1.0))
    flat = squares.start(torch.rand(6, squares.numbers_to_start).double())
    for _ in range(4):
        numbers = torch.rand(6, squares.numbers).double()
        expected = []
        for image, u in zip(flat.view(x.shape), numbers, strict=True):
            delta = image - 0.5
            places = [(spread(u[i], 12 - side + 1), spread(u[i + 1], 10 - side + 1)) for i in (0, 2)]
            first, second = (
                (slice(None), slice(top, top + side), slice(left, left + side)) for top, left in places
            )
            union = torch.zeros_like(delta)
            union[first] = union[second] = 1
            held = ((delta * union).abs() ** power).sum(dim=(1, 2), keepdim=True)
            unused = eps**power - (delta.abs() ** power).sum()
            old = delta[first]
            bump = bumps(side, side, power, torch.float64, "cpu")[0 if u[4] < 0.5 else 1]
            sign = torch.where(u[5:] < 0.5, 1.0, -1.0).double()[:, None, None]
            length = (old.abs() ** power).sum(dim=(1, 2), keepdim=True) ** (1 / power)
            new = sign * bump + old / length.clamp_min(1e-300)
            scale = ((new.abs() ** power).sum(dim=(1, 2), keepdim=True)) ** (1 / power)
            new = new / scale * (held + max(unused, 0) / 2) ** (1 / power)
            delta = delta.clone()
            delta[second] = 0
            delta[first] = new
            expected.append((0.5 + delta).clamp(0, 1))
        where = squares.place(numbers, (side, side))
        squares.move(flat, where, numbers, (side, side))
        torch.testing.assert_close(flat.view(x.shape), torch.stack(expected))
        assert (flat.view(x.shape) - x).flatten(1).norm(p=power, dim=1).max() <= eps * (1 + 1e-12)


def test_without_the_range_every_point_has_the_whole_norm():
    torch.manual_seed(1)
    x = torch.full((4, 3, 9, 9), 0.5).double()
    squares = LpSquares.around(x, Size(3, 9, 9), L2(0.4), (-9.0, 9.0))
    point = squares.start(torch.rand(4, squares.numbers_to_start).double())
    for share in (0.8, 0.2, 0.01):
        numbers = torch.rand(4, squares.numbers).double()
        window = squares.window(share)
        squares.move(point, squares.place(numbers, window), numbers, window)
        torch.testing.assert_close((point - 0.5).norm(dim=1), torch.full((4,), 0.4).double())


@pytest.mark.parametrize(("height", "width"), [(3, 3), (5, 5), (4, 7), (9, 1), (1, 1)])
def test_bumps_are_equation_2(height, width):
    def bump(height, width):
        n = max(height, width) // 2 + 1
        hill = torch.zeros(height, width, dtype=torch.float64)
        for r in range(height):
            for s in range(width):
                rings = n - max(abs(r - height // 2), abs(s - width // 2))
                hill[r, s] = sum(1 / (n - k) ** 2 for k in range(rings))
        return hill / hill.norm()

    half = height // 2
    expected = torch.cat([bump(half, width), -bump(height - half, width)])
    pair = bumps(height, width, 2, torch.float64, "cpu")
    torch.testing.assert_close(pair[0], expected / expected.norm())
    if height == width:
        torch.testing.assert_close(pair[1], pair[0].T)
    torch.testing.assert_close(pair.flatten(1).norm(dim=1), torch.ones(2, dtype=torch.float64))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.floats(1e-3, 1.0), st.sampled_from([0, 1])
)
def test_windows_lie_inside_and_cover_what_they_should(channels, height, width, share, kind):
    x = torch.rand(2, channels, height, width)
    threat = [Linf(0.1), L2(0.1)][kind]
    squares = [LinfSquares, LpSquares][kind].around(x, Size(channels, height, width), threat, (0.0, 1.0))
    window = squares.window(share)
    assert 1 <= window[0] <= height
    assert 1 <= window[1] <= width
    if kind == 0 and height == width and share * height * width >= 4:
        assert window[0] * window[1] == pytest.approx(share * height * width, rel=0.45)
    # The ends of the open interval, as float32 has them.
    numbers = torch.full((2, squares.numbers), 2**-24)
    numbers[1] = 1 - 2**-24
    where = squares.place(numbers, window)
    assert where.min() >= 0
    assert where.max() < channels * height * width
    for row in where[:, : channels * window[0] * window[1]]:
        assert len(row.unique()) == channels * window[0] * window[1]


def test_long_images_get_long_windows():
    x = torch.rand(1, 1, 100, 1)
    squares = LinfSquares.around(x, Size(1, 100, 1), Linf(0.1), (0.0, 1.0))
    assert squares.window(0.8) == (80, 1)
    assert squares.window(0.001) == (1, 1)
    wide = LinfSquares.around(x.transpose(2, 3), Size(1, 1, 100), Linf(0.1), (0.0, 1.0))
    assert wide.window(0.8) == (1, 80)


@pytest.mark.parametrize("shape", [(12,), (5, 4), (1, 3, 3), (3, 9, 4), (2, 1, 1)])
@pytest.mark.parametrize("threat", [Linf(0.3), L2(0.5), L1(0.9)])
def test_any_shape(shape, threat):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 3))
    x, y = torch.rand(7, *shape), torch.arange(7) % 3
    x_adv = Square(threat, queries=40)(model, x, y, torch.arange(7))
    assert x_adv.shape == x.shape
    assert (threat.norm(x_adv - x) <= threat.eps * (1 + 1e-5)).all()
    assert margin_loss(model(x_adv), y).mean() > margin_loss(model(x), y).mean()


def test_reaches_the_worst_case_of_a_linear_model():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).double()
    x, y = 0.4 + 0.2 * torch.rand(5, 1, 6, 6).double(), torch.arange(5) % 2
    w = (model[1].weight[1] - model[1].weight[0]).detach()
    x_adv = Square(Linf(0.1), queries=2000)(model, x, y, torch.arange(5))
    gained = margin_loss(model(x_adv), y) - margin_loss(model(x), y)
    torch.testing.assert_close(gained.detach(), (0.1 * w.abs().sum()).expand(5))


@pytest.mark.parametrize("threat", [Linf(0.15), L2(2.0), L1(20.0), Linf(torch.linspace(0.05, 0.25, 60))])
def test_early_stop_decides_the_same_samples_with_fewer_queries(digits, threat):
    model, x, y = digits
    seeds, asked = torch.arange(60), 0

    def counted(x):
        nonlocal asked
        asked += len(x)
        return model(x)

    attack = Square(threat, queries=120, restarts=2)
    full = attack(counted, x, y, seeds)
    assert asked == 60 * 120 * 2
    asked = 0
    quick = dataclasses.replace(attack, early_stop=True)(counted, x, y, seeds)
    fooled = model(full).argmax(1) != y
    assert torch.equal(model(quick).argmax(1) != y, fooled)
    assert 5 < fooled.sum() < 55
    assert asked < 60 * 120 * 2 - 100 * fooled.sum()
    # Without it, fooled samples go on to higher losses.
    assert margin_loss(model(full), y)[fooled].mean() > margin_loss(model(quick), y)[fooled].mean() + 0.5


def test_breaks_a_model_whose_gradients_are_none_and_takes_none_itself(digits):
    model, x, y = digits

    def hidden(x):
        assert not torch.is_grad_enabled()
        # Through NumPy, and so steep that the softmax is saturated.
        return 1e4 * model(torch.from_numpy((x.numpy() * 64).round() / 64))

    x_adv = Square(Linf(0.3), queries=300, early_stop=True)(hidden, x, y, torch.arange(60))
    assert (hidden_labels(hidden, x_adv) == y).sum() <= 3
    with pytest.raises(ValueError, match="takes no gradients"):
        PGD(Linf(0.3), steps=1)(lambda x: model((x * 64).round().detach() / 64), x, y)


def hidden_labels(model, x):
    with torch.no_grad():
        return model(x).argmax(1)


def test_search_beats_as_many_random_corners(digits):
    model, x, y = digits
    threat = Linf(0.15)
    searched = Square(threat, queries=300)(model, x, y, torch.arange(60))
    torch.manual_seed(0)
    random = torch.zeros(60, dtype=torch.bool)
    with torch.no_grad():
        for _ in range(300):
            noise = (torch.rand_like(x) < 0.5).float() * 0.3 - 0.15
            random |= model((x + noise).clamp(0, 1)).argmax(1) != y
        assert (model(searched).argmax(1) != y).sum() >= random.sum() + 20


def test_more_restarts_find_more(digits):
    model, x, y = digits
    losses = [
        margin_loss(model(Square(Linf(0.1), queries=40, restarts=n)(model, x, y, torch.arange(60))), y)
        for n in (1, 3)
    ]
    assert (losses[1] >= losses[0] - 1e-5).all()
    assert losses[1].mean() > losses[0].mean() + 0.1


@pytest.mark.parametrize("threat", [Linf(math.inf), L2(math.inf)])
def test_without_a_limit_nothing_stands(digits, threat):
    model, x, y = digits
    x_adv = Square(threat, queries=200)(model, x, y, torch.arange(60))
    assert x_adv.isfinite().all()
    assert (model(x_adv).argmax(1) != y).all()


def test_targeted_reaches_the_class(digits):
    model, x, y = digits
    target = (y + 1) % 10
    x_adv = Square(Linf(0.4), queries=400, targeted=True)(model, x, target, torch.arange(60))
    assert (model(x_adv).argmax(1) == target).float().mean() > 0.7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"queries": 0}, "queries must be a whole number of at least 1, got 0"),
        ({"restarts": 0}, "restarts must be a whole number of at least 1, got 0"),
        ({"share": 0.0}, r"share must lie in \(0, 1\], got 0.0"),
        ({"share": 1.5}, r"share must lie in \(0, 1\], got 1.5"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Square(Linf(0.1), **arguments)
