"""Bounds of intervals and of linear functions: nothing leaves them, closed forms, their order, and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from advnotes.attacks import PGD
from advnotes.defences import Unbounded, bounded_graph, interval_bounds, linear_margins
from advnotes.nets import Normalize, small_cnn
from advnotes.threats import L1, L2, Linf
from tests.advnotes.defences.networks import networks

NAMES = list(networks())
X = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def leads(model, x, y):
    """The true class's lead over each one, as the model computes it."""
    with torch.no_grad():
        logits = model(x).double()
    return logits.gather(1, y[:, None]) - logits


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("eps", [0.0, 0.02, 0.2])
def test_no_point_leaves_the_intervals(name, eps):
    model = networks()[name]
    lower, upper = X - eps, X + eps
    low, high = interval_bounds(model, lower, upper)
    plain_low, plain_high = interval_bounds(model, lower, upper, rounding=False)
    torch.testing.assert_close(plain_low.double(), low, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(plain_high.double(), high, atol=1e-3, rtol=1e-3)
    for seed in range(40):
        noise = torch.rand(X.shape, generator=torch.Generator().manual_seed(seed))
        point = torch.lerp(lower, upper, noise if seed % 2 else noise.round()).clamp(lower, upper)
        logits = model(point).double()
        assert bool(((low <= logits) & (logits <= high)).all())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threat", [Linf(0.05), L2(0.4), L1(1.0), Linf(torch.linspace(0, 0.2, 6))], ids=repr)
def test_no_attack_and_no_noise_beats_the_linear_bounds(name, threat):
    model = networks()[name]
    y = model(X).argmax(dim=1)
    bound, better = linear_margins(model, X, y, threat), linear_margins(model, X, y, threat, steps=5)
    assert bool((better >= bound).all())
    others = torch.nn.functional.one_hot(y, 3) == 0
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        point = (X + threat.sample(X, generator)).clamp(0, 1)
        if seed == 0:
            point = PGD(threat, steps=10, early_stop=False)(model, X, y, generator)
        assert bool((leads(model, point, y) >= better)[others].all())


@pytest.mark.parametrize("name", NAMES)
def test_linear_bounds_are_within_those_of_intervals_and_fall_with_the_radius(name):
    model = networks()[name]
    y = model(X).argmax(dim=1)
    before = torch.full((6, 3), torch.inf, dtype=torch.float64)
    for eps in (0.0, 0.01, 0.03, 0.1):
        low, high = interval_bounds(model, (X - eps).clamp(0, 1), (X + eps).clamp(0, 1))
        intervals = low.gather(1, y[:, None]) - high
        bound = linear_margins(model, X, y, Linf(eps))
        # A maximum over windows has lines that may be worse than its interval.
        if not any(isinstance(module, nn.MaxPool2d) for module in model.modules()):
            assert bool((bound >= intervals - 1e-3).all())
        assert bool((bound <= before).all())
        before = bound + 1e-9 if eps == 0 else torch.full_like(bound, torch.inf)
    tiny = linear_margins(model, X, y, Linf(0.0))
    others = torch.nn.functional.one_hot(y, 3) == 0
    torch.testing.assert_close(tiny[others], leads(model, X, y)[others], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.5), L1(0.8)], ids=repr)
def test_of_a_linear_model_the_linear_bound_is_the_closed_form(threat):
    model = networks()["linear"]
    x = 0.4 + 0.2 * X  # L2 and L1 reach no end of the range
    y = model(x).argmax(dim=1)
    weight = model[1].weight.detach().double()
    difference = weight[y][:, None] - weight
    dual = threat.dual_norm(difference.flatten(0, 1)).view(6, 3)
    expected = leads(model, x, y) - float(threat.eps) * dual
    others = torch.nn.functional.one_hot(y, 3) == 0
    found = linear_margins(model, x, y, threat)
    torch.testing.assert_close(found[others], expected[others], atol=2e-4, rtol=1e-4)


def test_of_one_hidden_layer_in_one_dimension_better_slopes_are_exact():
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2))
    model[0].weight.data, model[0].bias.data = torch.tensor([[1.0], [-1.0]]), torch.tensor([-0.5, 0.5])
    model[2].weight.data, model[2].bias.data = (
        torch.tensor([[1.0, 1.0], [0.0, 0.0]]),
        torch.tensor([0.1, 0.0]),
    )
    x, y = torch.tensor([[0.45]]), torch.tensor([0])  # |x - 0.5| + 0.1 against 0, least at 0.5
    assert linear_margins(model, x, y, Linf(0.2), steps=60)[0, 1] == pytest.approx(0.1, abs=5e-3)


def test_the_box_is_cut_off_at_the_range():
    model = networks()["linear"]
    x = torch.zeros(1, 1, 6, 6)
    y = model(x).argmax(dim=1)
    weight = model[1].weight.detach().double()
    difference = weight[y] - weight
    expected = leads(model, x, y)[0] + 0.3 * difference.clamp(max=0).sum(dim=1)
    found = linear_margins(model, x, y, Linf(0.3))[0]
    others = torch.arange(3) != y
    torch.testing.assert_close(found[others], expected[others], atol=2e-4, rtol=1e-4)


def test_intervals_have_gradients_of_parameters_and_radius():
    model = small_cnn()  # in train mode, which does not matter here
    x = torch.rand(4, 1, 28, 28)
    eps = torch.tensor(0.1, requires_grad=True)
    low, high = interval_bounds(model, x - eps, x + eps, rounding=False)
    (high - low).sum().backward()
    assert float(eps.grad) > 0
    weights = [parameter.grad for name, parameter in model.named_parameters() if name.endswith("weight")]
    assert all(gradient is not None and bool(gradient.any()) for gradient in weights)
    assert low.dtype == torch.float32
    assert model.training


