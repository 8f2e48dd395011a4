"""FAB and FAB-T: the exact distance where it is known, and the contract of attacks of the least norm."""

import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import BIM, FAB, DeepFool, TargetedFAB
from advnotes.attacks.parts.boundary import ManyClassesWarning, input_jacobian
from advnotes.attacks.parts.hyperplane import shortest_way
from advnotes.losses import margin
from advnotes.threats import L1, L2, Linf

NO_LIMIT = [Linf(float("inf")), L2(float("inf")), L1(float("inf"))]
every_norm = pytest.mark.parametrize("threat", NO_LIMIT, ids=lambda threat: type(threat).__name__)
both = pytest.mark.parametrize("kind", [FAB, TargetedFAB])


def affine(classes: int = 5, size: int = 12, n: int = 8) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Linear(size, classes).double()
    x = 0.3 + 0.4 * torch.rand(n, size).double()
    x[: n // 2, : size // 2] = 0  # at the end of the range
    return model, x, model(x).argmax(dim=1)


def exact_distance(model: nn.Linear, x: torch.Tensor, y: torch.Tensor, threat) -> torch.Tensor:
    """The shortest of the ways to the boundaries with every other class."""
    logits, lengths = model(x).detach(), []
    for other in range(model.out_features):
        normal, gap = model.weight[other] - model.weight[y], logits[range(len(y)), y] - logits[:, other]
        way = shortest_way(threat, x, normal.detach(), gap, (0.0, 1.0))
        reached = ((way * normal).sum(dim=1) - gap).abs() < 1e-9
        lengths.append(threat.norm(way).masked_fill((y == other) | ~reached, torch.inf))
    return torch.stack(lengths).amin(dim=0).detach()


@both
@every_norm
def test_a_linear_classifiers_distance_is_found(kind, threat):
    model, x, y = affine()
    x_adv = kind(threat, steps=20)(model, x, y)
    expected = exact_distance(model, x, y, threat)
    assert expected.isfinite().all()
    assert (model(x_adv).argmax(dim=1) != y).all()
    torch.testing.assert_close(threat.norm(x_adv - x), expected, rtol=3e-4, atol=0)


@both
@every_norm
def test_two_classes_are_enough(kind, threat):
    model, x, y = affine(classes=2)
    x_adv = kind(threat, steps=20)(model, x, y)
    assert (model(x_adv).argmax(dim=1) != y).all()
    torch.testing.assert_close(threat.norm(x_adv - x), exact_distance(model, x, y, threat), rtol=3e-4, atol=0)


@pytest.mark.parametrize("threat", NO_LIMIT[::2], ids=["Linf", "L1"])
def test_a_chosen_class_is_reached_near_its_own_distance(threat):
    """The nearest point of a class that must beat several others may lie in a corner, and then FAB stays off."""
    model, x, y = affine(classes=3)
    target = model(x).argmin(dim=1)
    x_adv = FAB(threat, steps=100, targeted=True)(model, x, target)
    assert (model(x_adv).argmax(dim=1) == target).all()
    distance = threat.norm(x_adv - x)
    exact = torch.tensor([target_distance(model, *row, threat) for row in zip(x, target, strict=True)])
    assert (distance >= exact * (1 - 1e-6)).all()
    assert int((distance <= exact * 1.001).sum()) >= 6
    assert (distance <= exact * 1.4).all()
    assert (distance > 1.3 * exact_distance(model, x, y, threat)).any(), "some other class is nearer"


def target_distance(model: nn.Linear, x: torch.Tensor, target: torch.Tensor, threat) -> float:
    """The least Linf or L1 norm of a change in the box that makes the target the likeliest class: a linear program."""
    weight, bias, size = model.weight.detach().numpy(), model.bias.detach().numpy(), len(x)
    others = np.arange(len(bias)) != int(target)
    lead, behind = weight[~others] - weight[others], bias[others] - bias[~others]
    count = 1 if isinstance(threat, Linf) else size
    cover = np.ones((size, 1)) if count == 1 else np.eye(size)
    solved = linprog(
        np.r_[np.zeros(size), np.ones(count)],
        A_ub=np.block(
            [[-lead, np.zeros((len(lead), count))], [np.eye(size), -cover], [-np.eye(size), -cover]]
        ),
        b_ub=np.r_[lead @ x.numpy() - behind, np.zeros(2 * size)],
        bounds=[*zip(-x.numpy(), 1 - x.numpy(), strict=True), *[(0, None)] * count],
    )
    assert solved.success
    return float(solved.fun)


@both
def test_distances_decide_what_is_fooled(kind):
    """Each sample's own eps just above and just below its distance."""
    model, x, y = affine()
    distance = exact_distance(model, x, y, L2(1.0))
    attack = kind(L2(distance * torch.tensor([0.97, 1.02]).repeat(4)), steps=20)
    x_adv = attack(model, x, y)
    assert (model(x_adv).argmax(dim=1) != y).tolist() == [False, True] * 4
    assert ((x_adv - x).norm(dim=1) <= attack.threat.eps * (1 + 1e-9)).all()


@both
def test_samples_that_are_not_fooled_come_back_worse_than_clean(kind):
    model, x, y = affine()
    threat = L2(0.5 * float(exact_distance(model, x, y, L2(1.0)).min()))
    x_adv = kind(threat, steps=5)(model, x, y)
    assert (model(x_adv).argmax(dim=1) == y).all()
    assert (margin(model(x_adv), y) < margin(model(x), y)).all()
    torch.testing.assert_close(threat.norm(x_adv - x), torch.full((8,), threat.eps).double())


@both
def test_what_is_wrong_already_is_its_own_nearest_point(kind):
    model, x, y = affine()
    wrong = (y + 1) % 5
    wrong[0] = y[0]
    x_adv = kind(Linf(float("inf")), steps=5)(model, x, wrong)
    assert torch.equal(x_adv[1:], x[1:])
    assert not torch.equal(x_adv[0], x[0])


@both
def test_stopping_early_gives_the_same_verdicts_in_fewer_passes(kind):
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=40)
    attack, samples = kind(Linf(0.1), steps=10), []
    model.register_forward_pre_hook(lambda _, inputs: samples.append(len(inputs[0])))
    full = attack(model, x, y)
    whole = sum(samples)
    samples.clear()
    early = type(attack)(Linf(0.1), steps=10, early_stop=True)(model, x, y)
    assert sum(samples) < 0.8 * whole
    fooled = model(full).argmax(dim=1) != y
    assert torch.equal(model(early).argmax(dim=1) != y, fooled)
    assert 5 < int(fooled.sum()) < 35
    assert ((full - x).flatten(1).abs().amax(dim=1) <= (early - x).flatten(1).abs().amax(dim=1))[fooled].all()


