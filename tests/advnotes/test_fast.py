"""The prepared copy of a model: the same logits and gradients, or the model itself, in which nothing changes."""

import contextvars
import copy
import dataclasses
import gc
import random
import types
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from advnotes import data, play, zoo
from advnotes.attacks import FGSM, PGD
from advnotes.fast import Autocast, keeping, prepared
from advnotes.fast.blocks import Blocks
from advnotes.fast.layers import Affine
from advnotes.fast.trace import traced
from advnotes.losses import margin_loss
from advnotes.metrics import robust_accuracy
from advnotes.nets import Normalize, madry_cnn, mlp
from advnotes.robust import AdversarialTraining
from advnotes.threats import L2, Linf

MANY = 10**9


class Residual(nn.Module):
    """Its sum and rectifiers as functions, in place where asked."""

    def __init__(self, before: int, after: int, stride: int, in_place: bool) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.two = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.way = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else nn.Identity()
        self.relu = nn.ReLU(inplace=in_place)
        self.in_place = in_place

    def forward(self, x):
        y = self.bn2(self.two(self.relu(self.bn1(self.one(x)))))
        if self.in_place:
            y += self.way(x)
        else:
            y = y + self.way(x)
        return self.relu(y)


class Functional(nn.Module):
    """Operations without modules: views, pooling, concatenation, activations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 6, 3), nn.Linear(2 * 6 * 3 * 3, 5)
        self.weight = nn.Parameter(torch.randn(6, 6, 1, 1))

    def forward(self, x):
        x = F.elu(self.conv(x * 2 - 1))
        x = F.dropout(torch.tanh(F.conv2d(x, self.weight)), 0.5, self.training)
        x = torch.cat([F.max_pool2d(x, 2), F.avg_pool2d(x, 2)], dim=1)
        return self.linear(x.view(x.size(0), -1)).clamp(-3, 3)


class Attention(nn.Module):
    """Patches and one layer of a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.norm, self.attend, self.head = (
            nn.LayerNorm(16),
            nn.MultiheadAttention(16, 2, batch_first=True),
            nn.Linear(16, 5),
        )

    def forward(self, x):
        tokens = self.norm(self.patch(x).flatten(2).transpose(1, 2))
        return self.head((tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0]).mean(dim=1))


class Twice(nn.Module):
    """One convolution used twice, with a norm and a rectifier of its own each time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 5)

    def forward(self, x):
        x = self.one(self.conv(x)).relu()
        return self.head(self.two(self.conv(x)).mean(dim=(2, 3)))


class Broadcast(nn.Module):
    """Sums whose terms differ in shape, as in squeeze-and-excitation, and a term that is used again."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 1), nn.Linear(4 * 36, 5)

    def forward(self, x):
        small = self.narrow(x.mean(dim=(2, 3), keepdim=True))
        y = self.wide(x)
        return self.head((torch.relu(small + y) * y.sigmoid()).flatten(1))


