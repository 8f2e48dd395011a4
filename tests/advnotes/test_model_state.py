"""What a model is while it is attacked or judged, whatever kind of callable it is."""

import functools

import pytest
import torch
from torch import nn

from advnotes.attacks import APGD, FAB, PGD, AutoAttack, CarliniWagner, Pose, Square
from advnotes.losses import margin_loss
from advnotes.metrics import accuracy, fooling_rate, robust_accuracy
from advnotes.model_state import GuardedModel, attacked, device_of, prediction
from advnotes.threats import L2, Linf

CPU = torch.device("cpu")


class Calls:
    """An object that is called."""

    def __init__(self, net):
        self.parts = {"deep": [net]}

    def __call__(self, x):
        return self.parts["deep"][0](x)

    def logits(self, x):
        return self(x)


KINDS = {
    "module": lambda net: net,
    "lambda": lambda net: lambda x: net(x),
    "partial": lambda net: functools.partial(lambda model, x: model(x), net),
    "bound method of a module": lambda net: net.forward,
    "bound method of an object": lambda net: Calls(net).logits,
    "object": Calls,
    "nested": lambda net: functools.partial(lambda f, x: f(x), lambda x: Calls(net)(x)),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)
    ).train()


def batch(n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 16, generator=generator), torch.arange(n) % 3


def state(net: nn.Module) -> list:
    return [net.training, *(m.training for m in net.modules()), *(b.clone() for b in net.buffers())]


