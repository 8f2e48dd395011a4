"""What an object is made of, as far as Python shows it: its class and its state; of code, see ``code``."""

from __future__ import annotations

import copyreg
import functools
import hashlib
import logging
import random
import sys
import threading
import types
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.hooks import RemovableHandle

from advnotes.identity import code
from advnotes.identity.code import Hidden, Parts, own

__all__ = ["NUMBERS", "PLAIN", "attributes", "look", "numbers"]

#: Values that are what they are written as.
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))

#: What is its numbers and nothing else.
NUMBERS = (Tensor, nn.Parameter, vars(nn).get("Buffer", Tensor), np.ndarray)

COMPILED = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
LOCKS = (type(threading.Lock()), type(threading.RLock()))

#: The global generators, whose state is not that of the object which draws from them; an evaluation seeds them.
SHARED = (random.random.__self__, np.random.rand.__self__, torch.default_generator)  # type: ignore[attr-defined]


def look(thing: Any, digest: Callable[[Any], str]) -> tuple[str, Parts]:
    """What sort of thing it is, as text, and its parts by name, in an order that is the same in every process.

    Args:
        thing: any object that is not ``PLAIN``.
        digest: identifies keys and members, which are sorted by it where they have no order of their own.

    Raises:
        Hidden: where its state or its code cannot be seen.
    """
    kind = type(thing)
    if any(thing is shared for shared in SHARED):
        return "shared generator", []
    if isinstance(thing, (dict, types.MappingProxyType)):
        return "dict", [*_entries(thing, digest), *_more(thing, dict, types.MappingProxyType)]
    if isinstance(thing, (set, frozenset)):
        return "set", [*(("", item) for item in sorted(thing, key=digest)), *_more(thing, set, frozenset)]
    if isinstance(thing, (list, tuple)):
        base = "list" if isinstance(thing, list) else "tuple"
        return base, [*((str(i), item) for i, item in enumerate(thing)), *_more(thing, list, tuple)]
    if isinstance(thing, (Tensor, np.ndarray)):
        return f"numbers {numbers(thing)}", _more(thing, *NUMBERS)
    for sort, read in READERS:
        if isinstance(thing, sort):
            return read(thing)
    if kind.__module__ == "torch._ops" and str(thing).startswith(("aten.", "prims.")):
        return str(thing), []
    return _instance(thing)


def numbers(values: Tensor | NDArray[Any]) -> str:
    """The SHA-256 of the numbers of a tensor or an array, their dtype and their shape.

    Raises:
        Hidden: where it has none that can be read, as on the meta device.
    """
    head = f"{values.dtype} {tuple(values.shape)}".encode()
    try:
        if isinstance(values, Tensor):
            values = values.detach().cpu()
            values = values if values.layout == torch.strided else values.to_dense()
            flat = values.resolve_conj().resolve_neg().contiguous().reshape(-1)
            return hashlib.sha256(
                head + (flat.view(torch.uint8).numpy().tobytes() if len(flat) else b"")
            ).hexdigest()
        if values.dtype.hasobject:  # which has addresses for numbers
            raise Hidden
        return hashlib.sha256(head + values.tobytes()).hexdigest()
    except (RuntimeError, TypeError) as error:
        raise Hidden from error


def _entries(thing: Any, digest: Callable[[Any], str]) -> Parts:
    """The entries of a dict: by key, or as they come where they are called, such as layers, one after the other."""
    entries = list(thing.items())
    if not isinstance(thing, OrderedDict) and not any(callable(value) for _, value in entries):
        entries.sort(key=lambda entry: digest(entry[0]))
    return [
        part
        for key, value in entries
        for part in (("key", key), (key if isinstance(key, str) else "value", value))
    ]


def _more(thing: Any, *bases: type) -> Parts:
    """What a subclass adds to a built-in class."""
    return [] if type(thing) in bases else [("class", type(thing)), *attributes(thing).items()]


