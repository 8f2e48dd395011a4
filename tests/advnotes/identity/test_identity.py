"""Two things are the same one where, and only where, all that decides what they do is the same."""

from __future__ import annotations

import collections
import functools
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from advnotes import zoo
from advnotes.identity import identify, modules, same, versions
from advnotes.threats import Linf
from tests.advnotes.evaluation import models
from tests.advnotes.identity import kinds


def digest(thing: object) -> str:
    return identify(thing).digest


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_thing_is_what_it_is_made_of(kind: str) -> None:
    make = kinds.KINDS[kind]
    one, other, again = make(2.0), make(1.0), make(2.0)
    assert identify(one).hidden == ()
    assert digest(one) == digest(again)
    assert digest(one) != digest(other)
    assert digest(one) == digest(one), "looking at it changes nothing"


def test_it_is_the_same_in_every_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-m", "tests.advnotes.identity.kinds", seed],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert said.pop().count("\n") == len(kinds.KINDS)


def test_every_number_and_setting_of_a_network_counts() -> None:
    def network() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)).eval()

    prints = [digest(network())]
    for change in range(6):
        other = network()
        with torch.no_grad():
            if change == 0:
                other[0].weight[0, 0, 0, 0] += 1e-6
            elif change == 1:
                other[1].running_mean[1] = 0.5
            elif change == 2:
                other[0].stride = (2, 2)
            elif change == 3:
                other.append(nn.Identity())
            elif change == 4:
                other = other.double()
            elif change == 5:
                other[1].eps = 1e-3
        prints.append(digest(other))
    prints += [digest(model) for model in (models.Linear(), models.Linear(2.0), models.Noisy())]
    net = network()
    prints += [digest(function) for function in (lambda x: net(x), lambda x: net(x) + 1)]
    assert len(set(prints)) == len(prints)
    network().load_state_dict(net.state_dict())
    assert digest(net) == digest(network()) == prints[0]


def test_neither_the_order_of_settings_nor_equal_values_in_other_objects_count() -> None:
    one, other = kinds.Wrap(None, a=1, b="x"), kinds.Wrap(None)
    other.b, other.a = "x", 1
    assert digest(one) == digest(other)
    assert digest({"a": 1, "b": torch.ones(2)}) == digest({"b": torch.ones(2), "a": 1})
    assert digest({1: 2, None: 3, (1, "a"): 4}) == digest({(1, "a"): 4, None: 3, 1: 2})
    assert digest(collections.OrderedDict(a=1, b=2)) != digest(collections.OrderedDict(b=2, a=1))
    shared = torch.ones(3)
    assert digest([shared, shared]) == digest([torch.ones(3), torch.ones(3)])
    assert digest([1, [2]]) != digest([[1], 2]) != digest([1, 2])
    assert digest("1") != digest(1) != digest(1.0) != digest(True)
    assert digest(torch.ones(2, 3)) != digest(torch.ones(3, 2)) != digest(torch.ones(2, 3).tolist())
    assert digest(torch.arange(6).view(2, 3).T) == digest(torch.arange(6).view(2, 3).T.contiguous())


def test_functions_in_a_dict_count_in_their_order_in_which_they_are_called() -> None:
    calls = {"up": abs, "down": round}
    assert digest(calls) == digest(dict(calls))
    assert digest(calls) != digest(dict(reversed(calls.items())))


def test_comments_and_the_address_of_code_do_not_count() -> None:
    def compiled(text: str) -> Any:
        home: dict[str, Any] = {"__name__": "notebook"}
        exec(text, home)
        return home["f"]

    assert digest(compiled("def f(x):\n    return x")) == digest(
        compiled("# why\n\ndef f(x):\n    return x  # so")
    )
    assert digest(compiled("def f(x): return x in {'a', 'b', 'c'}")) != digest(
        compiled("def f(x): return x in {'a', 'b', 'd'}")
    )


class Counts:
    """Says how often it was called: what it writes is no setting."""

    calls = 0

    def __call__(self, x: Any) -> Any:
        type(self).calls += 1
        return x


def test_a_setting_of_a_class_counts_though_objects_have_their_own() -> None:
    def of(value: float) -> Any:
        class Of:
            strength = value

            def __init__(self) -> None:
                self.other = 0

            def weaken(self) -> None:
                self.strength = 0

        return Of()

    assert digest(of(1)) == digest(of(1)) != digest(of(2))


