"""The exact margin: every activation pattern on its own, mixed integers, closed forms, and what is refused."""

from __future__ import annotations

import copy
from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from advnotes.attacks import PGD
from advnotes.defences import exact_margin
from advnotes.losses import margin, margin_loss
from advnotes.nets import Normalize, mlp
from advnotes.threats import L2, Linf


def network(*sizes: int, seed: int = 0, scale: float = 2.5) -> nn.Sequential:
    torch.manual_seed(seed)
    model = mlp(*sizes)
    for parameter in model.parameters():
        parameter.data *= scale
    return model


def by_patterns(model: nn.Sequential, x: torch.Tensor, y: int, eps: float) -> float:
    """The least margin of a network with one or two hidden layers: a linear programme for each pattern of them."""
    weights = [layer.weight.detach().double().numpy() for layer in model if isinstance(layer, nn.Linear)]
    shifts = [layer.bias.detach().double().numpy() for layer in model if isinstance(layer, nn.Linear)]
    centre = x.double().numpy()
    box = list(zip((centre - eps).clip(0, 1), (centre + eps).clip(0, 1), strict=True))
    best = np.inf
    for pattern in product([0.0, 1.0], repeat=sum(len(shift) for shift in shifts[:-1])):
        signs, matrix, shift, rows, ends = list(pattern), np.eye(len(centre)), np.zeros(len(centre)), [], []
        for weight, bias in zip(weights[:-1], shifts[:-1], strict=True):
            matrix, shift = weight @ matrix, weight @ shift + bias
            on, signs = np.array(signs[: len(shift)]), signs[len(shift) :]
            rows.append((1 - 2 * on)[:, None] * matrix)  # on: the input is not negative; off: not positive
            ends.append((2 * on - 1) * shift)
            matrix, shift = on[:, None] * matrix, on * shift
        matrix, shift = weights[-1] @ matrix, weights[-1] @ shift + shifts[-1]
        for other in set(range(len(shift))) - {y}:
            answer = linprog(
                matrix[y] - matrix[other], np.concatenate(rows), np.concatenate(ends), bounds=box
            )
            if answer.status == 0:
                best = min(best, answer.fun + shift[y] - shift[other])
    return best


@pytest.mark.parametrize("sizes", [(3, 6, 3), (2, 3, 3, 2), (4, 5, 4)])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_least_over_all_patterns(sizes, seed):
    model = network(*sizes, seed=seed)
    x = torch.rand(1, sizes[0])
    y = model(x).argmax(dim=1)
    found = exact_margin(model, x, y, Linf(0.3))
    assert found.margin.item() == pytest.approx(by_patterns(model, x[0], int(y), 0.3), abs=1e-5)
    assert 0 <= found.margin - found.lower <= 2e-6
    # The worst input shows it, and is where it may be.
    shown = margin(model.double()(found.x_adv.double()), y)
    torch.testing.assert_close(shown, found.margin, atol=1e-4, rtol=0)
    assert (found.x_adv - x).abs().max() <= 0.3 + 1e-6
    assert found.x_adv.min() >= 0
    assert found.x_adv.max() <= 1
    assert found.x_adv.dtype == x.dtype


def test_no_attack_goes_below_and_a_strong_one_gets_there():
    model = network(6, 12, 8, 3)
    x = torch.rand(6, 6)
    y = model(x).argmax(dim=1)
    found = exact_margin(model, x, y, Linf(0.15))
    attack = PGD(Linf(0.15), steps=60, restarts=10, loss=margin_loss)
    model = model.double()
    reached = margin(model(attack(model, x.double(), y, generator=torch.Generator().manual_seed(0))), y)
    assert (reached >= found.lower - 1e-6).all()
    assert (reached - found.margin).median() < 1e-3


def test_a_linear_network_is_known_in_closed_form():
    model = nn.Linear(5, 3).double()
    x = torch.rand(4, 5, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 0])
    found = exact_margin(model, x, y, Linf(0.1), bounds=(-10.0, 10.0))
    gaps = model.weight[y][:, None] - model.weight
    values = (
        (gaps * x[:, None]).sum(dim=2) + model.bias[y][:, None] - model.bias - 0.1 * gaps.abs().sum(dim=2)
    )
    expected = values.scatter(1, y[:, None], torch.inf).amin(dim=1)
    torch.testing.assert_close(found.margin, expected.detach())


def test_without_a_radius_it_is_the_margin():
    model = network(4, 8, 3)
    x, y = torch.rand(3, 4), torch.tensor([0, 1, 2])
    found = exact_margin(model, x, y, Linf(0.0))
    torch.testing.assert_close(found.margin, margin(model.double()(x.double()), y).detach())
    assert torch.equal(found.x_adv, x)