def seen(model: nn.Module, x: torch.Tensor) -> nn.Module:
    """In eval mode, with batch norms that have seen the data and weights that are not the first ones."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)) and module.affine:
            nn.init.uniform_(module.weight, -0.5, 1.5)
            nn.init.normal_(module.bias)
    with torch.no_grad():
        model(x)
        model(x)
    return model.eval()


def sequential(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(5))


def models() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    torch.manual_seed(0)
    x, digits = torch.rand(6, 3, 8, 8), data.mnist("test", size=6)[0]
    conv, norm = nn.Conv2d, nn.BatchNorm2d
    made = {
        "resnet": (
            sequential(Normalize([0.5] * 3, [0.2] * 3), conv(3, 8, 3, padding=1), norm(8), nn.ReLU(),
                       Residual(8, 8, 1, False), Residual(8, 16, 2, False), nn.AdaptiveAvgPool2d(1)), x),
        "resnet in place": (sequential(conv(3, 8, 3), norm(8), nn.ReLU(True), Residual(8, 8, 1, True),
                                       Residual(8, 16, 2, True)), x),
        "depthwise": (sequential(conv(3, 12, 3, 2, 1, groups=3), norm(12), nn.ReLU6(), conv(12, 12, 3, 1, 1, groups=12),
                                 norm(12), nn.Hardswish(), conv(12, 6, 1, groups=2), norm(6, affine=False)), x),
        "dilated": (sequential(conv(3, 7, (3, 2), (1, 2), (2, 1), (2, 1)), nn.ReLU(), nn.MaxPool2d(2)), x),
        "other paddings": (sequential(conv(3, 4, 3, padding="same"), norm(4), nn.ReLU(),
                                      conv(4, 4, 3, padding=1, padding_mode="circular"), norm(4)), x),
        "norm first": (sequential(norm(3), nn.ReLU(), conv(3, 4, 3), nn.GELU()), x),
        "batch statistics": (sequential(conv(3, 4, 3), norm(4, track_running_stats=False)), x),
        "linear": (nn.Sequential(nn.Flatten(), nn.Linear(192, 100), nn.BatchNorm1d(100), nn.ReLU(), nn.Dropout(),
                                 nn.Linear(100, 120), nn.ReLU(), nn.Linear(120, 5)), x),
        "functional": (Functional(), x),
        "attention": (Attention(), x),
        "twice": (Twice(), x),
        "broadcast": (Broadcast(), x),
        "zoo": (zoo.mnist_robust(), digits),
        "pooled": (madry_cnn(), digits),
    }  # fmt: skip
    return {name: (seen(model, x), x) for name, (model, x) in made.items()}


MODELS = models()
every_model = pytest.mark.parametrize("name", MODELS)


def gradient(model, x):
    x = x.clone().requires_grad_()
    logits = model(x)
    return logits, torch.autograd.grad((logits * torch.arange(logits.shape[1])).sum(), x)[0]


def fingerprint(model: nn.Module) -> list:
    return [
        (
            type(m),
            sorted((k, id(v)) for k, v in vars(m).items()),
            [(k, id(p), p.requires_grad, p.grad is None, p.stride(), p.detach().numpy().tobytes())
             for k, p in m.named_parameters(recurse=False)],
            [(k, id(b), b.stride(), b.numpy().tobytes()) for k, b in m.named_buffers(recurse=False)],
        )
        for m in model.modules()
    ]  # fmt: skip


@every_model
@pytest.mark.parametrize("one_call", [True, False])
def test_same_logits_and_gradients_from_another_model(name, one_call, monkeypatch):
    monkeypatch.setattr("advnotes.fast.layers.one_call", lambda x: one_call)
    model, x = MODELS[name]
    before = fingerprint(model)
    fast = prepared(model, x, passes=MANY)
    assert fast is not model
    for batch in (
        x,
        x[:1],
        x.contiguous(memory_format=torch.channels_last),
        x.flip(0)[::2],
        torch.cat([x, x]),
    ):
        for ours, theirs in zip(gradient(fast, batch), gradient(model, batch.contiguous()), strict=True):
            scale = theirs.abs().max().item()
            torch.testing.assert_close(ours, theirs, atol=2e-5 * scale, rtol=1e-4)
        with torch.no_grad():
            torch.testing.assert_close(fast(batch), model(batch.contiguous()), atol=1e-5, rtol=1e-4)
    assert fingerprint(model) == before


def test_norms_sums_and_rectifiers_disappear_into_convolutions():
    model, x = MODELS["resnet"]
    left = [type(m) for m in prepared(model, x, passes=MANY).modules() if not list(m.children())]
    assert sum(issubclass(kind, Affine) for kind in left) == 7
    assert not {nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.Linear, nn.Flatten} & set(left)


def test_the_copy_does_not_follow_the_model_and_asks_for_no_gradients_of_it():
    model, x = copy.deepcopy(MODELS["resnet"][0]), MODELS["resnet"][1]
    fast = prepared(model, x, passes=MANY)
    was = fast(x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data.mul_(1.5)
    assert not torch.allclose(prepared(model, x, passes=MANY)(x), was)
    assert not was.requires_grad
    fast(x.clone().requires_grad_()).sum().backward()
    assert all(parameter.grad is None for parameter in model.parameters())


@given(
    st.sampled_from([1, 2, 3, 4, 16]),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(0, 4),
)
def test_blocks_of_pixels_are_the_gradient_of_the_convolution(channels, k, stride, padding, extra):
    weight = torch.randn(5, channels, k, k, dtype=torch.float64)
    blocks = Blocks.of(weight, [stride] * 2, [padding] * 2, [1, 1], 1)
    if padding >= k or (stride == 1 and channels == 16):
        assert blocks is None
    if blocks is None:
        return
    x = torch.rand(2, channels, 7 + extra, 12, dtype=torch.float64, requires_grad=True)
    y = F.conv2d(x, weight, None, stride, padding)
    g = torch.randn_like(y)
    torch.testing.assert_close(blocks.input_gradient(g, x), torch.autograd.grad(y, x, g)[0])


def test_blocks_are_used_where_few_channels_waste_the_processor():
    def of(out, channels, k, s, p):
        return Blocks.of(torch.randn(out, channels, k, k), [s, s], [p, p], [1, 1], 1)

    assert of(16, 1, 4, 2, 1).side == 4
    assert of(16, 3, 3, 1, 1).side == 2
    assert of(32, 16, 4, 2, 1).side == 2
    assert of(16, 16, 3, 1, 1) is None
    assert of(32, 16, 3, 2, 1) is None


class Wrapped(nn.Module):
    """A convolutional net behind a forward that a copy would get wrong."""

    def __init__(self, forward=None, **attributes) -> None:
        super().__init__()
        self.net, self.odd = MODELS["resnet"][0], forward
        self.register_buffer("calls", torch.zeros(()))
        self.notes: list[int] = []
        for name, value in attributes.items():
            setattr(self, name, value)
        self.eval()

    def forward(self, x):
        return self.net(x) if self.odd is None else self.odd(self, x)


class Straight(torch.autograd.Function):
    """Rounds, with the identity's gradient."""

    @staticmethod
    def forward(ctx, x):
        return (x * 15).round() / 15

    @staticmethod
    def backward(ctx, g):
        return g


