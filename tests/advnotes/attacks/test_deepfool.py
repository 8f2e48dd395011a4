"""DeepFool: the exact distance for a linear classifier, and smaller changes than the fast gradient's smallest."""

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import FGSM, DeepFool
from advnotes.losses import margin
from advnotes.threats import L1, L2, Linf

NO_LIMIT = [Linf(float("inf")), L2(float("inf"))]
both_norms = pytest.mark.parametrize("threat", NO_LIMIT, ids=lambda threat: type(threat).__name__)


def affine(classes: int, size: int = 12, n: int = 8) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Linear(size, classes).double()
    x = 0.4 + 0.2 * torch.rand(n, size).double()
    return model, x, model(x).argmax(dim=1)


@both_norms
@pytest.mark.parametrize("classes", [2, 5])
def test_a_linear_classifiers_distance_is_found(threat, classes):
    """The gap over the dual norm of the difference of two rows, the smallest of all, and what is added to cross it."""
    model, x, y = affine(classes)
    attack = DeepFool(threat, bounds=(-10.0, 10.0))
    order = 1 if isinstance(threat, Linf) else 2
    gaps = model(x).gather(1, y[:, None]) - model(x)
    lengths = torch.linalg.vector_norm(model.weight - model.weight[y][:, None], order, dim=2)
    exact = (gaps / lengths).scatter(1, y[:, None], torch.inf).amin(dim=1).detach()
    x_adv = attack(model, x, y)
    assert (model(x_adv).argmax(dim=1) != y).all()
    torch.testing.assert_close(threat.norm(x_adv - x), 1.02 * (exact + 1e-4 * 20))


@both_norms
def test_it_needs_less_than_the_smallest_fast_gradient(threat):
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=60)
    found = DeepFool(threat)(model, x, y)
    assert (model(found).argmax(dim=1) != y).all()
    distance = threat.norm(found - x)
    smallest = torch.full_like(distance, torch.inf)
    for share in torch.linspace(1.0, 0.02, 50):
        eps = float(share) * (1.0 if isinstance(threat, Linf) else 8.0)
        fooled = model(FGSM(type(threat)(eps))(model, x, y)).argmax(dim=1) != y
        smallest = torch.where(fooled, eps, smallest)
    right = distance > 0
    assert distance[right].mean() < 0.85 * smallest[right & smallest.isfinite()].mean()
    assert (distance <= smallest)[right].float().mean() >= 0.95


def test_the_limit_decides_what_counts():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=40)
    distance = (DeepFool(L2(float("inf")))(model, x, y) - x).flatten(1).norm(dim=1)
    eps = distance * torch.tensor([0.7, 1.001]).repeat(20)
    x_adv = DeepFool(L2(eps))(model, x, y)
    assert ((x_adv - x).flatten(1).norm(dim=1) <= eps * (1 + 1e-5)).all()
    fooled = model(x_adv).argmax(dim=1) != y
    assert fooled[1::2].all()
    held = ~fooled
    assert int(held.sum()) >= 10
    assert (margin(model(x_adv), y) < margin(model(x), y))[held].all()


def test_fewer_candidates_cost_fewer_passes_and_may_miss_the_nearest_class():
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=40)
    threat = L2(float("inf"))
    distance = {k: threat.norm(DeepFool(threat, candidates=k)(model, x, y) - x) for k in (2, 10, None)}
    assert torch.equal(distance[10], distance[None]), "there are ten classes"
    assert distance[10].mean() < distance[2].mean()


def test_one_step_is_one_linear_model():
    model, x, y = affine(3)
    model = nn.Sequential(model, nn.Softplus())
    y = model(x).argmax(dim=1)
    calls = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    DeepFool(L2(float("inf")), steps=1)(model, x, y)
    # The clean point, its classes, the linear model, and what the step has reached.
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepFool(L1(1.0)), "for L1 use FAB"),
        (lambda: DeepFool(L2(1.0), targeted=True), r"FAB\(threat, targeted=True\) or CarliniWagner"),
        (lambda: DeepFool(L2(1.0), steps=0), "steps must be a whole number of at least 1"),
        (lambda: DeepFool(L2(1.0), overshoot=-0.1), "overshoot must be at least 0"),
        (lambda: DeepFool(L2(1.0), candidates=1), "candidates must be at least 2"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
