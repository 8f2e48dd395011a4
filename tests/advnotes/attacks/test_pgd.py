"""PGD: what its steps, restarts and losses buy."""

import copy
import dataclasses
from contextlib import nullcontext
from itertools import pairwise

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import BIM, FGSM, PGD
from advnotes.losses import cross_entropy, margin_loss
from advnotes.threats import L1, L2, Linf


@pytest.fixture
def bumpy():
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 3)
    ).double()
    with torch.no_grad():
        for layer in model[::2]:
            layer.weight.mul_(3)
    return model, torch.rand(40, 6).double(), torch.randint(0, 3, (40,))


def loss_of(model, x, y):
    return cross_entropy(model(x), y).detach()


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.3), L1(0.4, share=1e-9)])
def test_finds_the_worst_case_of_a_linear_model_from_anywhere(threat):
    torch.manual_seed(0)
    model, x, y = nn.Linear(10, 2).double(), 0.4 + 0.2 * torch.rand(9, 10).double(), torch.arange(9) % 2
    w = (model.weight[1] - model.weight[0]).detach()
    best = (threat.steepest(w[None]) * w).sum() if not isinstance(threat, L1) else w.abs().max()
    x_adv = PGD(threat, steps=100, step_size=threat.eps / 10, loss=margin_loss)(model, x, y)
    gained = margin_loss(model(x_adv), y) - margin_loss(model(x), y)
    torch.testing.assert_close(gained.detach(), (threat.eps * best).expand(9), rtol=1e-3, atol=0)


def test_restarts_keep_the_best_of_all_for_each_sample(bumpy):
    model, x, y = bumpy
    seeds = torch.arange(40)
    # A loss alone decides here: it is the same number that is compared.
    one_by_one = PGD(Linf(0.3), steps=3, restarts=1)
    lowest = []
    for restarts in (1, 2, 4, 8):
        x_adv = PGD(Linf(0.3), steps=3, restarts=restarts)(model, x, y, seeds)
        fooled = model(x_adv).argmax(1) != y
        lowest.append((fooled, loss_of(model, x_adv, y)))
    for (fooled, loss), (fooled_more, loss_more) in pairwise(lowest):
        assert (fooled_more | ~fooled).all()
        assert (loss_more >= loss - 1e-12)[fooled == fooled_more].all()
    first = one_by_one(model, x, y, seeds)
    assert torch.equal(loss_of(model, first, y), lowest[0][1])
    assert (lowest[3][1] > lowest[0][1] + 1e-3).sum() >= 5


def test_best_is_at_least_the_last_and_never_the_clean_point(bumpy):
    model, x, y = bumpy
    # Steps so long that the loss goes up and down.
    settings = dict(steps=9, step_size=0.5)
    last = BIM(Linf(0.4), best=False, **settings)(model, x, y)
    best = BIM(Linf(0.4), **settings)(model, x, y)
    won_last, won_best = (model(a).argmax(1) != y for a in (last, best))
    assert (won_best | ~won_last).all()
    same = won_last == won_best
    assert (loss_of(model, best, y) >= loss_of(model, last, y) - 1e-12)[same].all()
    assert (loss_of(model, best, y) > loss_of(model, last, y) + 1e-6).any()
    assert (best != x).any(dim=1).all()


def test_the_last_step_is_evaluated(bumpy):
    model, x, y = bumpy
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    PGD(Linf(0.1), steps=7)(model, x, y)
    assert len(calls) == 8
    calls.clear()
    PGD(Linf(0.1), steps=7, best=False)(model, x, y)
    assert len(calls) == 7
    # One step, evaluated: the attack of one step is that step, though the loss may be lower there.
    assert torch.equal(
        BIM(Linf(0.1), steps=1, step_size=0.1)(model, x, y),
        (x + 0.1 * gradient(model, x, y).sign()).clamp(0, 1),
    )


def gradient(model, x, y):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(nn.functional.cross_entropy(model(x), y, reduction="sum"), x)[0]


def test_more_steps_find_more(bumpy):
    model, x, y = bumpy
    losses = [loss_of(model, BIM(Linf(0.2), steps=n)(model, x, y), y).mean() for n in (1, 4, 32)]
    assert losses[0] < losses[1] < losses[2]
    assert loss_of(model, FGSM(Linf(0.2))(model, x, y), y).mean() < losses[1]


def test_default_step_reaches_the_edge():
    x, y = torch.full((4, 3), 0.5), torch.zeros(4, dtype=torch.int64)
    model = nn.Linear(3, 2)
    for steps in (1, 5, 40):
        x_adv = PGD(Linf(0.25), steps=steps)(model, x, y)
        torch.testing.assert_close((x_adv - x).abs(), torch.full_like(x, 0.25))