def without_graph(self, x):
    with torch.no_grad():
        shift = x.mean()
    return self.net(x + shift)


def counts(self, x):
    self.calls += 1
    return self.net(x)


def notes(self, x):
    self.notes.append(1)
    return self.net(x)


def remembers(self, x):
    self.last = x
    return self.net(x)


NOISE = torch.Generator()
ODD = {
    "control flow": lambda self, x: self.net(x) if x.mean() > 0.1 else self.net(-x),
    "noise": lambda self, x: self.net(x + 0.01 * torch.rand_like(x)),
    "constant noise": lambda self, x: self.net(x + 0.01 * torch.randn(3, 8, 8)),
    "active dropout": lambda self, x: self.net(F.dropout(x, 0.5)),
    "own generator": lambda self, x: self.net(
        x + 0.1 * torch.bernoulli(torch.full_like(x, 0.5), generator=NOISE)
    ),
    "Python's random numbers": lambda self, x: self.net(x * random.choice([1.0, 1.1])),
    "NumPy's random numbers": lambda self, x: self.net(x * float(np.random.rand())),  # noqa: NPY002
    "straight-through": lambda self, x: self.net(Straight.apply(x)),
    "detached part": without_graph,
    "counting buffer": counts,
    "a list that grows": notes,
    "a memory": remembers,
    "tensor constants": lambda self, x: self.net(x * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)),
    "NumPy": lambda self, x: self.net(x + torch.from_numpy(x.detach().numpy() * 0.1)),
    "batch size": lambda self, x: self.net(x) / len(x),
    "a tuple": lambda self, x: (self.net(x), x),
    "an error": lambda self, x: self.net(x[:, 0]),
    "no gradient": lambda self, x: self.net(x.detach()),
    "not finite": lambda self, x: self.net(x) / 0,
}


def clipped_straight_through(self, x):
    with torch.no_grad():
        shift = x.clamp(0.3, 0.7) - x
    return self.net(x + shift)


def detached_beyond_a_half(self, x):
    with torch.no_grad():
        shift = (x.clamp(max=0.5) - x) * 0.5
    return self.net(x + shift)