def test_it_needs_less_than_pgd_of_the_same_verdict():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=40)
    found = FAB(Linf(float("inf")), steps=30)(model, x, y)
    distance = (found - x).flatten(1).abs().amax(dim=1)
    assert (model(found).argmax(dim=1) != y).all()
    eps = (0.95 * distance).clamp_min(1e-3)
    beaten = model(BIM(Linf(eps), steps=30)(model, x, y)).argmax(dim=1) != y
    assert beaten.float().mean() <= 0.1


def test_restarts_help_and_come_from_the_seeds():
    model, (x, y) = zoo.mnist_robust(), data.mnist("test", size=12)
    threat, seeds = L2(float("inf")), torch.arange(12)

    def distance(restarts: int, seeds: torch.Tensor = seeds) -> torch.Tensor:
        return threat.norm(FAB(threat, steps=8, restarts=restarts)(model, x, y, seeds) - x)

    one, three = distance(1), distance(3)
    assert (three <= one + 1e-6).all()
    assert (three < 0.98 * one).any()
    assert torch.equal(distance(3), three)
    assert not torch.equal(distance(3, seeds + 1), three)
    assert torch.equal(distance(1, seeds + 1), one)


def test_the_scale_of_the_logits_does_not_matter():
    model, x, y = affine()
    expected = FAB(L2(float("inf")), steps=10)(model, x, y)
    for scale in (2.0**-30, 2.0**30):
        torch.testing.assert_close(
            FAB(L2(float("inf")), steps=10)(lambda z, s=scale: s * model(z), x, y), expected
        )


def test_other_ranges_are_fine():
    model, x, y = affine()
    moved = FAB(Linf(float("inf")), steps=10, bounds=(-5.0, 5.0))(
        lambda z: model(z / 10 + 0.5), 10 * x - 5, y
    )
    expected = exact_distance(model, x, y, Linf(1.0))
    torch.testing.assert_close((moved - (10 * x - 5)).abs().amax(dim=1) / 10, expected, rtol=3e-4, atol=0)


def test_slopes_are_the_rows_of_the_jacobian():
    model, x, _ = affine(classes=3)
    net = nn.Sequential(model, nn.Tanh())
    values, gradients = input_jacobian(net, x)
    assert torch.equal(values, net(x))
    for i in range(len(x)):
        torch.testing.assert_close(gradients[i], torch.autograd.functional.jacobian(net, x[i]))


def test_a_model_without_slopes_is_refused():
    x = torch.rand(4, 6)
    with pytest.raises(ValueError, match="do not depend on the input in a differentiable way"):
        FAB(L2(1.0), steps=3)(lambda z: z.detach(), x, x.argmax(dim=1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FAB(L2(1.0), steps=0), "steps must be a whole number of at least 1"),
        (lambda: FAB(L2(1.0), restarts=0), "restarts must be a whole number of at least 1"),
        (lambda: FAB(L2(1.0), alpha_max=1.5), r"alpha_max in \[0, 1\]"),
        (lambda: FAB(L2(1.0), eta=0.9), "eta of at least 1"),
        (lambda: FAB(L2(1.0), beta=1.0), r"beta in \(0, 1\)"),
        (lambda: TargetedFAB(L2(1.0), targets=0), "targets must be a whole number of at least 1"),
        (lambda: TargetedFAB(L2(1.0), targeted=True), r"use FAB\(threat, targeted=True\)"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_many_classes_are_a_warning_that_names_the_cost_and_what_costs_less():
    torch.manual_seed(0)
    x = torch.rand(3, 8)
    model = nn.Linear(8, 60)
    y = model(x).argmax(dim=1)
    with pytest.warns(
        ManyClassesWarning, match=r"59 backward passes.*236 backward passes.*TargetedFAB\(threat\)"
    ):
        FAB(Linf(0.02), steps=2, restarts=2)(model, x, y)
    with pytest.warns(ManyClassesWarning, match=r"59 backward passes.*118 backward passes.*candidates=10"):
        DeepFool(Linf(0.02), steps=2, candidates=None)(model, x, y)
    few = nn.Linear(8, 49)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ManyClassesWarning)
        TargetedFAB(Linf(0.02), steps=2)(model, x, y)
        FAB(Linf(0.02), steps=2, targeted=True)(model, x, y)
        DeepFool(Linf(0.02), steps=2)(model, x, y)
        FAB(Linf(0.02), steps=2)(few, x, few(x).argmax(dim=1))
        DeepFool(Linf(0.02), steps=2, candidates=None)(few, x, few(x).argmax(dim=1))
