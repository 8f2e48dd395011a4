"""When two things are the same: the one place that decides what may be reused, resumed or left out.

A model, an attack, a loss or a threat is identified by all that Python shows of it: numbers, settings, structure, its
code, what that code closes over and which globals it reads. Code of Python, torch, NumPy and advnotes is identified
by its name and their versions. What code reads while it runs, from files or the network, is not seen.
"""

from __future__ import annotations

import dataclasses
import hashlib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from advnotes.identity.code import VERSIONED
from advnotes.identity.objects import NUMBERS, PLAIN, attributes, look

__all__ = ["Identity", "identify", "modules", "parameters", "same", "versions"]

#: What is compared by its value, wherever it is met: equal ones may be one object in one process and two in another.
VALUES = (tuple, frozenset, types.CodeType, *NUMBERS)

#: Types in which no module of a model is searched for.
LEAVES = (*PLAIN, type, types.ModuleType, types.CodeType, Tensor, np.ndarray)


@dataclass(frozen=True)
class Identity:
    """What tells a thing from all others, and what of it cannot be told.

    Args:
        digest: a SHA-256, the same in every process for the same thing.
        hidden: which parts have a state or code that Python does not show. Where there are some, two different things
            may have one digest, so that nothing may be reused by it.
    """

    digest: str
    hidden: tuple[str, ...] = ()

    def refusal(self, name: str) -> str:
        """Why nothing is reused, and how to mend it; empty where all is known."""
        if not self.hidden:
            return ""
        return (
            f"Nothing of {name} is kept in the folder or taken from it, since Python does not show what "
            f"{' and '.join(self.hidden[:3])} would do: hold plain values, tensors, modules or functions instead, or "
            "leave folder= out."
        )


def identify(thing: object, name: str = "it") -> Identity:
    """What tells ``thing`` from all others; it may hold itself.

    Args:
        thing: a model, an attack, a function, a value, ...
        name: what it is called where parts of it are hidden.
    """
    whole = hashlib.sha256()
    # Where each object was first met. It is kept alive, so that no other one comes to its address.
    met: dict[int, tuple[int, object]] = {}
    hidden: list[str] = []

    def write(text: str) -> None:
        data = text.encode(errors="surrogatepass")
        whole.update(len(data).to_bytes(8, "big") + data)

    left: list[tuple[str, Any]] = [(name, thing)]
    while left:
        path, item = left.pop()
        if type(item) in PLAIN:
            write(f"{type(item).__name__} {item!r}")
            continue
        if id(item) in met:
            write(f"again {met[id(item)][0]}")
            continue
        if type(item) not in VALUES:
            met[id(item)] = (len(met), item)
        try:
            text, parts = look(item, _digest)
        except Exception:  # Hidden, or whatever else comes of looking at it
            write(f"hidden {type(item).__qualname__}")
            hidden.append(f"{path} ({_a(type(item).__name__)})")
            continue
        write(f"{text} {len(parts)}")
        for label, _ in parts:
            write(label)
        left += [(f"{path}.{label}" if label else path, part) for label, part in reversed(parts)]
    return Identity(whole.hexdigest(), tuple(dict.fromkeys(hidden)))


def modules(model: object) -> dict[str, nn.Module]:
    """The modules that a model is made of: itself, or those that a function or an object reaches, by name."""
    found: dict[str, nn.Module] = {}
    met: dict[int, object] = {}
    left: list[tuple[str, Any]] = [("", model)]
    while left:
        path, item = left.pop()
        if id(item) in met or issubclass(type(item), LEAVES):
            continue
        met[id(item)] = item
        if issubclass(type(item), nn.Module):
            found[path or "model"] = item
            continue
        try:
            _, parts = look(item, _digest)
        except Exception:
            continue
        left += [(".".join(filter(None, (path, label))), part) for label, part in reversed(parts)]
    return found


def parameters(model: object) -> Iterator[nn.Parameter]:
    """The parameters of the modules that a model is made of."""
    for module in modules(model).values():
        yield from module.parameters()


def same(one: object, other: object) -> bool:
    """Whether two attacks, or fields of them, are equal: values by their content, callables only as the same object.

    Text that looks alike is not enough: two lambdas are two functions.
    """
    if one is other:
        return True
    if isinstance(one, (bool, int, float)) and isinstance(other, (bool, int, float)):
        return one == other
    if type(one) is not type(other):
        return False
    if isinstance(one, (str, bytes, torch.dtype, torch.device)):
        return one == other
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
    if isinstance(one, types.MethodType) and isinstance(other, types.MethodType):
        return one.__self__ is other.__self__ and one.__func__ is other.__func__
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if not dataclasses.is_dataclass(one):
        return False
    # Attributes that are no fields decide too.
    names = {item.name for item in dataclasses.fields(one)}
    names |= attributes(one).keys() | attributes(other).keys()
    absent = object()
    pairs = ([getattr(it, name, absent) for it in (one, other)] for name in names)
    return all(same(*pair) for pair in pairs)


def versions() -> dict[str, str]:
    """The versions of the packages whose code is identified by its name."""
    return {name: version(name).partition("+")[0] for name in VERSIONED}


def _digest(thing: object) -> str:
    return identify(thing).digest


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
