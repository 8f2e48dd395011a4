"""No bound is above the truth: 10,000 exact margins, exact arithmetic, every order of summation, and huge weights."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
import torch
from torch import nn

from advnotes.attacks import PGD
from advnotes.defences import certify, exact_margin, interval_bounds, linear_margins
from advnotes.nets import mlp
from advnotes.threats import L1, L2, Linf
from tests.advnotes.defences.networks import networks


def random_network(*sizes, seed):
    generator = torch.Generator().manual_seed(seed)
    model = mlp(*sizes)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model.eval()


def exact_in_the_plane(model, low, high):
    """The least difference of two logits in boxes of the plane, for a network with two hidden layers, in float64.

    Where it is known which rectifiers of the first layer are on, all rectifiers are on or off on the two sides of
    straight lines, between which the difference is linear: it is least where two of these lines, or of the sides of
    the box, meet.
    """
    (w1, b1), (w2, b2), (w3, b3) = [
        (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy())
        for layer in model
        if isinstance(layer, nn.Linear)
    ]

    def value(point):
        hidden = np.maximum(np.maximum(point @ w1.T + b1, 0) @ w2.T + b2, 0)
        return hidden @ (w3[0] - w3[1]) + b3[0] - b3[1]

    corners = np.stack([np.where(sides, high, low) for sides in product([True, False], repeat=2)])
    least = value(corners).min(axis=0)
    for on in product([0.0, 1.0], repeat=len(b1)):
        lines = [(normal, np.full(len(low), shift)) for normal, shift in zip(w1, b1, strict=True)]
        lines += list(
            zip(
                w2 @ (np.array(on)[:, None] * w1),
                [np.full(len(low), s) for s in w2 @ (on * b1) + b2],
                strict=True,
            )
        )
        for side in range(2):
            lines += [(np.eye(2)[side], -low[:, side]), (np.eye(2)[side], -high[:, side])]
        for (first, c), (second, d) in combinations(lines, 2):
            matrix = np.stack([first, second])
            if abs(np.linalg.det(matrix)) > 1e-9:
                point = np.linalg.solve(matrix, -np.stack([c, d])).T.clip(
                    low, high
                )  # every point of the box may count
                least = np.minimum(least, value(point))
    return torch.from_numpy(least)


def test_no_bound_is_above_the_exact_margin_in_10_000_cases():
    cases, closed = 0, 0
    for seed in range(40):
        model = random_network(2, 3, 3, 2, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        x, y = torch.rand(250, 2, generator=generator), torch.zeros(250, dtype=torch.long)
        eps = 0.3 * torch.rand(250, generator=generator)
        low, high = (x - eps[:, None]).clamp(0, 1), (x + eps[:, None]).clamp(0, 1)
        exact = exact_in_the_plane(model, low.double().numpy(), high.double().numpy())
        lowest, highest = interval_bounds(model, low, high)
        assert bool((lowest[:, 0] - highest[:, 1] <= exact).all())
        linear = linear_margins(model, x, y, Linf(eps))[:, 1]
        better = linear_margins(model, x, y, Linf(eps), steps=3)[:, 1]
        assert bool((linear <= exact).all())
        assert bool((better <= exact).all())
        cases, closed = cases + len(x), closed + int((better > exact - 1e-2).sum())
    assert cases == 10_000
    assert closed > 3_000  # and many are the exact margin but for rounding: the oracle and the bounds meet


def test_what_is_proved_by_cases_is_true_and_what_is_true_is_proved():
    for seed in range(8):
        model = random_network(2, 6, 6, 2, seed=seed)
        x = torch.rand(20, 2, generator=torch.Generator().manual_seed(seed))
        y = model(x).argmax(dim=1)
        found = certify(model, x, y, Linf(0.1))
        exact = exact_margin(model, x, y, Linf(0.1)).margin
        assert bool((found.margin <= exact + 1e-6).all())
        assert bool((found.proved | (exact < 5e-3)).all())
        assert not bool((found.proved & (exact <= 0)).any())


def in_some_order(values, rng):
    """A sum in float32, added in some order, as a processor may."""
    total = np.float32(0)
    for value in rng.permutation(np.asarray(values, dtype=np.float32)):
        total = np.float32(total + value)
    return total


def test_exact_and_rounded_networks_stay_inside():
    """Logits in fractions, and in float32 added in random orders, at random points of the box."""
    rng = np.random.default_rng(0)
    for seed in range(6):
        model = random_network(5, 6, 6, 3, seed=seed)
        for parameter in model.parameters():
            parameter.data *= 10.0 ** (seed - 2)
        x = torch.rand(1, 5, generator=torch.Generator().manual_seed(seed))
        eps = [0.0, 1e-6, 0.1][seed % 3]
        low, high = (end.tolist()[0] for end in interval_bounds(model, x - eps, x + eps))
        layers = [layer for layer in model if isinstance(layer, nn.Linear)]
        for trial in range(12):
            point = torch.lerp(
                x - eps, x + eps, torch.from_numpy(rng.random((1, 5)).round(trial % 2)).float()
            )
            point = point.clamp(x - eps, x + eps)
            exact = [Fraction(float(value)) for value in point[0]]
            rounded = [np.float32(value) for value in point[0]]
            for i, layer in enumerate(layers):
                weight, bias = layer.weight.tolist(), layer.bias.tolist()
                exact = [
                    sum((Fraction(w) * v for w, v in zip(row, exact, strict=True)), Fraction(b))
                    for row, b in zip(weight, bias, strict=True)
                ]
                rounded = [
                    in_some_order(
                        [np.float32(w) * v for w, v in zip(row, rounded, strict=True)] + [np.float32(b)], rng
                    )
                    for row, b in zip(weight, bias, strict=True)
                ]
                if i + 1 < len(layers):
                    exact, rounded = (
                        [max(v, Fraction(0)) for v in exact],
                        [max(v, np.float32(0)) for v in rounded],
                    )
            for k in range(3):
                assert Fraction(low[k]) <= exact[k] <= Fraction(high[k])
                assert low[k] <= float(rounded[k]) <= high[k]


def cancelling(scale=2.0**25):
    """True for real numbers: 1/2 and 1 against 1/2. In float32 the 1 is lost beside the large number that cancels."""
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2))
    model[0].weight.data, model[0].bias.data = torch.tensor([[scale], [scale]]), torch.tensor([1.0, 0.0])
    model[2].weight.data, model[2].bias.data = (
        torch.tensor([[1.0, -1.0], [0.0, 0.0]]),
        torch.tensor([0.0, 0.5]),
    )
    return model.eval()


def test_a_proof_for_real_numbers_is_wrong_for_the_network_that_runs_and_ours_says_so():
    model, x, y = cancelling(), torch.ones(1, 1), torch.tensor([0])
    real = interval_bounds(model.double(), x.double(), x.double(), rounding=False)
    assert float(real[0][0, 0] - real[1][0, 1]) == 0.5  # a naive verifier: class 0 wins by a half
    model.float()
    assert model(x).argmax(dim=1).item() == 1  # the network says class 1
    assert not bool(certify(model, x, y, Linf(0.0)).proved)
    assert float(linear_margins(model, x, y, Linf(0.0))[0, 1]) < 0
    # In float64 the 1 is not lost.
    assert bool(certify(model.double(), x.double(), y, Linf(0.0)).proved)


def test_naive_bounds_in_float32_are_violated_and_ours_are_not():
    violated = 0
    for seed in range(40):
        model = random_network(30, 2, seed=seed)
        for parameter in model.parameters():
            parameter.data *= 1000
        x = torch.rand(50, 30, generator=torch.Generator().manual_seed(seed))
        naive = interval_bounds(model, x, x, rounding=False)
        low, high = interval_bounds(model, x, x)
        weight, bias = model[0].weight.detach(), model[0].bias.detach()
        for order in range(3):  # other orders of the same sum
            permuted = torch.randperm(30, generator=torch.Generator().manual_seed(order))
            logits = (bias + (x[:, None, permuted] * weight[:, permuted]).cumsum(dim=2)[..., -1]).double()
            violated += int(((logits < naive[0].double()) | (logits > naive[1].double())).sum())
            assert bool(((low <= logits) & (logits <= high)).all())
    assert violated > 100


@pytest.mark.parametrize("value", [math.inf, math.nan, 1e30, 3e38])
@pytest.mark.parametrize("where", [0, 2])
def test_nothing_is_proved_where_the_model_may_overflow(value, where):
    model = mlp(3, 4, 2).eval()
    model[where].weight.data[0, 0] = value
    model[0].bias.data[0] = 1e10
    x, y = torch.rand(4, 3), torch.zeros(4, dtype=torch.long)
    low, high = interval_bounds(model, x, x)
    assert not bool(low.isnan().any() | high.isnan().any())
    logits = model(x).double()
    finite = logits.isfinite()
    assert bool(((low <= logits) & (logits <= high))[finite].all())
    found = certify(model, x, y, Linf(0.1))
    assert not bool(found.margin.isnan().any())
    right = logits.argmax(dim=1) == y
    assert not bool((found.proved & ~(right & finite.all(dim=1))).any())
    assert not bool(certify(model, x, 1 - y, Linf(0.1)).proved[~finite.all(dim=1)].any())


def test_huge_weights_that_do_not_overflow_are_bounded():
    model = random_network(3, 4, 2, seed=0)
    model[0].weight.data *= 1e15
    model[2].weight.data *= 1e15
    x = torch.rand(5, 3)
    y = model(x).argmax(dim=1)
    found = certify(model, x, y, Linf(0.0))
    assert bool(found.proved.all())
    low, high = interval_bounds(model, x, x)
    assert bool(((low <= model(x)) & (model(x) <= high)).all())


@pytest.mark.parametrize("name", list(networks()))
@pytest.mark.parametrize("threat", [Linf(0.04), L2(0.25), L1(0.5)], ids=repr)
def test_no_attack_beats_a_certificate(name, threat):
    model = networks()[name]
    x = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    y = model(x).argmax(dim=1)
    found = certify(model, x, y, threat, branches=8)
    point = PGD(threat, steps=20, restarts=2)(model, x, y, torch.Generator().manual_seed(0))
    assert not bool((found.proved & (model(point).argmax(dim=1) != y)).any())
