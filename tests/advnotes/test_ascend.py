"""The shared ascent by itself, as a game without classes uses it."""

import math
import warnings

import pytest
import torch

from advnotes.ascend import Ascent, ascend
from advnotes.gradients import MaskedGradientWarning
from advnotes.threats import L2, Linf


def peak(at: torch.Tensor):
    """A concave loss with its top at ``at`` and no notion of winning."""
    return lambda x: (-(x - at).square().flatten(1).sum(dim=1), None)


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_finds_the_top_inside_the_ball_and_the_edge_nearest_to_a_top_outside(bounds):
    x = torch.full((2, 3), 0.5, dtype=torch.float64)
    top = torch.tensor([[0.6, 0.5, 0.45], [0.9, 0.5, 0.5]], dtype=torch.float64)
    found = ascend(peak(top), x, L2(0.2), steps=200, step_size=0.01, bounds=bounds)
    expected = torch.tensor([[0.6, 0.5, 0.45], [0.7, 0.5, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(found.point, expected, atol=0.011, rtol=0)
    torch.testing.assert_close(found.loss, peak(top)(found.point)[0])
    assert not found.won.any()


def test_of_two_points_the_better_one_has_won_or_else_the_higher_loss_or_a_loss_at_all():
    """All pairs of what a point can be, from the worst to the best; equal ones are not better."""
    ranks = [(math.nan, False), (0.5, False), (2.0, False), (math.nan, True), (0.25, True), (1.0, True)]
    ends = [Ascent(torch.zeros(1, 2), torch.tensor([loss]), torch.tensor([won])) for loss, won in ranks]
    for place, one in enumerate(ends):
        for other_place, other in enumerate(ends):
            assert one.beaten_by(other).tolist() == [other_place > place], f"{one}, then {other}"


def test_unbounded_inputs_may_leave_the_unit_interval():
    x = torch.zeros(1, 2)
    found = ascend(peak(torch.full((1, 2), -9.0)), x, Linf(3.0), steps=3, step_size=3.0, bounds=None)
    torch.testing.assert_close(found.point, torch.full((1, 2), -3.0))


def test_without_best_the_last_point_comes_back_unevaluated():
    calls = []

    def objective(x):
        calls.append(1)
        return x.sum(dim=1), None

    found = ascend(objective, torch.zeros(2, 2), Linf(0.5), steps=3, step_size=0.1, best=False)
    assert len(calls) == 3
    assert found.loss.isnan().all()
    torch.testing.assert_close(found.point, torch.full((2, 2), 0.3))


def test_winning_comes_before_a_higher_loss_and_a_number_before_none():
    def make(loss, won):
        return Ascent(torch.tensor([[loss]]), torch.tensor([loss]), torch.tensor([won]))

    nan = float("nan")
    for one, other, best in [
        (make(5.0, False), make(1.0, True), 1.0),
        (make(1.0, True), make(5.0, False), 1.0),
        (make(1.0, True), make(2.0, True), 2.0),
        (make(2.0, False), make(1.0, False), 2.0),
        (make(nan, False), make(1.0, False), 1.0),
        (make(1.0, False), make(nan, False), 1.0),
    ]:
        assert one.better_of(other).loss.item() == best
        assert one.better_of(other).point.item() == best
    assert make(5.0, False).better_of(make(1.0, True)).won.item()


def test_a_sample_that_is_won_does_not_count_as_masked():
    def objective(x):  # the second sample has no gradient, but is won from the start
        return x.sum(dim=1) * torch.tensor([1.0, 0.0]), torch.tensor([False, True])

    with warnings.catch_warnings():
        warnings.simplefilter("error", MaskedGradientWarning)
        ascend(objective, torch.zeros(2, 2), Linf(0.5), steps=3, step_size=0.1)
    with pytest.warns(MaskedGradientWarning, match="1 of 2 samples"):
        ascend(lambda x: (objective(x)[0], None), torch.zeros(2, 2), Linf(0.5), steps=3, step_size=0.1)


def test_a_step_size_for_each_sample():
    x = torch.zeros(2, 2)
    found = ascend(
        lambda x: (x.sum(dim=1), None), x, Linf(1.0), steps=1, step_size=torch.tensor([0.1, 0.4]), best=False
    )
    torch.testing.assert_close(found.point, torch.tensor([[0.1, 0.1], [0.4, 0.4]]))


class Flat:
    """The sum, with no gradient where a sample is flat; won where the sum exceeds a limit of the sample's own."""

    def __init__(self, flat: torch.Tensor, limit: torch.Tensor) -> None:
        self.flat, self.limit = flat, limit

    def __call__(self, x):
        total = x.flatten(1).sum(dim=1)
        return torch.where(self.flat, total.detach(), total), total > self.limit

    def rows(self, rows):
        return Flat(self.flat[rows], self.limit[rows])


def test_with_early_stop_the_warning_counts_of_all_samples():
    flat = torch.arange(10) < 3
    limit = torch.where(flat, 100.0, 0.0)
    with pytest.warns(MaskedGradientWarning, match="3 of 10 samples"):
        found = ascend(
            Flat(flat, limit), torch.zeros(10, 2), Linf(0.5), steps=5, step_size=0.1, early_stop=True
        )
    assert found.won.tolist() == [False] * 3 + [True] * 7


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_without_best_samples_without_a_gradient_are_counted_in_as_many_passes(momentum):
    flat, calls = torch.tensor([True, False, True, False]), []
    # The third is won where it stands, so that nothing is missed there.
    aim = Flat(flat, torch.tensor([100.0, 100.0, -1.0, 100.0]))

    def objective(x):
        calls.append(1)
        return aim(x)

    with pytest.warns(MaskedGradientWarning, match="1 of 4 samples.*did not move by it"):
        ascend(objective, torch.zeros(4, 2), Linf(0.5), steps=3, step_size=0.1, best=False, momentum=momentum)
    assert len(calls) == 3
    with warnings.catch_warnings():  # a game's loss says of nobody whether he is won
        warnings.simplefilter("error", MaskedGradientWarning)
        ascend(lambda x: (aim(x)[0], None), torch.zeros(4, 2), Linf(0.5), steps=3, step_size=0.1, best=False)


def test_a_point_that_is_won_stays_won_whatever_its_loss():
    nan = float("nan")
    won = Ascent(torch.tensor([[1.0]]), torch.tensor([nan]), torch.tensor([True]))
    other = Ascent(torch.tensor([[2.0]]), torch.tensor([5.0]), torch.tensor([False]))
    assert won.better_of(other).point.item() == 1
    assert other.better_of(won).point.item() == 1
