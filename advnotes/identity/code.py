"""What decides what code does, as far as Python shows it: of classes, functions and modules, with what they read."""

from __future__ import annotations

import builtins
import dis
import functools
import hashlib
import inspect
import operator
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "VERSIONED",
    "Hidden",
    "Parts",
    "own",
    "parts_of_class",
    "parts_of_code",
    "parts_of_compiled",
    "parts_of_function",
    "parts_of_module",
]

#: Parts of an object, by name.
Parts = list[tuple[str, Any]]

#: Packages whose code follows from their version, which is compared apart from all this.
VERSIONED = ("advnotes", "numpy", "torch")

#: What classes are given beside their own code; the last two are numbered in the order of their making.
NOISE = ("_abc_impl", "_backward_cls", "_autograd_function_id")


class Hidden(Exception):  # noqa: N818
    """Python does not show what decides what an object does."""


@functools.cache
def own(module: object) -> bool:
    """Whether a module is the user's own, and not part of Python or of an installed package."""
    top = module.partition(".")[0] if isinstance(module, str) else "__main__"
    if top == "__main__":
        return True
    module_object = sys.modules.get(top)
    file = vars(module_object).get("__file__") if isinstance(module_object, types.ModuleType) else None
    if top in VERSIONED:
        return False
    if file is None:  # a namespace, a notebook, or what is built into Python
        return top not in sys.stdlib_module_names
    installed = {"site-packages", "dist-packages"} & set(Path(file).parts)
    return not installed and not Path(file).is_relative_to(sysconfig.get_path("stdlib"))


def parts_of_class(kind: type) -> tuple[str, Parts]:
    """A class by its bases and all that stands in it; one of Python or of a package with a version by its name."""
    name = f"class {kind.__qualname__}"
    if not own(kind.__module__) and _importable(kind):
        name = f"class {kind.__module__}.{kind.__qualname__}"
        if _versioned(kind.__module__):
            return name, []
        functions = [(key, value) for key, value in vars(kind).items() if inspect.isfunction(value)]
        return name, [*_bases(kind), *((key, value.__code__) for key, value in sorted(functions))]
    members = {key: value for key, value in vars(kind).items() if _counts(kind, key, value)}
    codes = [value.__code__ for value in members.values() if inspect.isfunction(value)]
    written = {name for code in codes for name in _written(code)}
    counters = [key for key in members if key in written]
    text = ""
    if counters:
        # Its own code writes these, as a counter of calls: where it began stands in the source.
        try:
            text = inspect.getsource(kind)
        except (OSError, TypeError):
            counters = []
    rest = [(key, value) for key, value in sorted(members.items()) if key not in counters]
    return name, [("source", text), *_bases(kind), *rest]


def _bases(kind: type) -> Parts:
    meta = [] if type(kind) is type else [("metaclass", type(kind))]
    return [*meta, *(("base", base) for base in kind.__bases__)]


def _counts(kind: type, key: str, value: Any) -> bool:
    """Whether an entry of a class is part of what it does."""
    if key in NOISE:
        return False
    if inspect.isfunction(value) and "__dataclass_fields__" in vars(kind):
        return value.__code__.co_filename != "<string>"  # made from the fields
    return not key.startswith("__") or callable(value) or hasattr(type(value), "__get__")


def _versioned(module: str) -> bool:
    """Whether the code of a module that is not the user's own follows from a version."""
    return module.partition(".")[0] in (*VERSIONED, *sys.stdlib_module_names)


def _importable(thing: Any) -> bool:
    """Whether it is what its module has under its name."""
    try:
        return operator.attrgetter(thing.__qualname__)(sys.modules.get(thing.__module__)) is thing
    except AttributeError:
        return False


def parts_of_function(function: types.FunctionType) -> tuple[str, Parts]:
    """A function by its code, its defaults, what it closes over and the globals that it reads."""
    if "_torchdynamo_orig_callable" in vars(function):
        return "function", [("", vars(function)["_torchdynamo_orig_callable"])]
    if not own(function.__module__) and _importable(function):
        name = f"function {function.__module__}.{function.__qualname__}"
        return name, [] if _versioned(function.__module__) else [("code", function.__code__)]
    parts: Parts = [("code", function.__code__), ("defaults", function.__defaults__)]
    parts += [("keywords", function.__kwdefaults__), *sorted(vars(function).items())]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            parts.append((name, cell.cell_contents))
        except ValueError:  # it is not set yet
            parts.append((name, None))
    home = function.__globals__
    if own(home.get("__name__")):
        parts += sorted(dict(_globals(function.__code__, home)).items())
    return f"function {function.__qualname__}", parts


def _globals(code: types.CodeType, home: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What code reads by a global name or imports; of a module of the user's own, what is taken from it."""
    steps = list(_steps(code))
    for at, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            inside = f"{home.get('__package__')}.{step.argval}"
            yield step.argval, sys.modules.get(inside) or sys.modules.get(step.argval)
        if step.opname not in ("LOAD_GLOBAL", "LOAD_NAME"):
            continue
        name = step.argval
        if name not in home:
            yield name, vars(builtins).get(name)
            continue
        value = home[name]
        for after in steps[at + 1 :]:
            of_own = isinstance(value, types.ModuleType) and own(value.__name__)
            if not of_own or after.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                break
            # As the code itself reads it: a module may make its names when they are asked for.
            name, value = f"{name}.{after.argval}", getattr(value, after.argval, None)
        yield name, value


def _steps(code: types.CodeType) -> Iterator[dis.Instruction]:
    """The instructions of some code and of all functions inside it."""
    yield from dis.get_instructions(code)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _steps(inner)


def _written(code: types.CodeType) -> Iterator[str]:
    """The attributes that code sets, other than by ``self.name = ...``, which sets one of the object."""
    before = ""
    for step in _steps(code):
        if step.opname == "STORE_ATTR" and not before.startswith("LOAD_FAST"):
            yield step.argval
        before = step.opname


def parts_of_code(code: types.CodeType) -> tuple[str, Parts]:
    """Compiled Python by its instructions, names and constants. Comments are not in it."""
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    text = f"code {code.co_code.hex()} {names} {counts} {code.co_exceptiontable.hex()}"
    return text, [("constants", code.co_consts)]


def parts_of_module(module: types.ModuleType) -> tuple[str, Parts]:
    """A module of the user's own by its file, and any other by its name."""
    if not own(module.__name__):
        return f"import {module.__name__}", []
    try:
        return f"import {hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()}", []
    except (AttributeError, OSError) as error:
        raise Hidden from error


def parts_of_compiled(thing: Any) -> tuple[str, Parts]:
    """A function that C has made: by its name and what it belongs to, or by the file that it is in."""
    home = thing.__module__ if isinstance(thing, types.BuiltinFunctionType) else None
    bound = isinstance(thing, (types.BuiltinFunctionType, types.MethodWrapperType))
    owner = thing.__self__ if bound else None
    parts: Parts = [] if owner is None or isinstance(owner, types.ModuleType) else [("", owner)]
    if home is not None and own(home):
        parts.append(("module", sys.modules.get(home)))
    return f"compiled {home}.{thing.__qualname__}", parts
