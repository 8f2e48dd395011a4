"""Models that must not be copied, since their forward keeps what it is given or asks what no graph can hold."""

import types

import torch
from torch import nn

from tests.advnotes.fast.family import Net

LOG: list[object] = []
TABLE: dict[str, object] = {}
CACHE = types.SimpleNamespace(h=None)
LAST = None


class Memory:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[object] = []
        self.h = None


class Rounded(torch.autograd.Function):
    """With the identity's gradient where the gradient is large."""

    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-1e3, 1e3)


def keeps_attribute(self, x):
    self.cache.h = x
    return self.head(x)


def keeps_in_list(self, x):
    self.cache.kept.append(x)
    return self.head(x)


def appends(self, x):
    LOG.append(x)
    return self.head(x)


def enters(self, x):
    TABLE["x"] = x
    return self.head(x)


def remembers_globally(self, x):
    global LAST
    LAST = x
    return self.head(x)


def sets_on_a_global(self, x):
    CACHE.h = x
    return self.head(x)


def sets_on_the_class(self, x):
    type(self).last = x
    return self.head(x)


def sets_by_name(self, x):
    setattr(CACHE, "h", x)  # noqa: B010
    return self.head(x)


def defaults(self, x, kept=LOG):
    kept.append(x)
    return self.head(x)


def closes_over(kept):
    def run(self, x):
        kept.append(x)
        return self.head(x)

    return run


def appending_method(self, x):
    return self.head(self.note(x))


class Noting(Net):
    """By a method."""

    kept: list[object] = []  # noqa: RUF012

    def note(self, x):
        self.kept.append(x)
        return x


def nested(self, x):
    self.table["rows"].append(x)
    return self.head(x)


def caught(self, x):
    try:
        return self.head(x) if x.mean() > 0 else self.head(-x)
    except Exception:
        return self.head(2 * x)


def asks_for_grad(self, x):
    return self.head(x if torch.is_grad_enabled() else x.clamp(max=50))


def asks_for_type(self, x):
    return self.head(x * 2 if isinstance(x, torch.Tensor) else x)


def without_gradients(self, x):
    with torch.no_grad():
        shift = x.clamp(-50, 50) - x
    return self.head(x + shift)


def under_autocast(self, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return self.head(x).float()


def written_view(self, x):
    h = self.head[0](x * 1)
    h.view(-1).relu_()
    return self.head[1](h)


def head() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 5))


def kept() -> list[object]:
    """What was left in objects of this file, and is a tensor or a stand-in for one."""
    found = [*LOG, *TABLE.values(), *Noting.kept, LAST, CACHE.h, getattr(Net, "last", None)]
    return [thing for thing in found if thing is not None]


def models() -> dict[str, nn.Module]:
    """Models that must not be copied."""
    runs = {run.__name__: run for run in (
        keeps_attribute, keeps_in_list, appends, enters, remembers_globally, sets_on_a_global, sets_on_the_class,
        sets_by_name, defaults, nested, caught, asks_for_grad, asks_for_type, without_gradients, under_autocast,
        written_view,
    )}  # fmt: skip
    runs |= {
        "closes over a list": closes_over([]),
        "an autograd function": lambda self, x: self.head(Rounded.apply(x)),
        "the input's values": lambda self, x: self.head(x) if x.mean() > 0.5 else self.head(-x),
        "a hidden batch size": lambda self, x: self.head(x) if len(x) < 100 else self.head(-x),
        "a bound method of a list": lambda self, x: (self.note(x), self.head(x))[1],
    }
    made: dict[str, nn.Module] = {}
    for name, run in runs.items():
        made[name] = Net(run, head=head(), table={"rows": []})
        if name.startswith("keeps"):
            made[name].cache = Memory()
        if "bound" in name:
            made[name].note = made[name].table["rows"].append
    return made | {"appending_method": Noting(appending_method, head=head(), table={"rows": []})}
