"""The diagnosis: silent about honest networks, and its measurements are what they say."""

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from advnotes import data, zoo
from advnotes.evaluation import diagnose
from advnotes.evaluation.masking import measurements
from advnotes.evaluation.masking.measurements import Case
from advnotes.losses import cross_entropy, margin_loss
from advnotes.nets import mlp
from advnotes.threats import L1, L2, Linf


def fitted(network: nn.Module, x: Tensor, y: Tensor) -> nn.Module:
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
    network.zero_grad()
    return network.eval()


def honest(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    if name.startswith("mnist"):
        return getattr(zoo, name)(), *data.mnist("test", size=200)
    torch.manual_seed(0)
    (x, y), (x_test, y_test) = data.digits("train"), data.digits("test")
    if name == "two classes":
        few, few_test = y < 2, y_test < 2
        x, y, x_test, y_test = x[few], y[few], x_test[few_test], y_test[few_test]
    network = {
        "linear": lambda: nn.Linear(64, 10),
        "mlp": lambda: mlp(64, 16, 10),
        "smooth": lambda: mlp(64, 16, 10, activation=nn.Tanh),
        "two classes": lambda: mlp(64, 16, 2),
        "float64": lambda: mlp(64, 16, 10).double(),
        "batch norm and dropout": lambda: nn.Sequential(
            nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10)
        ),
    }[name]()
    dtype = torch.float64 if name == "float64" else torch.float32
    x, x_test = x.flatten(1).to(dtype), x_test.flatten(1).to(dtype)
    return fitted(network, x, y), x_test, y_test


HONEST = ["mnist_natural", "mnist_robust", "mnist_judge", "linear", "mlp", "smooth", "two classes", "float64"]


@pytest.mark.parametrize("name", [*HONEST, "batch norm and dropout"])
def test_honest_networks_raise_no_alarm(name):
    model, x, y = honest(name)
    threats = (Linf(0.3), L2(1.5)) if name.startswith("mnist") else (Linf(0.1), Linf(0.3), L2(1.0), L1(10.0))
    for seed, threat in enumerate(threats):
        assert diagnose(model, x, y, threat, seeds=torch.Generator().manual_seed(seed)) == []


def test_the_order_of_the_data_does_not_matter():
    class Jumpy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return net(x + ((4 * x).round() / 4 - x).detach())

    net, x, y = honest("mlp")
    seeds, order = torch.arange(len(x)), torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    one = diagnose(Jumpy(), x, y, Linf(0.1), seeds=seeds)
    other = diagnose(Jumpy(), x[order], y[order], Linf(0.1), seeds=seeds[order])
    assert one
    assert one == other
    eps = torch.full((len(x),), 0.1)
    assert diagnose(Jumpy(), x, y, Linf(eps), seeds=seeds) == one


def test_another_range_and_few_samples():
    net, x, y = honest("mlp")

    def spread(x: Tensor) -> Tensor:
        return net(x / 255)

    assert diagnose(spread, 255 * x, y, Linf(25.5), bounds=(0.0, 255.0), seeds=torch.arange(len(x))) == []
    assert diagnose(net, x[:1], y[:1], Linf(0.1)) == []


def test_nothing_is_left_behind():
    net, x, y = honest("batch norm and dropout")
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    rng, inputs = torch.get_rng_state(), x.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diagnose(lambda x: 1000 * net.eval()(x), x, y, Linf(0.1), seeds=torch.arange(len(x)))
        net.train()
        assert diagnose(net, x, y, Linf(0.1), seeds=torch.arange(len(x))) == []
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), rng)
    assert torch.equal(x, inputs)


def test_works_in_inference_mode():
    net, x, y = honest("mlp")
    with torch.inference_mode():
        assert diagnose(net, x * 1, y * 1, Linf(0.1), seeds=torch.arange(len(x))) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (255 * x, y, 10), "within"),
        (lambda x, y: (x, y + 5, 10), "labels must lie from 0 to 9, got 1"),
        (lambda x, y: (x, y, 0), "size must be a whole number of at least 1"),
    ],
)
def test_bad_input_is_refused(change, message):
    net, x, y = honest("linear")
    x, y, size = change(x, y)
    with pytest.raises(ValueError, match=message):
        diagnose(net, x, y, Linf(0.1), size=size)