#: Their first two samples say nothing of what they do elsewhere, or only without gradients.
ELSEWHERE = {
    "a statistic of the logits": lambda self, x: (lambda z: (z.softmax(1), z)[1])(self.net(x)),
    "a statistic in the middle": lambda self, x: (lambda z: (z.mean(), z.exp(), z)[2])(self.net(x)),
    "straight-through clipping": clipped_straight_through,
    "a detached part beyond a half": detached_beyond_a_half,
    "rounded without gradients": lambda self, x: self.net(
        x + 0 if torch.is_grad_enabled() else (x * 3).round() / 3
    ),
    "clipped without gradients": lambda self, x: self.net(
        x if torch.is_grad_enabled() else x.clamp(0.1, 0.9)
    ),
    "another half": lambda self, x: self.net(torch.where(x > 0.9, x + 1, x)),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_the_first_samples_do_not_show_is_right_too(case):
    model = Wrapped(ELSEWHERE[case])
    rows = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    rows[:2] = 0.35 + 0.14 * rows[:2]  # within all the ends above
    rows[2:] = torch.cat([rows[2:5], rows[5:].round()])
    fast = prepared(model, rows, passes=MANY)
    with torch.no_grad():
        torch.testing.assert_close(fast(rows), model(rows), atol=1e-5, rtol=1e-5)
    assert torch.allclose(gradient(fast, rows)[1], gradient(model, rows)[1], atol=1e-5)
    assert PGD(Linf(0.1), steps=3)(model, rows, torch.zeros(8, dtype=torch.int64)).shape == rows.shape


def numpy_state() -> bytes:
    return np.random.get_state()[1].tobytes()  # noqa: NPY002


@pytest.mark.parametrize("case", ODD)
def test_a_model_that_is_more_than_a_graph_is_left_alone(case):
    model, x = Wrapped(ODD[case]), MODELS["resnet"][1]
    before, states = fingerprint(model), (torch.get_rng_state(), numpy_state())
    fast = prepared(model, x, passes=MANY)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert numpy_state() == states[1]
    assert model.notes == []
    assert not hasattr(model, "last")
    assert fingerprint(model) == before
    if case not in ("detached part", "counting buffer"):
        assert fast is model
        return
    # A graph can hold these: then it must be right, also about inputs that it was not compared on.
    fresh = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(7))
    fresh = torch.cat([fresh, fresh.round()])
    with torch.no_grad():
        torch.testing.assert_close(fast(fresh), model(fresh), atol=1e-5, rtol=1e-5)
    assert torch.allclose(gradient(fast, fresh)[1], gradient(model, fresh)[1], atol=1e-5)


def hooked(kind):
    def make():
        model = copy.deepcopy(MODELS["resnet"][0])
        getattr(model[4].one, f"register_{kind}_hook")(lambda *_: None)
        return model

    return make


def parametrized():
    model = copy.deepcopy(MODELS["resnet"][0])
    nn.utils.parametrizations.weight_norm(model[1])
    return model


def patched():
    model = copy.deepcopy(MODELS["resnet"][0])
    model[1].forward = lambda x, was=model[1].forward: was(x) * 2
    return model


def compiled_in_place():
    model = copy.deepcopy(MODELS["resnet"][0])
    model.compile(backend="eager")
    return model


