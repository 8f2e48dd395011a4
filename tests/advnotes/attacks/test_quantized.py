"""Quantized: on the grid, inside the ball, and fooled there."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import EOT, FAB, PGD, DeepFool, Patch, Quantized, Square, Transfer, Universal
from advnotes.losses import margin_loss
from advnotes.threats import L1, L2, Linf

INF = float("inf")


@pytest.fixture(scope="module")
def digits():
    x, y = data.mnist("test", size=40)
    return zoo.mnist_natural(), x, y


def saved(x: torch.Tensor) -> torch.Tensor:
    """Written as bytes and read again."""
    return (x * 255).round().to(torch.uint8).float() / 255


def test_a_sample_alone_is_carried_as_far_over_the_boundary_as_among_others(digits):
    net, x, y = digits
    attack, seeds = Quantized(DeepFool(L2(INF))), torch.arange(len(x))
    together = attack(net, x, y, seeds)
    (lost,) = (net(saved(DeepFool(L2(INF))(net, x, y, seeds))).argmax(1) == y).nonzero(as_tuple=True)
    assert len(lost) >= 3  # rounding alone brings them back
    for row in lost[:3]:
        alone = attack(net, x[row, None], y[row, None], seeds[row, None])
        torch.testing.assert_close(alone[0], together[row])
        assert net(saved(alone)).argmax(1) != y[row]


@pytest.mark.parametrize("attack", [DeepFool(L2(INF)), FAB(L2(INF), steps=5)], ids=lambda a: type(a).__name__)
def test_points_at_the_boundary_survive(digits, attack):
    net, x, y = digits
    seeds = torch.arange(len(x))
    plain, ours = (one(net, x, y, seeds) for one in (attack, Quantized(attack)))
    assert torch.equal(saved(ours), ours)
    fooled = (net(plain).argmax(dim=1) != y).float().mean()
    kept = (net(saved(plain)).argmax(dim=1) != y).float().mean()
    assert fooled > 0.97
    assert kept < 0.9
    assert (net(ours).argmax(dim=1) != y).float().mean() >= fooled - 0.01
    # Still near: as far as rounding and the lengthening ask for.
    assert (attack.threat.norm(ours - x).median()) < 1.5 * attack.threat.norm(plain - x).median() + 1 / 255


@pytest.mark.parametrize("threat", [Linf(0.1), Linf(20 / 255), L2(1.5), L1(10.0)], ids=str)
def test_inside_a_ball_as_many_are_fooled_and_none_leaves_it(digits, threat):
    net, x, y = digits
    seeds = torch.arange(len(x))
    attack = PGD(threat, steps=20, loss=margin_loss)
    plain, ours = (one(net, x, y, seeds) for one in (attack, Quantized(attack)))
    assert torch.equal(saved(ours), ours)
    assert (threat.norm(ours - x) <= threat.eps * (1 + 1e-5)).all()
    fooled = [int((net(point).argmax(dim=1) != y).sum()) for point in (plain, ours)]
    assert fooled[1] >= fooled[0] - 3
    assert fooled[1] > int((net(x).argmax(dim=1) != y).sum()) + 5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([Linf, L2, L1]), st.sampled_from([2, 16, 256]))
def test_whatever_the_attack_finds_the_result_is_on_the_grid_in_the_ball_and_in_the_range(seed, norm, levels):
    torch.manual_seed(seed)
    lowest, highest = -1.0, 2.0
    x = lowest + (highest - lowest) * torch.randint(0, levels, (6, 9)).double() / (levels - 1)
    eps = 0.1 + 2 * torch.rand(6).double()
    model, y = nn.Linear(9, 3).double(), torch.randint(0, 3, (6,))
    attack = Square(norm(eps.clamp_max(2.9)), queries=3, bounds=(lowest, highest))
    x_adv = Quantized(attack, levels=levels)(model, x, y, torch.arange(6))
    steps = (x_adv - lowest) / (highest - lowest) * (levels - 1)
    torch.testing.assert_close(steps, steps.round(), atol=1e-9, rtol=0)
    assert (attack.threat.norm(x_adv - x) <= attack.threat.eps * (1 + 1e-5) + 1e-4 / levels).all()
    assert x_adv.min() >= lowest
    assert x_adv.max() <= highest


def test_rounding_alone_is_to_the_nearest_and_towards_the_input_where_that_would_leave_the_ball():
    """By hand: a step of 0.6 and one of 1.6 levels in L1; there is room for 2 levels, so that one of them is cut."""

    class Fixed(Square):
        def perturb(self, model, x, y, generator=None):
            return x + torch.tensor([[0.6, -1.6, 0.2]], dtype=x.dtype) / 255

    x, y = torch.tensor([[10.0, 20.0, 30.0]]) / 255, torch.tensor([0])
    model = nn.Linear(3, 2)

    def moved(threat):
        always = lambda x: model(x) * 0 + torch.tensor([0.0, 1.0])  # noqa: E731  (fooled at once)
        return ((Quantized(Fixed(threat))(always, x, y) - x) * 255).round().tolist()[0]

    assert moved(L1(3 / 255)) == [1, -2, 0]
    assert sum(map(abs, moved(L1(2.5 / 255)))) == 2
    assert moved(Linf(1.7 / 255)) == [1, -1, 0]
    assert moved(L2(2.0 / 255)) in ([1, -1, 0], [0, -2, 0])


def test_coordinates_that_do_not_move_keep_their_bits(digits):
    net, x, y = digits
    x_adv = Quantized(DeepFool(L2(INF)))(net, x, y)
    still = saved(x_adv) == saved(x)
    assert torch.equal(x_adv[still], x[still])
    assert still.float().mean() > 0.05


def test_a_chosen_class_is_reached_and_wrappers_go_inside_and_outside(digits):
    net, x, y = digits
    x, target = x[:20], (y[:20] + 1) % 10
    seeds = torch.arange(20)
    reach = Quantized(PGD(Linf(0.3), steps=20, targeted=True))
    reached = reach(net, x, target, seeds)
    assert (net(reached).argmax(dim=1) == target).float().mean() > 0.8
    torch.testing.assert_close(Quantized(EOT(reach.attack, samples=2))(net, x, target, seeds), reached)
    torch.testing.assert_close(EOT(reach, samples=2)(net, x, target, seeds), reached)
    torch.testing.assert_close(Quantized(Transfer(reach.attack, net))(net, x, target, seeds), reached)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantized(Patch()), "moves each sample inside a threat.*got Patch"),
        (lambda: Quantized(EOT(Universal(Linf(0.1)))), "got Universal"),
        (lambda: Quantized(PGD(Linf(0.1)), levels=1), "levels must be a whole number of at least 2"),
        (
            lambda: Quantized(PGD(Linf(0.1)))(
                nn.Linear(2, 2), torch.tensor([[0.0, 0.3011]]), torch.tensor([0])
            ),
            r"grid of 256 values from 0 to 1, got 0.3011.*\(x \* 255\).round\(\) / 255",
        ),
    ],
)
def test_what_has_no_grid_or_no_ball_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
