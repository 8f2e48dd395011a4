"""What bounds are made of: models that change afterwards, that hide something, or whose numbers leave their range."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from advnotes.defences import (
    IntervalTraining,
    Unbounded,
    bounded_graph,
    certify,
    interval_bounds,
    linear_margins,
)
from advnotes.threats import L2, Linf
from tests.advnotes.defences.networks import networks

X = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(1))
Y = torch.zeros(4, dtype=torch.long)


def negated(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    return -output


def hook(model: nn.Sequential) -> None:
    model[1].register_forward_hook(negated)


def other_layer(model: nn.Sequential) -> None:
    model[1] = nn.Linear(36, 3)


def other_forward(model: nn.Sequential) -> None:
    model[1].forward = lambda x: -x[:, :3]


CHANGES = [hook, other_layer, other_forward, nn.Module.double, nn.Module.bfloat16]


@pytest.mark.parametrize("change", CHANGES)
def test_bounds_of_a_model_that_has_changed_since_are_refused(change: Callable[[nn.Module], None]) -> None:
    model = networks()["linear"]
    graph = bounded_graph(model, X)
    change(model)
    with pytest.raises(ValueError, match="make them anew"):
        certify(graph, X, Y, Linf(0.01))
    with pytest.raises(ValueError, match="make them anew"):
        interval_bounds(graph, X, X)


def test_training_follows_a_layer_that_was_replaced() -> None:
    model = networks()["linear"]
    game = IntervalTraining(model, Linf(0.05), kappa=0.0)
    game.model_loss(X, Y)
    other_layer(model)
    fresh = IntervalTraining(copy.deepcopy(model), Linf(0.05), kappa=0.0)
    torch.testing.assert_close(game.model_loss(X, Y), fresh.model_loss(X, Y))


def test_autocast_is_refused_for_steps_that_were_made_before() -> None:
    graph = bounded_graph(networks()["linear"], X)
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(Unbounded, match="autocast"):
        certify(graph, X, Y, Linf(0.01))


class Offset(nn.Module):
    """A rectifier that is off, and what is then done with its zeros; the bias decides."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.change = nn.Linear(36, 2), change
        self.shift: Tensor
        self.register_buffer("shift", torch.tensor([1e6, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        off = torch.relu(self.layer(x.flatten(1)) - 100.0)
        return self.change(off) + self.shift


@pytest.mark.parametrize(
    "change", [lambda h: h * 1e40, lambda h: h * -1e39, lambda h: h / 1e-46], ids=["1e40", "-1e39", "/1e-46"]
)
def test_a_factor_that_is_infinite_in_the_model_proves_nothing(change: Callable[[Tensor], Tensor]) -> None:
    model = Offset(change).eval()
    assert not bool(model(X).isfinite().all()), "0 times infinity"
    assert not bool(certify(model, X, Y, Linf(0.1)).proved.any())
    assert bool(interval_bounds(model, X, X)[0].isinf().all())


@pytest.mark.parametrize(("kernel", "padding"), [(1, 1), (1, 2), (2, 4), (3, 5)])
def test_windows_that_see_nothing_but_padding(kernel: int, padding: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Conv2d(2, 2, kernel, padding=padding), nn.ReLU()),
        *(nn.Flatten(), nn.LazyLinear(2)),
    ).eval()
    y = model(X).argmax(dim=1)
    bound = linear_margins(model, X, y, Linf(0.3))
    for seed in range(20):
        point = (X + Linf(0.3).sample(X, torch.Generator().manual_seed(seed))).clamp(0, 1)
        logits = model(point).double()
        lead = logits.gather(1, y[:, None]) - logits
        assert bool((lead >= bound)[torch.nn.functional.one_hot(y, 2) == 0].all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_models_and_inputs_of_inference_mode_are_bounded_as_others_are(dtype: torch.dtype) -> None:
    model, x = networks()["mlp"].to(dtype), X.to(dtype)
    y, threat = model(x).argmax(dim=1), L2(0.4)
    expected = linear_margins(model, x, y, threat, steps=3)
    with torch.inference_mode():
        made, x, y = copy.deepcopy(model), x.clone(), y.clone()
        assert torch.equal(linear_margins(made, x, y, threat, steps=3), expected)
    assert torch.equal(linear_margins(made, x, y, threat, steps=3), expected)
    certify(made, x, y, threat, branches=4)


@pytest.mark.parametrize("name", ["pooled", "overlapping", "residual"])
def test_the_order_of_numbers_in_memory_does_not_matter(name: str) -> None:
    model = networks()[name]
    y, threat = model(X).argmax(dim=1), Linf(0.05)
    expected = certify(model, X, y, threat, branches=8).margin
    turned = X.transpose(2, 3).contiguous().transpose(2, 3)
    torch.testing.assert_close(certify(model, turned, y, threat, branches=8).margin, expected)
    model.to(memory_format=torch.channels_last)
    channels_last = X.to(memory_format=torch.channels_last)
    torch.testing.assert_close(certify(model, channels_last, y, threat, branches=8).margin, expected)
    low, high = interval_bounds(model, channels_last, channels_last)
    assert bool(((low <= model(X)) & (model(X) <= high)).all())
    one = certify(model, X[:1].expand(3, -1, -1, -1), y[:1].expand(3), threat, branches=8).margin
    torch.testing.assert_close(one, expected[:1].expand(3))


def test_several_threads_can_prove_at_once() -> None:
    model = networks()["pooled"]
    y, threat = model(X).argmax(dim=1), Linf(0.02)
    expected = certify(model, X, y, threat, branches=2).margin
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(certify, model, X, y, threat, branches=2) for _ in range(8)]
        assert all(torch.equal(job.result().margin, expected) for job in jobs)


class Wide(Linf):
    """Somebody's own ball, which is twice as large as the one that it derives from."""

    def norm(self, delta: Tensor) -> Tensor:
        return super().norm(delta) / 2


@pytest.mark.parametrize("prove", [certify, linear_margins])
def test_a_ball_of_somebodys_own_is_refused(prove: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="smallest of these balls that contains it"):
        prove(networks()["linear"], X, Y, Wide(0.1))


@pytest.mark.parametrize("prove", [certify, linear_margins])
def test_of_a_single_logit_there_is_nothing_to_prove(prove: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="TwoLogits"):
        prove(nn.Sequential(nn.Flatten(), nn.Linear(36, 1)), X, Y, Linf(0.1))


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_tensor_or_has_no_weights_is_refused() -> None:
    model = networks()["linear"]
    with pytest.raises(ValueError, match="must be tensors, got ndarray"):
        certify(model, X.numpy(), Y, Linf(0.1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="as_tensor"):
        interval_bounds(model, X.tolist(), X.tolist())  # type: ignore[arg-type]
    with pytest.raises(Unbounded, match="meta device"):
        interval_bounds(model.to("meta"), X, X)


class Joins(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer(x.flatten(1))
        return torch.cat([z, z], dim=1)


class Drops(nn.Module):
    """Drops in train mode, in the ways in which people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.drop, self.last = nn.Linear(36, 8), nn.AlphaDropout(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.nn.functional.dropout(self.layer(x.flatten(1)).relu(), 0.5, self.training)
        return self.last(torch.nn.functional.dropout(self.drop(z), training=self.training))


def test_dropout_does_nothing_in_eval_mode() -> None:
    model = Drops().eval()
    plain = nn.Sequential(nn.Flatten(), model.layer, nn.ReLU(), model.last)
    expected = linear_margins(plain, X, Y, Linf(0.1))
    assert torch.equal(linear_margins(model, X, Y, Linf(0.1)), expected)
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        linear_margins(model.train(), X, Y, Linf(0.1))


class AlwaysDrops(Drops):
    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.dropout(super().forward(x))


def test_dropout_that_never_ends_is_refused() -> None:
    with pytest.raises(Unbounded, match="random"):
        linear_margins(AlwaysDrops().eval(), X, Y, Linf(0.1))


def test_a_function_is_named_as_it_is_written() -> None:
    with pytest.raises(Unbounded, match="the model has cat, of which"):
        interval_bounds(Joins().eval(), X, X)


def test_parametrizations_and_hooks_are_refused() -> None:
    layer = torch.nn.utils.parametrizations.weight_norm(nn.Linear(36, 3))
    with pytest.raises(Unbounded, match="a parametrization"):
        interval_bounds(nn.Sequential(nn.Flatten(), layer).eval(), X, X)
    model = networks()["linear"]
    model.register_forward_hook(negated)
    with pytest.raises(Unbounded, match="hooks"):
        interval_bounds(model, X, X)