LEFT_ALONE = {
    "forward hook": hooked("forward"),
    "forward pre-hook": hooked("forward_pre"),
    "backward hook": hooked("full_backward"),
    "parametrised": parametrized,
    "patched": patched,
    "compiled": lambda: torch.compile(MODELS["resnet"][0], backend="eager"),
    "compiled in place": compiled_in_place,
    "parallel": lambda: nn.DataParallel(MODELS["resnet"][0]),
    "scripted": lambda: torch.jit.trace(MODELS["resnet"][0], MODELS["resnet"][1]),
    "in train mode": lambda: copy.deepcopy(MODELS["resnet"][0]).train(),
    "a layer in train mode": lambda: nn.Sequential(
        copy.deepcopy(MODELS["resnet"][0]).eval(), nn.Dropout(0.5)
    ),
    "half": lambda: copy.deepcopy(MODELS["resnet"][0]).bfloat16(),
    "no module": lambda: MODELS["resnet"][0].forward,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("case", LEFT_ALONE)
def test_wrappers_hooks_and_modes_are_left_alone(case):
    model = LEFT_ALONE[case]()
    assert prepared(model, MODELS["resnet"][1], passes=MANY) is model


def test_double_precision_and_few_passes_are_left_alone():
    model, x = MODELS["resnet"]
    assert prepared(model, x, passes=20) is model
    assert prepared(model, x, passes=0, precision=torch.bfloat16) is model
    double = copy.deepcopy(model).double()
    assert prepared(double, x.double(), passes=MANY) is double
    assert prepared(double, x, passes=MANY) is double


@pytest.mark.parametrize("threat", [Linf(0.1), L2(1.5)])
@pytest.mark.parametrize("early_stop", [False, True])
def test_attacks_reach_the_same_robust_accuracy_and_verdicts(threat, early_stop):
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=200)
    fooled = {}
    for fast in (True, False):
        attack = PGD(threat, steps=10, early_stop=early_stop, loss=margin_loss, fast=fast)
        x_adv = attack(model, x, y, torch.arange(200))
        assert (threat.norm(x_adv - x) <= threat.eps * (1 + 1e-5)).all()
        fooled[fast] = model(x_adv).argmax(1) != y
    assert 20 < fooled[True].sum() < 180
    # Rounding may turn a sign, and one sample at the boundary with it.
    assert (fooled[True] != fooled[False]).sum() <= 1


def test_an_attack_uses_the_copy_only_where_it_is_told_to():
    model, x = copy.deepcopy(MODELS["resnet"][0]), MODELS["resnet"][1].repeat(20, 1, 1, 1)
    y, seen_models = model(x).argmax(1), []

    class Spy(PGD):
        def perturb(self, model, x, y, generator=None):
            seen_models.append(model)
            return super().perturb(model, x, y, generator)

    one = Spy(Linf(0.05), best=False)(model, x, y, torch.arange(120))
    two = Spy(Linf(0.05), best=False, fast=False)(model, x, y, torch.arange(120))
    assert [m is model for m in seen_models] == [False, True]
    assert (one - two).abs().mean() < 1e-3
    assert torch.equal(two, PGD(Linf(0.05), best=False, fast=False)(model, x, y, torch.arange(120)))


def test_passes_are_what_an_attack_makes():
    assert FGSM(Linf(0.1)).passes == 1
    assert PGD(Linf(0.1), steps=7, restarts=3).passes == 21


@pytest.mark.parametrize("precise", ["copied", "autocast", "slow"])
def test_bfloat16_fools_the_model_itself_nearly_as_often(precise):
    model, (x, y) = zoo.mnist_natural(), data.mnist("test", size=200)
    if precise == "autocast":
        model.register_forward_hook(lambda *_: None)
    source = torch.arange(200)
    attack = PGD(Linf(0.1), steps=10, early_stop=True, fast=precise != "slow")
    half = dataclasses.replace(attack, precision=torch.bfloat16)
    x_adv = half(model, x, y, source)
    assert x_adv.dtype == torch.float32
    assert (x_adv - x).abs().max() <= 0.1 + 1e-6
    ours, theirs = (int((model(a).argmax(1) != y).sum()) for a in (x_adv, attack(model, x, y, source)))
    assert 20 < theirs < 180
    assert abs(ours - theirs) <= 4


def test_what_only_bfloat16_was_fooled_by_is_attacked_again():
    """A model whose logits lie so near to each other that bfloat16 tells them apart by its rounding."""
    torch.manual_seed(0)
    linear = nn.Linear(192, 2)
    with torch.no_grad():
        linear.weight[1] = linear.weight[0]
        linear.weight[1, 0] += 1e-3
        linear.bias[:] = torch.tensor([5.0, 4.998])
    model = nn.Sequential(nn.Flatten(), linear).eval()
    x = torch.rand(400, 3, 8, 8)
    y = model(x).argmax(1)
    target = PGD(
        Linf(0.01), steps=5, early_stop=True, loss=margin_loss, precision=torch.bfloat16, random_start=False
    )
    source = torch.arange(400)
    in_half = prepared(model, x, passes=5, precision=torch.bfloat16)
    unsettled = target.perturb(in_half, x, y, source)
    lucky = (in_half(unsettled).argmax(1) != y) & (model(unsettled).argmax(1) == y)
    assert lucky.sum() >= 5
    x_adv = target(model, x, y, source)
    slow = dataclasses.replace(target, precision=None, fast=False)(model, x, y, source)
    assert torch.equal(x_adv[lucky], slow[lucky])