def case(model, x: Tensor | None = None) -> Case:
    x = torch.rand(8, 5, generator=torch.Generator().manual_seed(0)) if x is None else x
    n = len(x)
    return Case(model, x, torch.zeros(n, dtype=torch.int64), Linf(0.1), (0.0, 1.0), torch.arange(n))


WEIGHT = torch.arange(10.0).view(2, 5) / 10


def test_slopes_count_what_is_zero_and_what_is_not_finite():
    def model(x: Tensor) -> Tensor:
        used = torch.where(torch.arange(8)[:, None] < 2, x.round(), x)  # two samples of eight are flat
        return used[:, :4] @ WEIGHT[:, :4].T  # and a coordinate of five does nothing

    seen = measurements.gradient_statistics(case(model), margin_loss)
    assert seen.zero == pytest.approx(0.25)
    assert seen.non_finite == 0
    assert seen.coordinates == pytest.approx(0.25 + 0.75 * 0.2)

    def root(x: Tensor) -> Tensor:
        return (x - x.detach()).sqrt() @ WEIGHT.T

    assert measurements.gradient_statistics(case(root), cross_entropy).non_finite == 1


def test_disagreement_is_zero_for_a_linear_model_and_one_for_a_gradient_with_another_sign():
    assert measurements.disagreement(case(lambda x: x @ WEIGHT.T))[0] < 1e-2

    def turned(x: Tensor) -> Tensor:
        return (2 * x.detach() - x) @ WEIGHT.T

    apart, changes = measurements.disagreement(case(turned))
    assert apart == pytest.approx(1)
    assert changes
    assert measurements.disagreement(case(lambda x: 0 * x @ WEIGHT.T)) == (0, False)


def test_changes_of_logits_are_in_units_of_their_spread():
    x = torch.tensor([[0.0], [1.0]])

    def model(x: Tensor) -> Tensor:  # a spread of 4, shifted by the mean of the batch
        return torch.cat([x * 0, x * 0 + 4], dim=1) + x.mean()

    assert measurements.repeat_change(case(model, x)) == 0
    assert measurements.batch_change(case(model, x)) == pytest.approx(0.5 / 4)
    calls = iter(range(9))
    assert measurements.repeat_change(case(lambda v: model(v) + next(calls), x)) == pytest.approx(1 / 4)
    assert measurements.input_change(case(lambda v: torch.ones(len(v), 3), x)) == 0


def test_a_jump_is_told_from_a_plateau_that_is_reached_by_walking():
    x, end = torch.zeros(3, 1), torch.ones(3, 1)

    def walks(x: Tensor) -> Tensor:
        return torch.cat([1 - (2 * x).clamp_max(1), x * 0], dim=1)

    def jumps(x: Tensor) -> Tensor:
        return torch.where(x > 0.3, torch.tensor([[0.0, 1.0]]), torch.cat([2 - x, x], dim=1))

    assert measurements.jump(case(walks, x), end, walks(end)) < 0.01
    assert measurements.jump(case(jumps, x), end, jumps(end)) > 0.8


def test_twins_are_equal_rows():
    logits = torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 0.0], [1.0, 2.0000002]])
    assert measurements.equal_rows(logits) == 0.5
    assert measurements.equal_rows(torch.eye(4)) == 0


@pytest.mark.parametrize(("saturated", "found"), [(1, False), (2, True)])
def test_one_gradient_in_twenty_may_vanish_and_two_may_not(saturated, found):
    generator = torch.Generator().manual_seed(0)
    x = 0.2 + 0.6 * torch.rand(20, 4, generator=generator)
    x[:saturated, 0], x[:saturated, 1] = 0.95, 0.5

    def model(x: Tensor) -> Tensor:
        # A softmax in single precision is exactly 1 on the samples that are scaled, and on no other.
        return torch.where(x[:, :1] > 0.9, 1e4, 1.0) * torch.stack([x[:, 0], x[:, 1]], dim=1)

    names = {finding.name for finding in diagnose(model, x, model(x).argmax(dim=1), Linf(0.01), size=20)}
    assert ("saturated loss" in names) is found