def attributes(thing: Any) -> dict[str, Any]:
    """The attributes of an object itself, those in slots too, in alphabetical order."""
    found = dict(vars(thing)) if hasattr(thing, "__dict__") else {}
    found |= {name: getattr(thing, name) for name in _slots(type(thing)) if hasattr(thing, name)}
    return dict(sorted(found.items()))


def _slots(kind: type) -> list[str]:
    members = [value for base in kind.__mro__ for value in vars(base).values()]
    names = [value.__name__ for value in members if isinstance(value, types.MemberDescriptorType)]
    return [name for name in names if not name.startswith("__")]  # C keeps its offsets there


def _instance(thing: Any) -> tuple[str, Parts]:
    """An object by its attributes, or, where it keeps more than these, as types of C do, by its pickled form."""
    kind: Any = type(thing)
    pointers = (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0) + len(_slots(kind))
    size = object.__basicsize__ + pointers * tuple.__itemsize__
    plain = kind.__reduce__ is object.__reduce__ and kind.__reduce_ex__ is object.__reduce_ex__
    if kind.__basicsize__ <= size and not kind.__itemsize__ and (own(kind.__module__) or plain):
        return "object", [("class", kind), *attributes(thing).items()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reduce = copyreg.dispatch_table.get(kind)
            reduced: Any = reduce(thing) if reduce else thing.__reduce_ex__(4)
    except Exception as error:
        raise Hidden from error
    if isinstance(reduced, str):  # a global of a module
        home = kind.__module__
        return f"global {reduced}", [("module", sys.modules.get(home) if own(home) else home)]
    made, arguments, state, items, entries = (*reduced, None, None, None)[:5]
    rest = [("state", state), ("items", list(items or ())), ("entries", list(entries or ()))]
    more = [] if state is not None else attributes(thing).items()
    return "object", [("class", kind), ("made", made), ("arguments", arguments), *rest, *more]


def _network(module: nn.Module) -> tuple[str, Parts]:
    """A module by all its attributes; what only wraps one, by that one."""
    if isinstance(module, DistributedDataParallel):
        return "module", [("module", module.module)]
    if type(module).__module__.startswith("torch._dynamo"):
        return "module", [("", module._orig_mod)]
    state = attributes(module)
    state.pop("_graph", None)  # of torch.fx, whose code is that of the class
    hooks = {name: state[name] for name in state if name.startswith("_") and "hooks" in name and state[name]}
    hooks = {name: values for name, values in hooks.items() if isinstance(values, dict)}
    # Hooks are numbered in the order in which a process made them.
    numbers = {key: number for number, key in enumerate(sorted({key for of in hooks.values() for key in of}))}
    for name, values in hooks.items():
        state[name] = [(numbers[key], value) for key, value in values.items()]
    return "module", [("class", type(module)), *sorted(state.items())]


#: How to read each type of thing that is not a plain container; the first that fits is used.
READERS: list[tuple[Any, Callable[[Any], tuple[str, Parts]]]] = [
    (type, code.parts_of_class),
    (types.FunctionType, code.parts_of_function),
    (types.CodeType, code.parts_of_code),
    (types.MethodType, lambda it: ("method", [("", it.__self__), ("function", it.__func__)])),
    (types.ModuleType, code.parts_of_module),
    ((staticmethod, classmethod), lambda it: (type(it).__name__, [("", it.__func__)])),
    (property, lambda it: ("property", [("get", it.fget), ("set", it.fset), ("delete", it.fdel)])),
    (
        functools.partial,
        lambda it: ("partial", [("", it.func), ("", it.args), ("", it.keywords), *sorted(vars(it).items())]),
    ),
    (type(functools.cache(len)), lambda it: ("cache", [("", it.__wrapped__)])),
    (COMPILED, code.parts_of_compiled),
    # The rest: what has no effect on an answer, and what holds other things.
    ((*LOCKS, logging.Logger, RemovableHandle), lambda it: (type(it).__name__, [])),
    (weakref.ref, lambda it: ("reference", [("", it())])),
    (torch.Generator, lambda it: ("generator", [("device", str(it.device)), ("state", it.get_state())])),
    (nn.Module, _network),
]
