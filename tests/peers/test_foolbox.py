"""Our attacks against foolbox's: the same network, the same digits, the same answers, or a reason why not.

In float64, where a difference in rounding cannot turn the sign of a gradient.
"""

from typing import Any

import eagerpy
import foolbox
import pytest
import torch
from foolbox.attacks.gradient_descent_base import (
    L1BaseGradientDescent,
    L2BaseGradientDescent,
    LinfBaseGradientDescent,
)
from torch import Tensor

from advnotes import BIM, FGSM, L1, L2, PGD, Linf, data, zoo
from advnotes.attacks import Attack
from advnotes.threats import Threat

SIZE = 100
GRADIENT_DESCENT = {
    Linf: foolbox.attacks.LinfProjectedGradientDescentAttack,
    L2: foolbox.attacks.L2ProjectedGradientDescentAttack,
    L1: foolbox.attacks.L1ProjectedGradientDescentAttack,
}
PROJECTION = {Linf: LinfBaseGradientDescent, L2: L2BaseGradientDescent, L1: L1BaseGradientDescent}


@pytest.fixture(scope="module")
def model() -> zoo.Trained:
    return zoo.mnist_natural().double()


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    x, y = data.mnist("test", size=SIZE)
    return x.double(), y


@pytest.fixture(scope="module")
def grey(digits: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Digits of low contrast: no attack of the tests gets near the ends of the range."""
    x, y = digits
    return 0.3 + 0.4 * x, y


def theirs(attack: Any, model: zoo.Trained, x: Tensor, y: Tensor, eps: float) -> Tensor:
    adversarial: Tensor = attack(foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilons=eps)[1]
    return adversarial


def descent(threat: Threat, steps: int, step_size: float, random_start: bool = False) -> Any:
    kind = GRADIENT_DESCENT[type(threat)]
    return kind(steps=steps, abs_stepsize=step_size, random_start=random_start)


def right(model: zoo.Trained, x: Tensor, y: Tensor) -> int:
    """How many digits are read correctly."""
    with torch.no_grad():
        return int((model(x).argmax(1) == y).sum())


def same(ours: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(ours, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("eps", [0.05, 0.25])
def test_fgsm_is_the_same(model: zoo.Trained, digits: tuple[Tensor, Tensor], eps: float) -> None:
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    same(FGSM(Linf(eps))(model, *digits), theirs(attack, model, *digits, eps))


def test_the_fast_gradient_of_length_eps_is_the_same(model: zoo.Trained, grey: tuple[Tensor, Tensor]) -> None:
    attack = foolbox.attacks.L2FastGradientAttack(random_start=False)
    same(FGSM(L2(0.25))(model, *grey), theirs(attack, model, *grey, 0.25))


def test_bim_is_the_same(model: zoo.Trained, digits: tuple[Tensor, Tensor]) -> None:
    threat = Linf(0.1)
    ours = BIM(threat, steps=10, step_size=0.03, best=False)(model, *digits)
    same(ours, theirs(descent(threat, 10, 0.03), model, *digits, 0.1))


def test_bim_in_l2_is_the_same_away_from_the_ends_of_the_range(
    model: zoo.Trained, grey: tuple[Tensor, Tensor]
) -> None:
    threat = L2(0.25)
    ours = BIM(threat, steps=10, step_size=0.06, best=False)(model, *grey)
    assert float(ours.min()) > 0.01
    assert float(ours.max()) < 0.99
    same(ours, theirs(descent(threat, 10, 0.06), model, *grey, 0.25))


def test_a_targeted_bim_is_the_same(model: zoo.Trained, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    target = (y + 1) % 10
    ours = BIM(Linf(0.1), steps=10, step_size=0.03, best=False, targeted=True)(model, x, target)
    criterion: Any = foolbox.criteria.TargetedMisclassification(target)
    same(ours, theirs(descent(Linf(0.1), 10, 0.03), model, x, criterion, 0.1))


@pytest.mark.parametrize(("threat", "fewest", "most"), [(Linf(0.1), 20, 80), (L2(1.2), 20, 80)])
def test_pgd_finds_as_many(
    model: zoo.Trained, digits: tuple[Tensor, Tensor], threat: Threat, fewest: int, most: int
) -> None:
    x, y = digits
    step_size = threat.eps / 4
    ours: Attack = PGD(threat, steps=20, step_size=step_size)
    torch.manual_seed(0)
    left = right(model, ours(model, x, y), y)
    peer = right(model, theirs(descent(threat, 20, step_size, True), model, x, y, threat.eps), y)
    assert fewest < peer < most, "too strong or too weak a threat to compare attacks by"
    # Theirs returns the last step and ours the best one. In L2 ours also spends no part of a step on pixels that
    # are black or white already, which on digits are most of them: there it may only be the stronger one.
    assert left <= peer + 1
    if isinstance(threat, Linf):
        assert left >= peer - 2


def test_our_pgd_in_l1_finds_more(model: zoo.Trained, digits: tuple[Tensor, Tensor]) -> None:
    """Theirs steps along the gradient itself, which spreads the step thinly over all pixels; and see below."""
    x, y = digits
    threat = L1(8.0)
    left = right(model, PGD(threat, steps=20, step_size=2.0)(model, x, y), y)
    peer = right(model, theirs(descent(threat, 20, 2.0, True), model, x, y, 8.0), y)
    assert left < peer - 10


@pytest.mark.parametrize("threat", [Linf(0.1), L2(1.0)])
def test_projections_are_the_same(threat: Threat) -> None:
    torch.manual_seed(0)
    delta = 0.2 * torch.randn(50, 1, 6, 6).double() * torch.rand(50, 1, 1, 1)
    same(threat.project(delta), their_projection(threat, delta))


def test_our_l1_projection_is_the_nearest_point_and_theirs_is_not() -> None:
    """Theirs shrinks all coordinates by one factor, ours by one amount: the nearest point is sparse."""
    threat = L1(2.0)
    delta = torch.tensor([[3.0, 1.0, 0.0]]).double()
    same(threat.project(delta), torch.tensor([[2.0, 0.0, 0.0]]).double())
    same(their_projection(threat, delta), torch.tensor([[1.5, 0.5, 0.0]]).double())
    torch.manual_seed(0)
    many = torch.randn(200, 10).double()
    ours, peer = threat.project(many), their_projection(threat, many)
    outside = threat.norm(many) > 2
    assert outside.any()
    same(ours[~outside], peer[~outside])
    assert ((ours - many).norm(dim=1) < (peer - many).norm(dim=1))[outside].all()


def their_projection(threat: Threat, delta: Tensor) -> Tensor:
    zero = eagerpy.astensor(torch.zeros_like(delta))
    projected: Tensor = PROJECTION[type(threat)].project(None, eagerpy.astensor(delta), zero, threat.eps).raw
    return projected