def test_bfloat16_answers_in_the_input_s_precision():
    model, x = MODELS["resnet"]
    fast = prepared(model, x, passes=1, precision=torch.bfloat16)
    # Where the processor has no instructions for it, oneDNN refuses to convolve in bfloat16, and autocast computes.
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert not isinstance(fast, Autocast)
    (logits, g), (wanted, slope) = gradient(fast, x), gradient(model, x)
    assert logits.dtype == g.dtype == torch.float32
    assert (logits - wanted).norm() < 0.05 * wanted.norm()
    assert F.cosine_similarity(g.flatten(), slope.flatten(), dim=0) > 0.98
    model = Wrapped(ODD["noise"])
    assert isinstance(prepared(model, x, passes=1, precision=torch.bfloat16), Autocast)


def test_precision_is_checked():
    model, x = MODELS["resnet"]
    with pytest.raises(ValueError, match=r"None or torch.bfloat16, got torch.float64"):
        PGD(Linf(0.1), precision=torch.float64)
    with pytest.raises(ValueError, match=r"wants float32 inputs, got torch.float64"):
        PGD(Linf(0.1), precision=torch.bfloat16)(model, x.double(), torch.zeros(6, dtype=torch.int64))


def test_training_sees_each_step_s_own_weights():
    torch.manual_seed(0)
    x, y = data.mnist("train", size=256)
    game = AdversarialTraining(mlp_on_digits(), attack=PGD(Linf(0.1), steps=3, best=False))
    optimizer = torch.optim.Adam(game.parameters(), lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        game.model_loss(x, y).backward()
        optimizer.step()
    assert robust_accuracy(game.model, PGD(Linf(0.1), fast=False), x, y).value > 0.7


def shifted(model: nn.Module) -> None:
    """Other parameters and statistics in the same memory, as a step of training leaves them."""
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                tensor.mul_(1.1).add_(0.01 * torch.rand_like(tensor))


@every_model
def test_a_kept_copy_is_one_of_the_present_parameters_bit_for_bit(name):
    model, x = copy.deepcopy(MODELS[name][0]), MODELS[name][1]
    with keeping():
        kept = prepared(model, x, passes=MANY)
        versions = [tensor._version for tensor in [*model.parameters(), *model.buffers()]]
        assert prepared(model, x, passes=MANY) is kept
        assert [tensor._version for tensor in [*model.parameters(), *model.buffers()]] == versions
        shifted(model)
        assert prepared(model, x, passes=MANY) is kept
        for ours, anew in zip(gradient(kept, x), gradient(new_copy(model, x), x), strict=True):
            torch.testing.assert_close(ours, anew, atol=0, rtol=0)


def new_copy(model: nn.Module, x: torch.Tensor) -> nn.Module:
    """One that has nothing to do with what is kept."""
    made = contextvars.Context().run(prepared, model, x, passes=MANY)
    assert made is not model
    return made


class Configured(nn.Module):
    """Its forward looks at what no attribute of a module shows."""

    config = types.SimpleNamespace(scale=1.0)

    def __init__(self) -> None:
        super().__init__()
        self.net, self.factor = copy.deepcopy(MODELS["resnet"][0]), 1.0
        self.eval()

    def forward(self, x):
        return self.net(x) * self.config.scale * self.factor


def other_memory(model):
    model.net[1].weight.data = model.net[1].weight.data * 2


def other_norm(model):
    model.net[2] = nn.BatchNorm2d(8).eval()


def doubled_input(module, args):
    return (2 * args[0],)


CHANGES = {
    "an attribute": lambda model: setattr(model, "factor", 2.0),
    "what forward looks at": lambda model: setattr(model.config, "scale", 2.0),
    "forward itself": lambda model: setattr(Configured, "forward", lambda self, x: 3 * self.net(x)),
    "a parameter's memory": other_memory,
    "parameters assigned": lambda model: model.load_state_dict(
        {name: 1.5 * value for name, value in model.state_dict().items()}, assign=True
    ),
    "a module": other_norm,
    "a setting": lambda model: setattr(model.net[2], "eps", 0.5),
    "a hook": lambda model: model.net[1].register_forward_pre_hook(doubled_input),
    "a mode": lambda model: model.net[2].train(),
    "a container": lambda model: model.net.append(nn.Tanh().eval()),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_kept_copy_is_dropped_where_the_model_is_another(case, monkeypatch):
    monkeypatch.setattr(Configured, "forward", Configured.forward)
    monkeypatch.setattr(Configured, "config", types.SimpleNamespace(scale=1.0))
    model, x = Configured(), MODELS["resnet"][1]
    with keeping():
        was = prepared(model, x, passes=MANY)(x)
        CHANGES[case](model)
        with torch.no_grad():
            expected = copy.deepcopy(model)(x)  # batch statistics move with each pass in train mode
            assert not torch.allclose(expected, was, rtol=0.01)
            torch.testing.assert_close(prepared(model, x, passes=MANY)(x), expected, atol=1e-5, rtol=1e-4)


def test_a_hook_for_all_modules_is_seen_too():
    model, x = MODELS["resnet"]
    with keeping():
        prepared(model, x, passes=MANY)
        hook = nn.modules.module.register_module_forward_hook(lambda *_: None)
        try:
            assert prepared(model, x, passes=MANY) is model
        finally:
            hook.remove()
        assert prepared(model, x, passes=MANY) is not model


def test_copies_are_let_go_with_their_models_and_at_the_end():
    model, x = copy.deepcopy(MODELS["resnet"][0]), MODELS["resnet"][1]
    with keeping():
        first = weakref.ref(prepared(model, x, passes=MANY))
        del model
        gc.collect()
        assert first() is None
        model = MODELS["resnet"][0]
        with keeping():  # one inside another is the same
            second = weakref.ref(prepared(model, x, passes=MANY))
        assert second() is not None
    gc.collect()
    assert second() is None
    assert prepared(model, x, passes=MANY) is not prepared(model, x, passes=MANY)


@pytest.fixture
def looked_at(monkeypatch):
    """The models that were traced, a line for each time."""
    models = []

    def counting(model, like):
        models.append(model)
        return traced(model, like)

    monkeypatch.setattr("advnotes.fast.prepare.traced", counting)
    return models


def test_training_looks_once_at_what_a_model_does(looked_at):
    torch.manual_seed(0)
    x, y = data.mnist("train", size=256)
    game = AdversarialTraining(mlp_on_digits(), attack=PGD(Linf(0.1), steps=3, best=False))
    play(game, [(x, y)], torch.optim.Adam(game.parameters(), lr=2e-3, fused=True), steps=60, progress=False)
    assert len(looked_at) == 1
    assert robust_accuracy(game.model, PGD(Linf(0.1), fast=False), x, y).value > 0.7


def test_a_model_without_a_copy_is_looked_at_again_only_where_it_has_changed(looked_at):
    model, x = Wrapped(ODD["control flow"]), MODELS["resnet"][1]
    with keeping():
        for _ in range(3):
            assert prepared(model, x, passes=MANY) is model
        assert len(looked_at) == 1
        model.odd = None
        for _ in range(3):
            assert prepared(model, x, passes=MANY) is not model
    assert len(looked_at) == 2


def test_a_copy_from_outside_autocast_is_none_within():
    model, x = MODELS["zoo"]
    with keeping():
        assert prepared(model, x, passes=MANY) is not model
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert prepared(model, x, passes=MANY) is model
        assert prepared(model, x, passes=MANY) is not model


def test_what_is_kept_pays_for_one_pass():
    model, x = zoo.mnist_robust(), data.mnist("test", size=128)[0]
    assert prepared(model, x, passes=1) is model
    with keeping():
        assert prepared(model, x, passes=1) is not model
        assert prepared(model, x[:32], passes=1) is model


def mlp_on_digits() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), mlp(784, 128, 10))
