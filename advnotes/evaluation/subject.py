"""The model of an evaluation: whether it can be evaluated, what it is called, and whether it is still the same one."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import re
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from advnotes.attacks.attack import Model, check_logits

__all__ = [
    "called",
    "check_answers",
    "check_finite",
    "check_model",
    "choices",
    "fingerprint",
    "modules",
    "size",
]


def modules(model: object) -> dict[str, nn.Module]:
    """The modules that a model is made of: itself, or those that a function closes over."""
    if isinstance(model, nn.Module):
        return {"model": model}
    if isinstance(getattr(model, "__self__", None), nn.Module):
        return {"model": model.__self__}  # type: ignore[attr-defined]
    if not inspect.isfunction(model):
        return {}
    seen = inspect.getclosurevars(model)
    return {
        name: value
        for name, value in {**seen.globals, **seen.nonlocals}.items()
        if isinstance(value, nn.Module)
    }


def check_model(model: object) -> None:
    """Refuse a model that would be attacked as it is not used, or that is broken.

    Raises:
        ValueError: where it is none, is in train mode, or has weights that are not finite; it says which.
    """
    if not callable(model):
        raise ValueError(
            f"the model maps inputs to logits, got {type(model).__name__}, which cannot be called"
        )
    if isinstance(model, type):
        raise ValueError(f"the model is the class {model.__name__}: make one of it, {model.__name__}(...)")
    for called_so, top in modules(model).items():
        for name, module in top.named_modules():
            if module.training:
                where = f"its layer {name}" if name else "it"
                raise ValueError(
                    f"the {_it(called_so)} is in train mode ({where}, a {type(module).__name__}), in which batch norm "
                    "and dropout do not do what they do in use: call model.eval() first. What is to draw at test time "
                    "does so itself, as F.dropout(x, training=True)."
                )
        for name, values in [*top.named_parameters(), *top.named_buffers()]:
            if values.is_floating_point() and not bool(values.isfinite().all()):
                bad = int((~values.isfinite()).sum())
                raise ValueError(
                    f"{name} of the {_it(called_so)} has {bad} of {values.numel()} values that are not finite: did its "
                    "training diverge, or did its weights not load?"
                )


def check_answers(logits: object, y: Tensor) -> None:
    """Refuse answers to a first batch that are not logits.

    Raises:
        ValueError: where the shape is wrong, or they are probabilities.
    """
    check_logits(logits, torch.zeros_like(y))
    assert isinstance(logits, Tensor)
    shares = (logits >= 0).all() & (logits <= 1).all() & ((logits.sum(dim=1) - 1).abs() < 1e-3).all()
    if bool(shares):
        raise ValueError(
            "the model returns probabilities: every row lies in [0, 1] and sums to 1. Attacks want logits: return what "
            "goes into the softmax. Where only the probabilities can be had, return their logarithm, "
            "p.clamp_min(1e-30).log(); where they are full, that hides gradients."
        )


def check_finite(logits: Tensor, rows: Tensor) -> None:
    """Refuse logits that are not finite.

    Args:
        logits: of some samples.
        rows: the samples' indices.

    Raises:
        ValueError: where some are not finite; it names the first sample in the data.
    """
    bad = rows[~logits.isfinite().all(dim=1).cpu()]
    if len(bad):
        raise ValueError(
            f"the logits of sample {int(bad.min())} are not finite: a logarithm of 0 or a division by 0 in the model? "
            "For a class that never occurs return -1e4, say, instead of -inf"
        )


def called(model: Model) -> str:
    """What kind of model it is: its class, and the layers that it is made of."""
    if not isinstance(model, nn.Module):
        name = getattr(model, "__qualname__", type(model).__name__)
        inside = ", ".join(called(module) for module in modules(model).values())
        return f"{name} of {inside}" if inside else str(name)
    leaves = [module for module in model.modules() if not list(module.children())]
    kinds = Counter(type(leaf).__name__ for leaf in leaves)
    layers = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items())
    return f"{type(model).__name__} ({layers})" if leaves != [model] else type(model).__name__


def size(model: Model) -> int:
    """How many numbers a model has learnt."""
    parameters = {p for module in modules(model).values() for p in module.parameters()}
    return sum(parameter.numel() for parameter in parameters)


def fingerprint(model: Model) -> str:
    """The SHA-256 of what a model computes with: parameters, buffers, plain settings, its structure and its code.

    What a function reads from elsewhere (a file, a global number) is not in it.
    """
    whole = hashlib.sha256()
    sources = [] if isinstance(model, nn.Module) else [_source(model)]
    for called_so, top in modules(model).items():
        whole.update(_constant(f"{called_so} {top!r}"))
        for name, module in top.named_modules():
            kind = type(module)
            sources += [] if kind.__module__.startswith("torch.") else [_source(kind)]
            for key, value in sorted(vars(module).items()):
                if not key.startswith("_") and isinstance(value, (bool, int, float, str, tuple, Tensor)):
                    whole.update(f"{name}.{key}".encode() + _bytes(value))
        for name, values in [*top.named_parameters(), *top.named_buffers()]:
            whole.update(name.encode() + _bytes(values))
    for source in sorted(set(sources)):
        whole.update(source.encode())
    return whole.hexdigest()


def choices(thing: Any) -> str:
    """A dataclass, such as an attack, as text that is the same in every process and says every choice."""
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = ", ".join(
            f"{item.name}={choices(getattr(thing, item.name))}" for item in dataclasses.fields(thing)
        )
        return f"{type(thing).__name__}({fields})"
    if isinstance(thing, nn.Module):
        return f"{type(thing).__name__} {fingerprint(thing)[:16]}"
    if isinstance(thing, Tensor):
        if thing.ndim == 0:
            return repr(thing.item())
        return f"{tuple(thing.shape)} numbers {hashlib.sha256(_bytes(thing)).hexdigest()[:16]}"
    if isinstance(thing, (tuple, list)):
        return "(" + ", ".join(choices(item) for item in thing) + ")"
    if callable(thing) and hasattr(thing, "__qualname__"):
        return str(thing.__qualname__)
    return _constant(repr(thing)).decode()


def _it(called_so: str) -> str:
    return "model" if called_so == "model" else f"model {called_so!r}, which the function calls,"


def _bytes(value: Any) -> bytes:
    if isinstance(value, Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        head = f"{value.dtype} {tuple(value.shape)}".encode()
        return head + (flat.view(torch.uint8).numpy().tobytes() if len(flat) else b"")
    return repr(value).encode()


def _constant(text: str) -> bytes:
    """Without the addresses that differ from process to process."""
    return re.sub(r"0x[0-9a-fA-F]+", "", text).encode()


def _source(thing: Any) -> str:
    """The source of a class or a function, or its name where it has none."""
    name = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__name__)}"
    if inspect.isfunction(thing):  # two on one line have the same source
        name += f" {thing.__code__.co_code.hex()} {_constant(repr(thing.__code__.co_consts)).decode()}"
    try:
        return f"{name}\n{inspect.getsource(thing)}"
    except (OSError, TypeError):
        return name