def test_step_larger_than_eps_works(bumpy):
    model, x, y = bumpy
    x_adv = PGD(Linf(0.1), steps=5, step_size=1.0)(model, x, y)
    assert (x_adv - x).abs().max() <= 0.1 + 1e-12


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.3), L1(0.4), L2(torch.linspace(0.1, 0.4, 40))])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_step_far_larger_than_eps_goes_from_edge_to_edge(bumpy, threat, momentum):
    model, x, y = bumpy
    x = 0.5 + 0.01 * x  # the range is out of reach
    eps = torch.as_tensor(threat.eps).expand(40).double()
    x_adv = BIM(threat, steps=4, step_size=10 * eps, momentum=momentum)(model, x, y)
    torch.testing.assert_close(threat.norm(x_adv - x), eps)
    assert (loss_of(model, x_adv, y) > loss_of(model, x, y)).float().mean() > 0.9


def test_cross_entropy_is_blind_on_saturated_logits_and_the_margin_is_not():
    torch.manual_seed(0)
    net = nn.Linear(20, 4)
    x = torch.rand(200, 20)
    y = net(x).argmax(1)

    def saturated(x):
        return 10_000 * net(x)

    def robust(loss):
        with (
            pytest.warns(UserWarning, match="gradient that was zero")
            if loss is cross_entropy
            else nullcontext()
        ):
            x_adv = PGD(Linf(0.3), steps=20, loss=loss)(saturated, x, y, torch.arange(200))
        return (net(x_adv).argmax(1) == y).float().mean()

    assert robust(cross_entropy) > 0.5
    assert robust(margin_loss) < 0.05


def test_momentum_is_dong_et_al(bumpy):
    model, x, y = bumpy
    point, velocity = x, torch.zeros_like(x)
    for _ in range(4):
        g = gradient(model, point, y)
        velocity = 0.9 * velocity + g / g.abs().mean(dim=1, keepdim=True)
        point = (x + (point + 0.05 * velocity.sign() - x).clamp(-0.1, 0.1)).clamp(0, 1)
    ours = BIM(Linf(0.1), steps=4, step_size=0.05, momentum=0.9, best=False)(model, x, y)
    torch.testing.assert_close(ours, point)


def test_the_same_generator_state_gives_the_same_bits(bumpy):
    model, x, y = bumpy
    attack = PGD(L2(0.3), steps=3, restarts=2)
    one = attack(model, x, y, torch.Generator().manual_seed(5))
    assert torch.equal(one, attack(model, x, y, torch.Generator().manual_seed(5)))
    assert not torch.equal(one, attack(model, x, y, torch.Generator().manual_seed(6)))
    torch.manual_seed(5)
    with_global = attack(model, x, y)
    torch.manual_seed(5)
    assert torch.equal(with_global, attack(model, x, y))


def test_an_attack_is_a_value():
    attack = PGD(Linf(0.3), steps=7)
    assert attack == PGD(Linf(0.3), steps=7)
    assert copy.deepcopy(attack) == attack
    assert attack.scaled(0.5) == PGD(Linf(0.15), steps=7)
    assert PGD(Linf(0.3), step_size=0.1).scaled(0.5).step_size == 0.05
    with pytest.raises(AttributeError):
        attack.steps = 8


@pytest.mark.parametrize("threat", [Linf(0.1), L2(1.5), Linf(torch.linspace(0.02, 0.2, 200))])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_early_stop_decides_the_same_samples(threat, momentum):
    model = zoo.mnist_natural().double()
    x, y = data.mnist("test", size=200)
    x, seeds = x.double(), torch.arange(200)
    attack = PGD(threat, steps=6, restarts=2, momentum=momentum)
    passes = 0

    def counted(x):
        nonlocal passes
        passes += len(x)
        return model(x)

    def fooled(attack):
        x_adv = attack(counted, x, y, seeds)
        assert (threat.norm(x_adv - x) <= threat.eps * (1 + 1e-9)).all()
        return model(x_adv).argmax(1) != y

    slow, full = fooled(attack), passes
    passes = 0
    assert torch.equal(fooled(dataclasses.replace(attack, early_stop=True)), slow)
    assert 20 < slow.sum() < 180
    assert passes < full * (1 - 0.5 * slow.double().mean())


def test_early_stop_wants_to_see_every_step():
    with pytest.raises(ValueError, match="choose one of them"):
        PGD(Linf(0.1), best=False, early_stop=True)


class Towards:
    """The nearer to a point the better: an objective that is no classifier's."""

    def __init__(self, goal):
        self.goal = goal

    def __call__(self, point):
        return -(point - self.goal).square().sum(dim=1), None

    def rows(self, rows):
        return Towards(self.goal[rows])


def test_any_objective_is_climbed_inside_threat_and_bounds():
    torch.manual_seed(0)
    x, goal = torch.rand(9, 5), 3 * torch.rand(9, 5) - 1
    attack = PGD(Linf(0.2), steps=80, step_size=0.02, restarts=2)
    nearest = goal.clamp(x - 0.2, x + 0.2).clamp(0, 1)
    torch.testing.assert_close(attack.climb(Towards(goal), x), nearest, atol=0.02, rtol=0)


def test_a_given_start_is_begun_at():
    x, goal, start = torch.full((3, 4), 0.5), torch.full((3, 4), 0.9), torch.full((3, 4), 0.45)
    attack = PGD(Linf(0.2), steps=1, step_size=0.05, best=False)
    torch.testing.assert_close(attack.climb(Towards(goal), x, start=start), start + 0.05)
