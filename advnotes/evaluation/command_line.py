"""What the arguments of the command line name: a threat, a model, data, attacks, a precision."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Callable
from fractions import Fraction
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import advnotes
from advnotes.attacks.attack import Attack
from advnotes.evaluation.model_info import is_exported
from advnotes.identity import modules
from advnotes.threats import L1, L2, Linf, Threat

__all__ = ["load_attacks", "load_data", "load_model", "parse_precision", "parse_threat", "user_error"]

NORMS: dict[str, type[Threat]] = {"linf": Linf, "l2": L2, "l1": L1}
FILES = (".npz", ".safetensors", ".pt", ".pth")


def parse_threat(text: str) -> Threat:
    """The threat of ``linf:8/255``, ``l2:0.5`` or ``l1:12`` (ValueError where it is none of these)."""
    norm, _, radius = text.partition(":")
    kind = NORMS.get(norm.strip().lower().replace("-", ""))
    try:
        eps = float(Fraction(radius.replace(" ", "")))
    except (ValueError, ZeroDivisionError):
        eps = -1.0
    if kind is None or eps < 0:
        raise ValueError(
            f"a threat is a norm and a radius, such as linf:8/255, l2:0.5 or l1:12, got {text!r}"
        )
    return kind(eps)


def parse_precision(text: str | None) -> torch.dtype | None:
    """The precision of ``bfloat16``, or none (ValueError where it is another)."""
    if text not in (None, "bfloat16"):
        raise ValueError(f"--precision is bfloat16, or is left out, got {text!r}")
    return torch.bfloat16 if text else None


def load_model(text: str) -> Callable[[Tensor], Tensor]:
    """The model of ``MODULE:NAME``, in eval mode: a module, a function of inputs, or what makes one without arguments.

    Raises:
        ValueError: where there is no such thing, or it makes models from arguments.
    """
    found = _named(text)
    if not isinstance(found, nn.Module) and callable(found):
        required = _required(found)
        if len(required) > 1 or (
            required and (inspect.isclass(found) or required[0].kind is required[0].KEYWORD_ONLY)
        ):
            names = ", ".join(parameter.name for parameter in required)
            raise ValueError(
                f"{text} wants arguments ({names}): name a model, or what makes one without arguments, such as a "
                f"function that returns {text.rpartition(':')[2]}(...)"
            )
        if not required:
            found = found()
    if not callable(found):
        raise ValueError(f"{text} is {type(found).__name__}, neither a model nor what makes one")
    for module in modules(found).values():
        if not is_exported(module):
            module.eval()
    return found


def load_attacks(text: str) -> str | list[Attack]:
    """The name of a suite, or the attacks of ``MODULE:NAME``: a list, one attack, or a function that makes these.

    Raises:
        ValueError: where there is no such thing.
    """
    if ":" not in text:
        return text
    found = _named(text)
    found = found() if inspect.isroutine(found) else found
    attacks = list(found) if isinstance(found, (list, tuple)) else [found]
    if not all(isinstance(attack, Attack) for attack in attacks):
        raise ValueError(
            f"{text} is {type(found).__name__}, expected attacks such as [PGD(Linf(0.3))] or a function that makes them"
        )
    return attacks


def load_data(text: str, size: int | None = None) -> object:
    """The data of a file with ``x`` and ``y``, of ``MODULE:NAME``, or of a set of :mod:`advnotes.data`: ``mnist:test``.

    Bytes in a file are pixels from 0 to 255, and become numbers from 0 to 1.

    Raises:
        ValueError: where there is no such thing.
    """
    path = Path(text)
    if path.suffix in FILES:
        return _file(path)
    name, _, split = text.partition(":")
    from advnotes import data

    known = (data.mnist, data.digits, data.fashion_mnist, data.cifar10, data.svhn)
    sets: dict[str, Callable[..., object]] = {load.__name__: load for load in known}
    if name in sets and not Path(f"{name}.py").exists():
        return sets[name](split or "test", size)
    if ":" not in text:
        raise ValueError(
            f"data are MODULE:NAME, a file ({', '.join(FILES)}) with x and y, or a set with its split such as "
            f"mnist:test ({', '.join(sets)}), got {text!r}"
        )
    found = _named(text)
    return found() if inspect.isroutine(found) or inspect.isclass(found) else found


def user_error(error: Exception) -> str | None:
    """The error in one line, where it comes from the user's own code; None where it comes from advnotes."""
    package = Path(advnotes.__file__).parent
    libraries = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    own = None
    traceback = error.__traceback__
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if file.is_relative_to(package):
            own = None
        elif file.is_file() and not any(file.is_relative_to(library) for library in libraries):
            own = f"{type(error).__name__} in {file.name}, line {traceback.tb_lineno}: {error}"
        traceback = traceback.tb_next
    return own


def _file(path: Path) -> tuple[Tensor, Tensor]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as members:
                found: Any = {name: torch.from_numpy(members[name]) for name in members.files}
        elif path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if isinstance(found, dict):
        if not {"x", "y"} <= set(found):
            names = ", ".join(map(str, found)) or "nothing"
            raise ValueError(f"{path} must hold x and y, the samples and their labels; it holds {names}")
        found = found["x"], found["y"]
    if not isinstance(found, (tuple, list)) or len(found) != 2 or not isinstance(found[0], Tensor):
        raise ValueError(f"{path} must hold samples and labels, x and y, as tensors")
    x, y = found
    return (x.float() / 255 if x.dtype == torch.uint8 else x), y


def _named(text: str) -> Any:
    """What ``MODULE:NAME`` is: a module on the path, the present folder included, or a file ``.py``."""
    where, _, name = text.rpartition(":")
    if not where or not name:
        raise ValueError(f"expected MODULE:NAME, such as my_models:resnet or train.py:model, got {text!r}")
    module = _module(where)
    try:
        return attrgetter(name)(module)
    except AttributeError as error:
        names = [known for known in vars(module) if not known.startswith("_")]
        raise ValueError(f"{where} has no {name}; it has {', '.join(sorted(names)) or 'no names'}") from error


def _module(where: str) -> ModuleType:
    """A module by its name or its file."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    path = Path(where)
    if path.suffix == ".py":
        if not path.is_file():
            raise ValueError(f"there is no file {where}")
        name = path.stem
        loaded = sys.modules.get(name)
        if loaded is not None and Path(vars(loaded).get("__file__") or "").resolve() == path.resolve():
            return loaded
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # so that its classes know where they are
        sys.path.insert(0, str(path.resolve().parent))
        spec.loader.exec_module(module)
        return module
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is not None and (where == error.name or where.startswith(f"{error.name}.")):
            raise ValueError(f"there is no module {where} here or on Python's path") from error
        raise


def _required(thing: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that a call must give."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in parameters if p.default is p.empty and p.kind not in kinds]
