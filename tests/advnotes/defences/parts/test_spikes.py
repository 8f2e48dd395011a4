"""Two distributions against the moments of a Gaussian, counting, and a ruler."""

import math
from typing import Any

import pytest
import torch

from advnotes.defences import Spikes

ORDERS = [1, 2, 4, 7, 16]


def gaussian_moment(degree: int) -> float:
    return 0.0 if degree % 2 else float(math.prod(range(1, degree, 2)))


@pytest.mark.parametrize("width", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("order", [1, 2, 4, 7])
def test_the_first_moments_are_a_gaussians(order: int, width: float) -> None:
    spikes = Spikes(order, width)
    for degree in range(2 * order):
        assert spikes.moments(degree).tolist() == pytest.approx(
            [gaussian_moment(degree)] * 2, rel=1e-9, abs=1e-6
        )


@pytest.mark.parametrize("width", [0.0, 0.3])
@pytest.mark.parametrize("order", [1, 2, 4, 7])
def test_the_next_moment_parts_them_by_a_factorial(order: int, width: float) -> None:
    spikes = Spikes(order, width)
    low, high = spikes.moments(2 * order).tolist()
    assert high == pytest.approx(gaussian_moment(2 * order), rel=1e-9)
    assert high - low == pytest.approx((1 - width**2) ** order * math.factorial(order), rel=1e-6)
    assert spikes.signal == pytest.approx((high - low) / math.sqrt(math.factorial(2 * order)), rel=1e-6)


def test_the_smallest_pair_is_a_point_and_a_coin() -> None:
    spikes = Spikes(1, 0.0)
    assert spikes.places.tolist() == pytest.approx([-1, 0, 1])
    assert spikes.weights.tolist() == pytest.approx([0.5, 1, 0.5])
    assert spikes.spike_labels.tolist() == [1, 0, 1]
    assert spikes.cuts.tolist() == pytest.approx([-0.5, 0.5])


@pytest.mark.parametrize("order", ORDERS)
def test_spikes_take_turns(order: int) -> None:
    spikes = Spikes(order, 0.0)
    assert (spikes.places.diff() > 0.2).all()
    for label, count in ((0, order), (1, order + 1)):
        mine = spikes.spike_labels == label
        assert mine.sum() == count
        assert spikes.weights[mine].sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("order", [1, 4])
def test_samples_have_the_moments(order: int) -> None:
    spikes, generator = Spikes(order, 0.1), torch.Generator().manual_seed(0)
    y = torch.arange(2).repeat(20_000)
    t = spikes.sample(y, generator)
    assert t.dtype == torch.float64
    for label in (0, 1):
        for degree in (1, 2, 4):
            expected = spikes.moments(degree)[label].item()
            spread = math.sqrt(spikes.moments(2 * degree)[label].item() / 20_000)
            assert (t[y == label] ** degree).mean().item() == pytest.approx(expected, abs=5 * spread)


def test_room_is_what_a_ruler_finds() -> None:
    spikes = Spikes(3, 0.0)
    t = torch.linspace(-3.9, 3.9, 271, dtype=torch.float64)
    label = spikes.spike_labels[(t[:, None] - spikes.places).abs().argmin(dim=1)]
    room = spikes.room(t, label)
    assert (room >= 0).all()
    assert torch.allclose(spikes.room(t, 1 - label), -room)
    moved = torch.stack([t - room - 1e-6, t + room + 1e-6])
    nearest = spikes.spike_labels[(moved[..., None] - spikes.places).abs().argmin(dim=2)]
    assert (
        (nearest != label).sum(dim=0) >= 1
    ).all()  # a little further, one way at least, it is the other class
    inside = torch.stack([t - 0.99 * room, t + 0.99 * room])
    assert (spikes.spike_labels[(inside[..., None] - spikes.places).abs().argmin(dim=2)] == label).all()


@pytest.mark.parametrize("eps", [0.0, 0.1, 0.25, 0.4])
@pytest.mark.parametrize("width", [0.02, 0.2])
def test_robust_accuracy_counts_what_has_room(width: float, eps: float) -> None:
    spikes = Spikes(3, width)
    y = torch.arange(2).repeat(20_000)
    t = spikes.sample(y, torch.Generator().manual_seed(1))
    counted = (spikes.room(t, y) > eps).double().mean().item()
    assert spikes.robust_accuracy(eps) == pytest.approx(counted, abs=0.015)


def test_robust_accuracy_of_points() -> None:
    spikes = Spikes(2, 0.0)  # at -sqrt 3, -1, 0, 1, sqrt 3
    assert spikes.robust_accuracy(0.0) == pytest.approx(1.0)
    assert spikes.robust_accuracy(0.36) == pytest.approx(1.0)
    assert spikes.robust_accuracy(0.37) == pytest.approx(
        1 / 3
    )  # only the one at 0, with two thirds of its class
    assert spikes.robust_accuracy(0.51) == 0.0


@pytest.mark.parametrize(("order", "width"), [(0, 0.1), (17, 0.1), (2, -0.1), (2, 1.0), (2, math.nan)])
def test_numbers_out_of_range_are_refused(order: int, width: float) -> None:
    with pytest.raises(ValueError, match="order" if order in (0, 17) else "width"):
        Spikes(order, width)


def test_bad_arguments_are_refused() -> None:
    spikes = Spikes(2, 0.1)
    with pytest.raises(ValueError, match="degree"):
        spikes.moments(-1)
    with pytest.raises(ValueError, match="eps"):
        spikes.robust_accuracy(-0.1)
    with pytest.raises(ValueError, match="0 and 1"):
        spikes.sample(torch.tensor([0, 2]))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("y", [torch.tensor([0.0, 1.0]), [0, 1], torch.zeros(2, 1).long()])
def test_labels_of_the_wrong_kind_are_refused(y: Any) -> None:
    with pytest.raises(ValueError, match="int64 tensor"):
        Spikes(2, 0.1).sample(y)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bfloat16])
def test_room_is_asked_of_whole_precision(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match="float32 or float64"):
        Spikes(2, 0.1).room(torch.ones(2, dtype=torch.float64).to(dtype), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="0 and 1"):
        Spikes(2, 0.1).room(torch.ones(2), torch.tensor([0, 2]))