def same(before: list, after: list) -> bool:
    pairs = zip(before, after, strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@every_kind
def test_modes_and_buffers_come_back_whatever_is_called(kind):
    net, (x, y) = network(), batch()
    net[3].eval()
    before, model, seeds = state(net), kind(net), torch.arange(12)
    x_adv = PGD(Linf(0.05), steps=3)(model, x, y, seeds)
    assert same(before, state(net))
    PGD(Linf(0.05), steps=3, training=True)(model, x, y, seeds)
    assert same(before, state(net))
    clean = accuracy(model, x, y)
    robust = robust_accuracy(model, PGD(Linf(0.05), steps=3), x, y, generator=seeds)
    fooling_rate(model, x, x_adv)
    assert same(before, state(net))
    # It is attacked and judged in eval mode, as the bare network is.
    assert torch.equal(x_adv, PGD(Linf(0.05), steps=3, fast=False)(net, x, y, seeds))
    assert clean.count == int((net.eval()(x).argmax(dim=1) == y).sum())
    assert robust.count <= clean.count


@every_kind
def test_buffers_come_back_after_an_error(kind):
    net, (x, _) = network(), batch()
    before = state(net)

    def fail():
        with attacked(kind(net), training=True):
            net(x)
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert same(before, state(net))


@every_kind
def test_the_device_is_that_of_the_parameters_that_are_reached(kind):
    net = network().to("meta")
    assert device_of(kind(net), torch.zeros(1)).type == "meta"
    assert device_of(lambda x: x, torch.zeros(1, device="meta")).type == "meta"


def subtract(x):
    x -= 0.5
    x /= 0.5
    return x


def subtract_in_a_view(x):
    x[:, ::2].sub_(0.25)
    return x


def subtract_beside_the_counter(x):
    x.data.sub_(0.5)
    return x


def change_in_numpy(x):
    x.detach().numpy()[:] *= 0.5
    return x


WRITERS = [subtract, subtract_in_a_view, subtract_beside_the_counter, change_in_numpy]


class Writes(nn.Module):
    """A network whose forward writes into its input."""

    def __init__(self, write, net):
        super().__init__()
        self.write, self.net = write, net

    def forward(self, x):
        return self.net(self.write(x))


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("attack", "n"),
    [
        (PGD(Linf(0.1)), 800),  # enough for a faster copy
        (PGD(Linf(0.1), early_stop=True, precision=torch.bfloat16), 8),
        (Square(Linf(0.1), queries=10), 8),
        (APGD(Linf(0.1), steps=5, early_stop=True), 8),
        (FAB(L2(0.5), steps=3), 8),
        (AutoAttack(Linf(0.02), steps=3, queries=5), 8),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_model_that_writes_into_its_input_changes_neither_points_nor_inputs(write, attack, n):
    net, (x, _) = network().eval(), batch(n)
    model, plain = Writes(write, net), Writes(lambda x: write(x.clone()), net)
    y, seeds, given = plain(x).argmax(dim=1), torch.arange(n), x.clone()
    x_adv = attack(model, given, y, seeds)
    assert torch.equal(given, x)
    assert (attack.threat.norm(x_adv - x) <= attack.threat.eps * (1 + 1e-5)).all()
    assert 0 <= x_adv.min() <= x_adv.max() <= 1
    if attack.precision is None:
        torch.testing.assert_close(x_adv, attack(plain, x, y, seeds))
    robust = robust_accuracy(model, lambda *_: x_adv, given, y, batch_size=n)
    assert robust.count == int((plain(x_adv).argmax(dim=1) == y).sum())
    assert accuracy(model, given, y).count == n
    fooling_rate(model, given, x_adv)
    assert torch.equal(given, x)


def test_metrics_keep_tensors_of_inference_mode_as_they_are():
    with torch.inference_mode():
        x, y = batch()
        given = x.clone()
        accuracy(Writes(subtract, network()), given, y)
        assert torch.equal(given, x)


def test_a_model_that_begins_to_write_later_is_named():
    calls = []

    def model(x):
        calls.append(1)
        return (x.sub_(0.1) if len(calls) > 1 else x) @ torch.eye(16)[:, :3]

    guarded, (x, _) = GuardedModel(model, CPU, torch.float32), batch()
    guarded(x)
    with pytest.raises(RuntimeError, match=r"written into its input.*x = x\.clone"):
        guarded(x)


@pytest.mark.parametrize("given", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_logits_come_in_the_dtype_of_the_input_and_at_least_float32(given, inputs, expected):
    x = torch.linspace(0, 1, 8, dtype=inputs).view(2, 4)
    logits = GuardedModel(lambda x: (10 * x).to(given), CPU, inputs)(x)
    assert logits.dtype == expected
    torch.testing.assert_close(logits, (10 * x).to(given).to(expected))


HALVES = {
    "bfloat16 logits": lambda net: lambda x: net(x).bfloat16(),
    "float16 logits": lambda net: lambda x: net(x).half(),
    "float64 logits": lambda net: lambda x: net(x).double(),
}


@pytest.mark.parametrize("kind", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize(
    "attack",
    [
        FAB(Linf(0.1), steps=3),
        CarliniWagner(L2(1.0), steps=5, searches=2),
        AutoAttack(Linf(0.02), steps=3, queries=5),
        PGD(Linf(0.1), steps=3),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_every_attack_takes_logits_of_another_dtype(attack, kind):
    net, (x, _) = network().eval(), batch()
    y = net(x).argmax(dim=1)
    x_adv = attack(kind(net), x, y, torch.arange(12))
    assert x_adv.dtype == torch.float32
    assert (attack.threat.norm(x_adv - x) <= attack.threat.eps * (1 + 1e-5)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_in_half_precision_gets_points_of_its_dtype(dtype):
    net, (x, _) = network().eval().to(dtype), batch()
    x = x.to(dtype)
    y, seen = net(x).argmax(dim=1), set()

    def model(x):
        seen.add(x.dtype)
        return net(x)

    for attack in (FAB(Linf(0.1), steps=3), CarliniWagner(L2(1.0), steps=5, searches=2), PGD(Linf(0.1))):
        x_adv = attack(model, x, y, torch.arange(12))
        assert x_adv.dtype == dtype
        assert (attack.threat.norm(x_adv.double() - x.double()) <= attack.threat.eps + 0.02).all()
    assert seen == {dtype}


def test_the_caller_s_autocast_holds_for_the_model_alone():
    net, (x, _) = network().eval(), batch()
    y, inside = net(x).argmax(dim=1), []

    def in_bfloat16(x):
        with torch.autocast("cpu", torch.bfloat16):
            return net(x)

    def loss(logits, y):
        inside.append(torch.is_autocast_enabled("cpu"))
        return margin_loss(logits, y)

    attack, seeds = PGD(Linf(0.1), steps=4, loss=loss), torch.arange(12)
    with torch.autocast("cpu", torch.bfloat16):
        x_adv = attack(net, x, y, seeds)
        assert torch.is_autocast_enabled("cpu")
    assert inside
    assert not any(inside)
    assert torch.equal(x_adv, attack(in_bfloat16, x, y, seeds))
    pictures, flat = torch.rand(4, 1, 4, 4), nn.Sequential(nn.Flatten(), net)
    with torch.autocast("cpu", torch.bfloat16):  # matrices of poses are not rounded
        posed = Pose(rotation=10.0, steps=2, restarts=1)(flat, pictures, y[:4], torch.arange(4))
    assert posed.dtype == torch.float32


def test_training_after_an_attack_within_autocast_has_its_gradients():
    net, (x, y) = network(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        x_adv = Square(Linf(0.1), queries=3)(net, x, y)
        nn.functional.cross_entropy(net(x_adv), y).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("kind", ["module", "lambda", "object"])
def test_another_dtype_of_data_is_named_with_what_helps(kind):
    model, (x, y) = KINDS[kind](network()), batch()
    for call in (PGD(Linf(0.1)), lambda *given: accuracy(*given)):
        with pytest.raises(
            ValueError, match=r"inputs are torch.float64, the model torch.float32: x.to\(torch.float32\)"
        ):
            call(model, x.double(), y)
    with pytest.raises(ValueError, match=r"inputs are torch.float32, the model torch.float16"):
        PGD(Linf(0.1))(network().half(), x, y)


def test_errors_of_the_model_that_have_another_reason_stay_as_they_are():
    def model(x):
        raise RuntimeError("out of memory: tried to allocate, in dtype float")

    x, y = batch()
    with pytest.raises(RuntimeError, match=r"^out of memory"):
        PGD(Linf(0.1))(model, x, y)


class OneSize(nn.Module):
    """A network made for batches of one size."""

    def __init__(self, net, size):
        super().__init__()
        self.net, self.size = net, size

    def forward(self, x):
        return self.net(x) + torch.zeros(self.size, 3)


def test_a_model_for_one_size_of_batch_is_named_with_what_helps():
    net, (x, y) = network().eval(), batch()
    model = OneSize(net, 12)
    attack = PGD(Linf(0.5), steps=5, fast=False)
    assert attack(model, x, y).shape == x.shape
    early = PGD(Linf(0.5), steps=5, early_stop=True, fast=False)
    with pytest.raises(
        ValueError, match=r"answered a batch of 12 samples and fails on one of \d+.*early_stop=False"
    ):
        early(model, x, y)
    exported = torch.export.export(net, (x,)).module()
    assert attack(exported, x, y).shape == x.shape
    with pytest.raises(ValueError, match="early_stop=False"):
        early(exported, x, y)


def test_the_shape_of_every_batch_is_looked_at():
    net = network().eval()

    def model(x):
        return net(x).squeeze()

    x, _ = batch()
    guarded = GuardedModel(model, CPU, torch.float32)
    guarded(x)
    with pytest.raises(ValueError, match=r"\(3,\) for a batch of 1: a squeeze\(\) without a dimension"):
        guarded(x[:1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_are_not_finite_are_no_class(bad):
    logits = torch.tensor([[0.0, 1.0], [bad, 0.0], [2.0, bad]])
    assert prediction(logits).tolist() == [1, -1, -1]
    guarded = GuardedModel(lambda x: x, CPU, torch.float32)
    guarded(logits[:1])
    assert guarded.all_finite()
    guarded(logits)
    guarded(logits[:1])
    assert not guarded.all_finite()