def test_each_sample_has_its_own_radius():
    model = network(4, 8, 3)
    x, y = torch.rand(3, 4), torch.tensor([0, 1, 2])
    together = exact_margin(model, x, y, Linf(torch.tensor([0.05, 0.1, 0.2]))).margin
    alone = [
        exact_margin(model, x[i : i + 1], y[i : i + 1], Linf(eps)).margin
        for i, eps in enumerate([0.05, 0.1, 0.2])
    ]
    torch.testing.assert_close(together, torch.cat(alone), atol=2e-6, rtol=0)


def test_convolutions_and_normalisations_are_matrices():
    torch.manual_seed(0)
    model = nn.Sequential(
        Normalize([0.3], [0.5]), nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.BatchNorm2d(2), nn.ReLU(),
        nn.AvgPool2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Sequential(nn.Linear(2, 6), nn.ReLU()), nn.Linear(6, 3),
    )  # fmt: skip
    model(3 * torch.rand(64, 1, 4, 4) - 1)  # other statistics than 0 and 1
    before, mode = copy.deepcopy(model.state_dict()), model.training
    x, y = torch.rand(2, 1, 4, 4), torch.tensor([0, 2])
    found = exact_margin(model, x, y, Linf(0.2))
    assert model.training is mode
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model = model.double().eval()
    assert found.x_adv.shape == x.shape
    torch.testing.assert_close(
        margin(model(found.x_adv.double()), y).detach(), found.margin, atol=1e-5, rtol=0
    )
    noise = 0.2 * (2 * torch.rand(5000, 1, 1, 4, 4).double() - 1).sign()
    points = (x.double() + noise).clamp(0, 1).flatten(0, 1)
    assert (margin(model(points), y.repeat(5000)).view(-1, 2).amin(dim=0) >= found.lower - 1e-6).all()


def test_both_bounds_close_and_a_budget_stops_between():
    model = network(8, 10, 8, 3, seed=1)
    x = torch.rand(1, 8)
    y = model(x).argmax(dim=1)
    whole = exact_margin(model, x, y, Linf(0.2))
    steps, lower, upper = (torch.tensor(values) for values in zip(*whole.history[0], strict=True))
    assert (lower.diff() >= 0).all()
    assert (upper.diff() <= 0).all()
    assert (steps.diff() == 1).all()
    assert upper[-1] - lower[-1] <= 2e-6 < upper[3] - lower[3]
    part = exact_margin(model, x, y, Linf(0.2), budget=3)
    assert part.history[0] == whole.history[0][:4]
    assert part.lower < whole.lower <= whole.margin <= part.margin


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"threat": L2(0.1)}, r"in Linf, got L2\(eps=0.1\)"),
        ({"model": nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))}, "got a Tanh"),
        ({"model": nn.Sequential(nn.Linear(4, 1))}, "two classes"),
        ({"y": torch.tensor([0, 3])}, "from 0 to 2, got 3 for sample 1"),
        ({"x": torch.full((2, 4), 1.5)}, r"within \[0, 1\]"),
        ({"max_unstable": 2}, r"rectifiers or more are unstable .* max_unstable is 2"),
        ({"budget": 0}, "budget must be a whole number"),
        ({"tolerance": 0.0}, "tolerance must be a finite number above 0"),
        ({"threat": Linf(torch.inf), "bounds": (-torch.inf, torch.inf)}, "both infinite"),
        ({"threat": Linf(torch.tensor([0.1, 0.2, 0.3]))}, "3 samples, but there are 2"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_told(change, says):
    arguments = {"model": network(4, 16, 3), "x": torch.full((2, 4), 0.5), "y": torch.tensor([0, 1])} | {
        "threat": Linf(0.4)
    }
    arguments |= change
    with pytest.raises(ValueError, match=says):
        exact_margin(**arguments)


def test_a_diverged_or_large_network_is_refused():
    model = network(4, 6, 3)
    model[0].weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        exact_margin(model, torch.rand(1, 4), torch.tensor([0]), Linf(0.1))
    wide = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 32 * 32, 3))
    with pytest.raises(ValueError, match="for small networks"):
        exact_margin(wide, torch.rand(1, 3, 32, 32), torch.tensor([0]), Linf(0.1))


class Skips(nn.Sequential):
    """Is read as a chain of its layers by whoever does not look at its forward."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) - 2 * x[:, :2]


class Squares(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) ** 2


class Wide(Linf):
    def norm(self, delta: torch.Tensor) -> torch.Tensor:
        return super().norm(delta) / 2


def test_layers_and_balls_that_are_not_what_they_derive_from_are_refused():
    x, y = torch.rand(2, 3), torch.tensor([0, 1])
    for layer in (Skips(nn.Linear(3, 2)), Squares(3, 2)):
        with pytest.raises(ValueError, match=type(layer).__name__):
            exact_margin(nn.Sequential(layer), x, y, Linf(0.1))
    model = network(3, 4, 2)
    with pytest.raises(ValueError, match="in Linf, got Wide"):
        exact_margin(model, x, y, Wide(0.1))
    model.register_forward_hook(lambda module, inputs, output: -output)
    with pytest.raises(ValueError, match="has it hooks"):
        exact_margin(model, x, y, Linf(0.1))