class Touchy:
    """Nothing can be asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise OSError(name)


def test_a_counter_of_a_class_is_no_setting_of_it() -> None:
    before = digest(Counts())
    Counts()(0)
    assert Counts.calls > 0
    assert digest(Counts()) == before


class Sealed:
    def __reduce__(self) -> Any:
        raise TypeError("not to be copied")


class Session(socket.socket):
    def __call__(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: kinds.Wrap(Path(__file__).open()), r"model\.inner \(a TextIOWrapper\)"),  # noqa: SIM115
        (lambda: kinds.made_of([iter(x for x in ())]), r"model\.layers\.0 \(a generator\)"),
        (lambda: kinds.Wrap({"a": torch.empty(1, device="meta")}), r"model\.inner\.a \(a Tensor\)"),
        (lambda: torch.jit.script(kinds.net()), "ScriptModule"),
        (Touchy, r"model \(a Touchy\)"),
        (Session, r"model \(a Session\)"),
        (lambda: kinds.Wrap(memoryview(b"abc")), "a memoryview"),
        (lambda: functools.partial(lambda f, x: x, {Pickled()}), "an? Pickled|a memoryview"),
    ],
)
def test_what_python_does_not_show_is_named(make: Any, what: str) -> None:
    whole = identify(make(), "model")
    assert len(whole.hidden) > 0
    why = whole.refusal("the model")
    assert why.startswith(
        "Nothing of the model is kept in the folder or taken from it, since Python does not show"
    )
    assert why.endswith("or leave folder= out.")
    assert re.search(what, why), why


class Pickled:
    def __init__(self) -> None:
        self.view = memoryview(b"abc")


def test_an_object_that_refuses_to_be_pickled_may_be_seen_all_the_same() -> None:
    assert identify(Sealed()).hidden == ()
    assert identify(3).refusal("it") == ""


def deep(depth: int) -> Any:
    whole: Any = kinds.net()
    for _ in range(depth):
        whole = kinds.Wrap([whole])
    return whole


def test_depth_is_no_limit() -> None:
    assert identify(deep(3000)).hidden == ()
    assert digest(deep(3000)) != digest(deep(2999))
    assert len(modules(deep(3000))) == 1


def test_modules_are_found_wherever_a_model_holds_them() -> None:
    net, wrap = kinds.net(), kinds.Wrap
    assert modules(net) == modules(net.forward) == {"model": net}
    assert modules(wrap(net)) == modules(wrap(net).answer) == {"inner": net}
    assert modules(lambda x: net(x)) == {"net": net}
    assert list(modules(functools.partial(wrap([net, net])).__call__).values()) == [net]
    assert list(modules(kinds.reads_global(net)).values()) == [net]
    assert (
        modules(lambda x: x)
        == modules(3)
        == modules(None)
        == modules(kinds.Itself(None))
        == modules(Touchy())
        == {}
    )


def test_versions_are_those_of_the_packages_that_are_named_only() -> None:
    found = versions()
    assert found["torch"] == torch.__version__.partition("+")[0]
    assert set(found) == {"advnotes", "numpy", "torch"}


def test_the_same_is_what_is_equal_and_not_what_reads_alike() -> None:
    assert same(Linf(1.0), Linf(1.0))
    assert same({"a": [1, (2.0,)]}, {"a": [1, (2,)]})
    assert not same({"a": 1}, {"b": 1})
    assert not same([1], (1,))
    assert not same("1", 1)
    assert not same(torch.ones(2), torch.ones(2).double())
    assert not same(kinds.Wrap(None), kinds.Wrap(None))
    assert not same(float("nan"), float("nan"))
    assert same(kinds.Mine(Linf(0.1), weights={"a": 1}), kinds.Mine(Linf(0.1), weights={"a": 1}))
    assert not same(kinds.Mine(Linf(0.1), weights={"a": 1}), kinds.Mine(Linf(0.1), weights={"a": 2}))
    assert not same(kinds.Mine(Linf(0.1)), kinds.PGD(Linf(0.1)))
    assert not same(kinds.Mine, kinds.Ball)


def test_a_network_of_the_zoo_is_known() -> None:
    assert identify(zoo.mnist_natural()).hidden == ()