def test_a_graph_follows_the_parameters():
    model = networks()["mlp"]
    graph = bounded_graph(model, X)
    before = interval_bounds(graph, X, X)[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 2
    torch.testing.assert_close(interval_bounds(graph, X, X)[0], interval_bounds(model, X, X)[0])
    assert not torch.allclose(before, interval_bounds(graph, X, X)[0])


def test_bounds_leave_the_model_as_it_is():
    model = networks()["residual"]
    model.first.weight.requires_grad_(False)
    state, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    rng = torch.get_rng_state()
    linear_margins(model, X, torch.zeros(6, dtype=torch.long), Linf(0.1), steps=2)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert modes == [m.training for m in model.modules()]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(rng, torch.get_rng_state())


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ([nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 3)], r"2 \(Tanh\)"),
        ([nn.Flatten(), nn.Softmax(dim=1)], "Softmax"),
        (
            [nn.Conv2d(1, 3, 3, padding_mode="circular", padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
            "Conv2d",
        ),
        ([nn.Flatten(), nn.Linear(36, 3), nn.LayerNorm(3)], "LayerNorm"),
        ([nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 3)], "windows differ"),
    ],
)
def test_a_layer_without_bounds_is_named(layers, named):
    with pytest.raises(Unbounded, match=named):
        interval_bounds(nn.Sequential(*layers).eval(), X, X)


class Computes(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what, self.layer = what, nn.Linear(36, 3)

    def forward(self, x):
        z = self.layer(x.flatten(1))
        return self.what(z)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda z: z * z, "two values that both depend"),
        (lambda z: 1 / z, "depends on the input"),
        (lambda z: z + torch.randn_like(z), "random"),
        (lambda z: z + z[:, :1], "getitem"),
        (lambda z: z + z.mean(1, keepdim=True), "mean"),
        (lambda z: z.exp(), "exp"),
        (lambda z: z if z.sum() > 0 else -z, "cannot be seen"),
    ],
)
def test_a_computation_without_bounds_is_refused(what, message):
    with pytest.raises(Unbounded, match=message):
        interval_bounds(Computes(what).eval(), X, X)


def test_a_value_that_is_overwritten_and_used_again_is_refused():
    class Overwrites(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.relu = nn.Linear(36, 3), nn.ReLU(inplace=True)

        def forward(self, x):
            z = self.layer(x.flatten(1))
            return self.relu(z) + z

    with pytest.raises(Unbounded, match="inplace"):
        interval_bounds(Overwrites().eval(), X, X)
    fine = nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.ReLU(inplace=True))
    assert bool((interval_bounds(fine, X, X)[0] >= 0).all())


def test_what_is_no_module_in_eval_mode_and_float32_is_refused():
    model = networks()["pooled"]
    with pytest.raises(Unbounded, match=r"model\.float\(\)"):
        interval_bounds(copy.deepcopy(model).bfloat16(), X.bfloat16(), X.bfloat16())
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        interval_bounds(copy.deepcopy(model).train(), X, X)
    with pytest.raises(ValueError, match="other order"):
        interval_bounds(model, X + 0.1, X)
    with pytest.raises(ValueError, match="float64"):
        linear_margins(model, X.double(), torch.zeros(6, dtype=torch.long), Linf(0.1))
    with pytest.raises(ValueError, match="finite radius"):
        linear_margins(model, X, torch.zeros(6, dtype=torch.long), Linf(torch.inf))
    with pytest.raises(ValueError, match="labels must lie from 0 to 2"):
        linear_margins(model, X, torch.full((6,), 3), Linf(0.1))


def test_autocast_and_a_negative_divisor_are_refused():
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(Unbounded, match="autocast"):
        interval_bounds(networks()["mlp"], X, X)
    model = nn.Sequential(nn.AvgPool2d(6, divisor_override=-2), nn.Flatten(), nn.Linear(1, 3))
    with pytest.raises(Unbounded, match="AvgPool2d"):
        interval_bounds(model, X, X)


@pytest.mark.usefixtures("unchecked")
def test_a_function_is_refused():
    with pytest.raises(Unbounded, match="a module's forward"):
        interval_bounds(lambda x: x.flatten(1), X, X)


def test_float64_models_and_one_or_no_samples():
    model = networks()["strided"].double()
    x = X.double()
    low, high = interval_bounds(model, x, x)
    assert bool((high - low < 1e-10).all())
    assert interval_bounds(model, x[:0], x[:0])[0].shape == (0, 3)
    one = linear_margins(model, x[:1], torch.tensor([0]), Linf(0.05))
    all_of_them = linear_margins(model, x, torch.zeros(6, dtype=torch.long), Linf(0.05))
    torch.testing.assert_close(one, all_of_them[:1])


def test_normalisation_in_the_model_is_a_smaller_radius():
    plain = networks()["strided"]
    y = torch.zeros(6, dtype=torch.long)
    inside = nn.Sequential(Normalize([0.0], [0.5]), plain)
    found = linear_margins(inside, X / 2, y, Linf(0.02), bounds=(0.0, 0.5))
    torch.testing.assert_close(found, linear_margins(plain, X, y, Linf(0.04)), atol=1e-3, rtol=1e-3)
