"""Models, losses and attacks of every sort, by what decides what they do. Run, it prints the digest of each."""

from __future__ import annotations

import collections
import enum
import functools
import random
import re
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from advnotes.attacks import BPDA, EOT, PGD, Attack, Transfer
from advnotes.evaluation.names import config_text
from advnotes.identity import identify
from advnotes.losses import margin_loss
from advnotes.threats import Linf

THREAT = Linf(0.1)


def net(scale: float = 1.0) -> nn.Module:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        layers[1].weight.copy_(scale * torch.linspace(-1, 1, 8).view(2, 4))
        layers[1].bias.zero_()
    return layers


class Wrap:
    """The usual way to pick logits out of a network."""

    def __init__(self, inner: Any, **more: Any) -> None:
        self.inner = inner
        self.__dict__.update(more)

    def __call__(self, x: Any) -> Any:
        return self.inner(x)

    def answer(self, x: Any) -> Any:
        return self(x)


class Slotted:
    __slots__ = ("__factor", "inner")

    def __init__(self, inner: Any, factor: float) -> None:
        self.inner, self.__factor = inner, factor

    def __call__(self, x: Any) -> Any:
        return self.__factor * self.inner(x)


class Forgets(Wrap):
    """What is pickled of it says less than it is."""

    def __reduce__(self) -> Any:
        return Forgets, (None,)

    def __getstate__(self) -> Any:
        return {}


class Itself(Wrap):
    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.parents = [self]
        self.by_name = {"it": self, "all": self.parents}


class Layer(nn.Module):
    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.__dict__.update(settings)

    def forward(self, x: Tensor) -> Tensor:
        return x


class Pair(NamedTuple):
    net: Any
    factor: float


class Mode(enum.Enum):
    SOFT = 1
    HARD = 2


@dataclass(frozen=True)
class Mine(PGD):
    """An attack of one's own."""

    weights: dict[str, float] = field(default_factory=dict)
    only: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Ball(Linf):
    """A threat of one's own."""

    shape: str = "cube"


def quantized(levels: int) -> Any:
    inner = net()
    return lambda x: inner((x * levels).round() / levels)


def made_of(layers: list[Any]) -> Any:
    def model(x: Any) -> Any:
        for layer in layers:
            x = layer(x)
        return x

    return model


def with_default(factor: float) -> Any:
    def model(x: Any, scale: float = factor, *, shift: float = -factor) -> Any:
        return x * scale + shift

    return model


def with_attribute(factor: float) -> Any:
    def model(x: Any) -> Any:
        return x * model.factor  # type: ignore[attr-defined]

    model.factor = factor  # type: ignore[attr-defined]
    return model


def reads_global(factor: Any) -> Any:
    """A function that reads a global number, by way of another function, inside a comprehension."""
    home: dict[str, Any] = {"__name__": "notebook", "FACTOR": factor}
    exec(
        "def helper(x):\n    return [FACTOR * v for v in x]\ndef model(x):\n    return (lambda: helper(x))()\n",
        home,
    )
    return home["model"]


def of_module(factor: float) -> Any:
    """A function that calls one of another module of the user's own."""
    helpers = types.ModuleType("my_helpers")
    exec(f"def scaled(x):\n    return {factor} * x", helpers.__dict__)
    return eval("lambda x: helpers.scaled(x)", {"__name__": "notebook", "helpers": helpers})


def class_of(factor: float) -> Any:
    """An object of a class whose attribute, method, property and base differ."""

    class Base:
        def base(self, x: Any) -> Any:
            return x * factor

    class Of(Base):
        @property
        def twice(self) -> float:
            return 2.0

        @staticmethod
        def plus(x: Any) -> Any:
            return x + 1

        def __call__(self, x: Any) -> Any:
            return self.plus(self.base(x)) * self.twice

    return Of()


def class_attribute(factor: float) -> Any:
    class Of:
        strength = factor

        def __call__(self, x: Any) -> Any:
            return x * self.strength

    return Of()


def hooked(factor: float) -> Any:
    module = net()
    module.register_forward_hook(lambda _, __, out: out * factor)
    return module


def ordered(*names: str) -> Any:
    layers = {"relu": nn.ReLU(), "tanh": nn.Tanh()}
    return nn.Sequential(collections.OrderedDict((name, layers[name]) for name in names))


def attack_class(sign: float) -> Any:
    """The same attack, with a fault and mended: its class has one name and one text."""

    @dataclass(frozen=True)
    class Own(PGD):
        def perturb(self, model: Any, x: Any, y: Any, generator: Any = None) -> Any:
            return x.clone() if sign < 0 else super().perturb(model, x, y, generator)

    return Own(THREAT)


def base_class(sign: float) -> Any:
    """The difference is in a base class that is no dataclass of its own."""

    class Base(PGD):
        def perturb(self, model: Any, x: Any, y: Any, generator: Any = None) -> Any:
            return x + sign * 0

    return type("Own", (Base,), {})(THREAT)


def remembers(choice: float) -> Any:
    attack = PGD(THREAT)
    object.__setattr__(attack, "choice", choice)
    return attack


@functools.lru_cache
def cached(x: Any) -> Any:
    return x


def sign_loss(sign: float) -> Any:
    return lambda logits, y: sign * margin_loss(logits, y)


