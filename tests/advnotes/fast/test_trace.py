"""Models that are more than a graph, or that some inputs do not show."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes.attacks import PGD
from advnotes.fast import prepared
from advnotes.threats import Linf
from tests.advnotes.fast.models import MANY, MODELS, fingerprint, gradient


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
    assert fast is model
