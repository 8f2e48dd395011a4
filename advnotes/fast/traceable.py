"""Whether ``forward`` can be traced: found in its code and the objects that it reaches, before it runs.

Tracing runs ``forward`` on stand-ins for tensors, in a copy of the model's modules and their containers. Everything
else that it reaches is the user's own: such a model is refused where that can be changed, and where the code asks what
a stand-in cannot answer, such as whether gradients are recorded. Code of installed packages is trusted.
"""

import dis
import enum
import functools
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from advnotes.identity.code import own, parts_of_function

__all__ = ["Untraceable", "check_state"]

#: Instructions that write outside a function, and the one that decides by the kind of an error.
INSTRUCTIONS = {"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR", "CHECK_EXC_MATCH"}
# fmt: off
#: What asks for the mode, or for what only a tensor has, under whatever name.
ASKS = {"is_grad_enabled", "is_inference_mode_enabled", "requires_grad", "requires_grad_", "grad_fn", "grad", "is_leaf",
        "Tensor", "is_tensor", "random", "__dict__"}
#: Functions and modules that write by name, speak to the user, or answer differently in every call.
REFUSED = ASKS | {"setattr", "delattr", "globals", "vars", "exec", "eval", "print", "open", "input", "numpy.random",
                  "time", "logging", "warnings"}
#: Methods that forward does not call.
UNUSED = {"__init__", "__new__", "__repr__", "__getstate__", "__setstate__", "__reduce__", "__copy__", "__deepcopy__"}
PLAIN: tuple[type, ...] = (int, float, complex, str, bytes, type(None), type(...), type(NotImplemented), slice, range,
                           np.generic, Tensor, torch.dtype, torch.device, torch.layout, torch.memory_format)
CODE: tuple[Any, ...] = (type, types.FunctionType, types.ModuleType, types.BuiltinFunctionType,
                          types.MemberDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
                          types.GetSetDescriptorType)
# fmt: on
#: The attributes that every module has.
OF_ALL_MODULES = set(vars(nn.Module()))
#: The size of an object of which all state is in its attributes.
EMPTY = type("", (), {}).__basicsize__


class Untraceable(Exception):  # noqa: N818
    """The model is more than a fixed function of its input made of operations that a graph can hold."""


def check_state(model: nn.Module) -> None:
    """Refuse a model whose code could keep what it is given, or ask what a stand-in cannot answer.

    Raises:
        Untraceable: it says what was found.
    """
    modules = [module for module in model.modules() if not type(module).__module__.startswith("torch.nn.")]
    left: list[Any] = [type(module) for module in modules]
    for module in modules:
        left += _flat([value for name, value in vars(module).items() if name not in OF_ALL_MODULES])
    reach = _Reach(set(model.modules()))
    while left:
        reach.visit(left)
        left = reach.members()


def _flat(value: Any) -> Iterator[Any]:
    """What is in containers, which are copied before forward runs."""
    if type(value) in (list, tuple, set, dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _flat(item)
    else:
        yield value


class _Reach:
    """What code reaches: its functions, the classes whose methods it may call, and the names that it reads."""

    def __init__(self, modules: set[nn.Module]) -> None:
        self.modules = modules
        self.classes: set[type] = set()
        self.names: set[str] = set()
        self.seen: dict[int, Any] = {}  # kept alive, so that an address stands for one thing

    def visit(self, left: list[Any]) -> None:
        while left:
            thing = left.pop()
            if id(thing) not in self.seen:
                self.seen[id(thing)] = thing
                left += self._parts(thing)

    def members(self) -> list[Any]:
        """What is found in the classes under the names that were read, as far as it is new."""
        found: list[Any] = []
        for name, value in (entry for kind in self.classes for entry in vars(kind).items()):
            implicit = name.startswith("__") and isinstance(value, types.FunctionType)
            if (name in self.names or implicit) and name not in UNUSED and id(value) not in self.seen:
                found.append(value)
        return found

    def _parts(self, thing: Any) -> list[Any]:
        kind = type(thing)
        if isinstance(thing, PLAIN) or (isinstance(thing, nn.Module) and thing in self.modules):
            return []
        if isinstance(thing, (tuple, frozenset)):
            return list(thing)
        if kind is property:
            return [thing.fget]
        if kind in (staticmethod, classmethod):
            return [thing.__func__]
        if kind is functools.cached_property:
            return [thing.func]
        if kind is functools.partial:
            return [thing.func, *thing.args, *thing.keywords.values()]
        if isinstance(thing, (type, types.FunctionType)) and own(thing.__module__):
            return self._class(thing) if isinstance(thing, type) else self._function(thing)
        if isinstance(thing, CODE) and thing.__name__ not in REFUSED:
            owner = thing.__self__ if isinstance(thing, types.BuiltinFunctionType) else None
            whole = isinstance(thing, types.ModuleType) and own(thing.__name__)
            if not whole and isinstance(owner, (types.ModuleType, type, type(None))):
                return []
        ours = all(
            own(base.__module__) or base.__module__.startswith("advnotes.") for base in kind.__mro__[:-1]
        )
        if isinstance(thing, (types.SimpleNamespace, enum.Enum)) or (ours and kind.__basicsize__ == EMPTY):
            # Settings: all their values are plain, and no code that is reached sets one.
            return [kind, *vars(thing).values()]
        raise Untraceable(f"forward reaches a {kind.__name__} that it may write into or ask: {thing!r:.80}")

    def _class(self, kind: type) -> list[Any]:
        if issubclass(kind, torch.autograd.Function):
            raise Untraceable(f"forward reaches {kind.__name__}, which has a gradient of its own")
        bases = [base for base in kind.__mro__ if own(base.__module__)]
        self.classes.update(bases)
        made = not issubclass(kind, (nn.Module, enum.Enum))  # forward may make such an object
        return [vars(base)["__init__"] for base in bases if made and "__init__" in vars(base)]

    def _function(self, function: types.FunctionType) -> list[Any]:
        codes = list(_codes(function.__code__))
        allowed = {"STORE_ATTR"} if function.__name__ == "__init__" else set()
        for step in (step for code in codes for step in dis.get_instructions(code)):
            outside = step.opname in ("STORE_DEREF", "DELETE_DEREF")
            outside = outside and step.argval in function.__code__.co_freevars
            if outside or step.opname in INSTRUCTIONS - allowed:
                what = "catches errors" if step.opname == "CHECK_EXC_MATCH" else f"writes {step.argval}"
                raise Untraceable(f"{function.__qualname__} {what}")
        names = {name for code in codes for name in code.co_names}
        if names & ASKS:
            raise Untraceable(f"{function.__qualname__} asks for {', '.join(sorted(names & ASKS))}")
        self.names |= names | {text for code in codes for text in code.co_consts if isinstance(text, str)}
        keywords = function.__kwdefaults__
        parts = [value for _, value in parts_of_function(function)[1] if value is not keywords]
        return [*(part for part in parts if part is not function.__code__), *(keywords or {}).values()]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Code, and that of the functions inside it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _codes(inner)