#: How to make each from a number that decides what it does.
KINDS: dict[str, Callable[[float], Any]] = {
    "module": net,
    "a module's method": lambda k: net(k).forward,
    "a module's number": lambda k: Layer(scale=k),
    "a module's private number": lambda k: Layer(_scale=k),
    "a module's list": lambda k: Layer(scales=[1, k]),
    "a module's dict": lambda k: Layer(scales={"a": {"b": k}}),
    "a module's set": lambda k: Layer(scales={"a", "b", str(k)}),
    "a module's tensors": lambda k: Layer(scales=[torch.tensor([k])]),
    "a module's array": lambda k: Layer(mean=np.array([0.0, k])),
    "a module's object": lambda k: Layer(other=Wrap(None, k=k)),
    "a module's function": lambda k: Layer(function=sign_loss(k)),
    "a hook": hooked,
    "order of layers": lambda k: ordered(*(("relu", "tanh") if k > 1.5 else ("tanh", "relu"))),
    "order of callables": lambda k: Wrap(dict([("a", abs), ("b", len)][:: 1 if k > 1.5 else -1])),
    "wrapper": lambda k: Wrap(net(k)),
    "wrapper of a wrapper": lambda k: Wrap([{"nets": (Wrap(net(k)),)}]),
    "wrapper's number": lambda k: Wrap(net(), scale=k),
    "wrapper's method": lambda k: Wrap(net(k)).answer,
    "slots": lambda k: Slotted(net(), k),
    "slots and a net": lambda k: Slotted(net(k), 1.0),
    "forgets when pickled": lambda k: Forgets(net(k)),
    "holds itself": lambda k: Itself(net(k)),
    "partial": lambda k: functools.partial(torch.nn.functional.linear, weight=net(k)[1].weight),  # type: ignore[index]
    "partial of a net": lambda k: functools.partial(lambda f, x: f(x), net(k)),
    "closure": lambda k: (lambda n: lambda x: n(x))(net(k)),
    "number in a closure": lambda k: quantized(int(k)),
    "list in a closure": lambda k: made_of([torch.relu, net(k)]),
    "wrapper in a closure": lambda k: made_of([Wrap(net(k))]),
    "default": with_default,
    "attribute of a function": with_attribute,
    "global": reads_global,
    "net in a global": lambda k: reads_global(net(k)),
    "code of a module of one's own": of_module,
    "code of a base": class_of,
    "class attribute": class_attribute,
    "no_grad": lambda k: torch.no_grad()(sign_loss(k)),
    "cache": lambda k: functools.cache(sign_loss(k)),
    "named tuple": lambda k: Wrap(Pair(net(k), 1.0)),
    "enum": lambda k: Wrap(Mode(int(k))),
    "fraction": lambda k: Wrap(Fraction(int(k), 3)),
    "regex": lambda k: Wrap(re.compile(f"{k}")),
    "path": lambda k: Wrap(PurePosixPath(f"a/{k}")),
    "deque": lambda k: Wrap(collections.deque([k])),
    "defaultdict": lambda k: Wrap(collections.defaultdict(with_default(k))),
    "generator": lambda k: Wrap(None, g=torch.Generator().manual_seed(int(k))),
    "NumPy generator": lambda k: Wrap(None, g=np.random.default_rng(int(k))),
    "Python generator": lambda k: Wrap(None, g=random.Random(int(k))),
    "frozen set of objects": lambda k: Wrap(frozenset([Pair(1, k), Pair(2, 0.0), Pair(3, 0.0)])),
    "lock beside a net": lambda k: Wrap(net(k), lock=threading.Lock()),
    "traced": lambda k: torch.fx.symbolic_trace(net(k)),
    "BPDA": lambda k: nn.Sequential(BPDA(quantized(int(k))), net()),
    "dtype": lambda k: Wrap(torch.float32 if k > 1.5 else torch.float64),
    "NaN and zeros": lambda k: Wrap([float("nan"), 0.0 if k > 1.5 else -0.0]),
    "attack's field": lambda k: PGD(THREAT, steps=int(k)),
    "attack's radius": lambda k: PGD(Linf(torch.tensor([0.1, 0.1 * k]))),
    "attack's loss": lambda k: PGD(THREAT, loss=sign_loss(k)),
    "attack's loss by an object": lambda k: PGD(THREAT, loss=Wrap(None, k=k)),
    "attack's dict": lambda k: Mine(THREAT, weights={"a": k}),
    "attack's set": lambda k: Mine(THREAT, only=frozenset(["a", "b", "c", str(k)])),
    "attack's code": lambda k: attack_class(1.5 - k),
    "code of an attack's base": base_class,
    "attribute of an attack": remembers,
    "threat": lambda k: PGD(Ball(0.1, shape=str(k))),
    "inner attack": lambda k: EOT(PGD(THREAT, loss=sign_loss(k))),
    "source": lambda k: Transfer(PGD(THREAT), net(k)),
    "source's setting": lambda k: Transfer(PGD(THREAT), [Layer(scale=k)]),
    "source behind a function": lambda k: Transfer(PGD(THREAT), [quantized(int(k))]),
    "global generators": lambda k: Wrap(
        [random.random, np.random.rand, cached, torch.default_generator], k=k
    ),
}

if __name__ == "__main__":
    random.seed(sys.argv[1])
    np.random.seed(int(sys.argv[1]))  # noqa: NPY002
    ballast = [object() for _ in range(1000 * int(sys.argv[1]))]  # other addresses
    for name, make in KINDS.items():
        thing = make(2.0)
        print(name, identify(thing).digest, config_text(thing) if isinstance(thing, Attack) else "")
