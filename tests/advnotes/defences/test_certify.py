"""Certificates: each sample goes as far as it must, and nothing else changes what is proved of it."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import PGD
from advnotes.defences import Unbounded, bounded_graph, certify, interval_bounds, linear_margins
from advnotes.losses import margin
from advnotes.nets import mlp
from advnotes.threats import L1, L2, Linf
from tests.advnotes.defences.networks import networks


@pytest.fixture(scope="module")
def digits():
    return data.mnist("test", size=12)


def test_of_the_robust_digits_nearly_all_are_proved_and_no_attack_contradicts(digits):
    model, (x, y) = zoo.mnist_robust(), digits
    found = certify(model, x, y, Linf(0.1), branches=32)
    assert int(found.proved.sum()) >= 11
    x_adv = PGD(Linf(0.1), steps=20)(model, x, y, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert not bool((found.proved & (model(x_adv).argmax(dim=1) != y)).any())
        assert bool((margin(model(x_adv), y).double() >= found.margin).all())
    assert not bool(certify(zoo.mnist_natural(), x[:6], y[:6], Linf(0.1), branches=0).proved.any())


@pytest.fixture(scope="module")
def deep():
    """A network with two hidden layers, and points of both of its classes."""
    model, generator = mlp(6, 20, 20, 2).eval(), torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data = 1.5 * torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5
    x = torch.rand(40, 6, generator=generator)
    with torch.no_grad():
        model[-1].bias -= model(x).mean(dim=0)
    return model, x, model(x).argmax(dim=1)


def test_a_wider_ball_takes_stronger_methods(deep):
    before, methods = torch.ones(40, dtype=torch.bool), set()
    for eps in (1e-3, 0.02, 0.05, 0.1):
        found = certify(*deep, Linf(eps))
        assert bool((before | ~found.proved).all())  # what is proved in a ball is proved in smaller ones
        assert [bool(method) for method in found.method] == found.proved.tolist()
        assert torch.equal(found.proved, found.margin > 0)
        before, methods = found.proved, methods | set(found.method)
    assert methods >= {"intervals", "linear", "branches", ""}


def test_more_branches_prove_more(deep):
    margins = [certify(*deep, Linf(0.05), branches=count).margin for count in (0, 8, 256)]
    for less, more in pairwise(margins):
        assert bool((less.clamp(max=0) <= more + 1e-9).all())
        assert bool(((less <= 0) | (more > 0)).all())
    assert int((margins[0] > 0).sum()) < int((margins[2] > 0).sum())


def test_what_is_not_proved_after_all_branches_is_broken_by_an_attack(deep):
    model, x, y = deep
    found = certify(model, x, y, Linf(0.05), branches=10_000)
    x_adv = PGD(Linf(0.05), steps=100, restarts=5)(model, x, y, torch.Generator().manual_seed(0))
    fooled = model(x_adv).argmax(dim=1) != y
    assert not bool((fooled & found.proved).any())
    assert int((~fooled & ~found.proved).sum()) <= 1


@pytest.mark.parametrize("threat", [Linf(0.03), L2(0.2), L1(0.4)], ids=repr)
def test_a_sample_has_the_same_certificate_in_any_batch(threat):
    model = networks()["residual"]
    x = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(dim=1)
    radii = type(threat)(torch.linspace(0.5, 1.5, 6) * threat.eps)
    together = certify(model, x, y, radii, branches=4)
    for row in (0, 5):
        alone = certify(
            model, x[row : row + 1], y[row : row + 1], radii.rows(slice(row, row + 1)), branches=4
        )
        torch.testing.assert_close(alone.margin, together.margin[row : row + 1], atol=1e-6, rtol=1e-6)
        assert alone.method == together.method[row : row + 1]
    order = torch.tensor([3, 1, 0, 5, 2, 4])
    turned = certify(model, x[order], y[order], radii.rows(order), branches=4)
    assert torch.equal(turned.proved, together.proved[order])


def test_what_has_another_class_is_not_proved_and_costs_nothing():
    model = networks()["mlp"]
    x = torch.rand(4, 1, 6, 6)
    y = (model(x).argmax(dim=1) + 1) % 3
    found = certify(model, x, y, Linf(0.0))
    assert not bool(found.proved.any())
    assert found.method == ("",) * 4


@pytest.mark.parametrize("threat", [Linf(0.0), L2(0.0), L1(0.0)], ids=repr)
def test_at_radius_0_what_has_a_clear_class_is_proved(threat):
    for model in networks().values():
        x = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
        logits = model(x)
        y = logits.argmax(dim=1)
        clear = margin(logits, y) > 1e-2
        assert bool(certify(model, x, y, threat).proved[clear].all())


def test_two_equal_logits_prove_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].weight.data.zero_()
    model[0].bias.data.zero_()
    assert not bool(
        certify(model.eval(), torch.rand(3, 2), torch.zeros(3, dtype=torch.long), Linf(0.1)).proved.any()
    )


def test_a_linear_model_has_no_cases_to_split():
    model = networks()["linear"]
    x = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(dim=1)
    found = certify(model, x, y, L2(1.5))
    torch.testing.assert_close(
        found.margin, linear_margins(model, x, y, L2(1.5)).amin(dim=1), atol=1e-6, rtol=1e-6
    )
    assert not bool(found.proved.all())


def test_coarser_products_are_counted_in():
    model = networks()["mlp"]
    x = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(dim=1)
    usual, before = linear_margins(model, x, y, Linf(0.01)), torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        coarse = linear_margins(model, x, y, Linf(0.01))
    finally:
        torch.set_float32_matmul_precision(before)
    others = torch.nn.functional.one_hot(y, 3) == 0
    assert bool((coarse < usual - 1e-3)[others].all())


def test_no_samples_and_no_seconds():
    model = networks()["mlp"]
    empty = certify(model, torch.rand(0, 1, 6, 6), torch.zeros(0, dtype=torch.long), Linf(0.1))
    assert empty.proved.shape == empty.margin.shape == (0,)
    assert empty.method == ()
    x = torch.rand(4, 1, 6, 6)
    y = model(x).argmax(dim=1)
    at_once = certify(model, x, y, Linf(0.2), seconds=0.0)  # intervals are always tried
    low, high = interval_bounds(model, (x - 0.2).clamp(0, 1), (x + 0.2).clamp(0, 1))
    lead = (low.gather(1, y[:, None]) - high.scatter(1, y[:, None], -torch.inf)).amin(dim=1)
    torch.testing.assert_close(at_once.margin, lead, atol=1e-3, rtol=1e-3)
    assert bool((certify(model, x, y, Linf(0.2), seconds=5.0).margin >= at_once.margin).all())


def test_the_model_stays_as_it_is():
    model = networks()["pooled"]
    state = copy.deepcopy(model.state_dict())
    x, rng = torch.rand(4, 1, 6, 6), torch.get_rng_state()
    kept = x.clone()
    certify(model, x, model(x).argmax(dim=1), Linf(0.1), branches=4)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.equal(x, kept)
    assert torch.equal(rng, torch.get_rng_state())


def test_a_graph_is_taken_for_a_model_and_certificates_are_found_without_gradients_too():
    model = networks()["mlp"]
    x = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(dim=1)
    usual = certify(model, x, y, Linf(0.06), branches=8)
    with torch.no_grad():
        again = certify(bounded_graph(model, x), x, y, Linf(0.06), branches=8)
    torch.testing.assert_close(usual.margin, again.margin)
    with torch.inference_mode():
        inside = certify(model, x, y, Linf(0.06), branches=8)
    torch.testing.assert_close(usual.margin, inside.margin)


def test_linear_margins_are_what_proves_by_lines():
    model = networks()["strided"]
    x = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(dim=1)
    found = certify(model, x, y, Linf(0.05), branches=0)
    lines = linear_margins(model, x, y, Linf(0.05)).amin(dim=1) > 0
    assert all(found.method[row] in ("intervals", "linear") for row in lines.nonzero().flatten())


def test_what_cannot_be_bounded_says_why():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return self.layer(x + 0.1 * torch.randn_like(x))

    x, y = torch.rand(2, 3), torch.tensor([0, 1])
    with pytest.raises(Unbounded, match="random"):
        certify(Noisy().eval(), x, y, Linf(0.1))
    with pytest.raises(Unbounded, match=r"1 \(Sigmoid\)"):
        certify(nn.Sequential(nn.Linear(3, 2), nn.Sigmoid()).eval(), x, y, Linf(0.1))
    with pytest.raises(ValueError, match="within"):
        certify(mlp(3, 2).eval(), x + 2, y, Linf(0.1))
    with pytest.raises(ValueError, match="finite radius"):
        certify(mlp(3, 2).eval(), x, y, Linf(float("inf")))
    with pytest.raises(ValueError, match="there are 2"):
        certify(mlp(3, 2).eval(), x, y, Linf(torch.tensor([0.1, 0.2, 0.3])))
