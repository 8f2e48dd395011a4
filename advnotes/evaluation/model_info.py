"""The model of an evaluation: whether it can be evaluated, and what it and the attacks on it are called."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from advnotes.checks import check_logits
from advnotes.identity import identify, modules
from advnotes.identity.objects import numbers
from advnotes.model_state import Model

__all__ = [
    "called",
    "check_answers",
    "check_finite",
    "check_model",
    "choices",
    "size",
]


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


def choices(thing: Any) -> str:
    """A dataclass, such as an attack, as text for a report. Other ones may read the same: see ``identity``."""
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = ", ".join(
            f"{item.name}={choices(getattr(thing, item.name))}" for item in dataclasses.fields(thing)
        )
        return f"{type(thing).__name__}({fields})"
    if isinstance(thing, nn.Module):
        return f"{type(thing).__name__} {identify(thing).digest[:16]}"
    if isinstance(thing, Tensor):
        if thing.ndim == 0:
            return repr(thing.item())
        return f"{tuple(thing.shape)} numbers {numbers(thing)[:16]}"
    if isinstance(thing, (tuple, list)):
        return "(" + ", ".join(choices(item) for item in thing) + ")"
    if isinstance(thing, (set, frozenset)):
        return "{" + ", ".join(sorted(map(choices, thing))) + "}"
    if callable(thing) and hasattr(thing, "__qualname__"):
        return str(thing.__qualname__)
    return re.sub(r"0x[0-9a-fA-F]+", "", repr(thing))  # the same in every process


def _it(called_so: str) -> str:
    return "model" if called_so == "model" else f"model {called_so!r}, which the function calls,"
