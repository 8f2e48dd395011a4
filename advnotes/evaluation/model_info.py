"""The model of an evaluation: whether it can be evaluated, what it is called, and how it is called."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable
from typing import TypeGuard

import torch
from torch import Tensor, nn

from advnotes import checks
from advnotes.identity import modules, parameters
from advnotes.model_state import Model

__all__ = [
    "PaddedModel",
    "check_model",
    "check_no_probabilities",
    "count_parameters",
    "describe_model",
    "is_exported",
]


def check_model(model: object) -> None:
    """Refuse a model that is not in the state in which it is used, or that is broken.

    Raises:
        ValueError: where it is no model, is in train mode, or has weights that are not finite; it says which.
    """
    checks.check_model(model)
    if isinstance(model, type):
        raise ValueError(f"the model is the class {model.__name__}: make one of it, {model.__name__}(...)")
    for variable_name, top in modules(model).items():
        name = "model" if variable_name == "model" else f"model {variable_name!r}, which the function calls,"
        if is_exported(top):
            _check_exported(top, name)
        else:
            _check_mode(top, name)
        _check_weights(top, name)


def is_exported(module: nn.Module) -> TypeGuard[torch.fx.GraphModule]:
    """Whether it is a program as torch.export makes it, which has no eval()."""
    return isinstance(module, torch.fx.GraphModule) and "eval" in vars(module)


def _check_mode(top: nn.Module, name: str) -> None:
    for layer, module in top.named_modules():
        if module.training:
            where = f"its layer {layer}" if layer else "it"
            raise ValueError(
                f"the {name} is in train mode ({where}, a {type(module).__name__}), in which batch norm and dropout "
                "behave differently than in use: call model.eval() first. What is to draw at test time does so itself, "
                "as F.dropout(x, training=True)."
            )


def _check_exported(program: torch.fx.GraphModule, name: str) -> None:
    """An exported program has its mode in its graph, and no eval()."""
    places = {"aten.dropout": 2, "aten.feature_dropout": 2, "aten.batch_norm": 5}
    for node in program.graph.nodes:
        place = places.get(str(node.target).removesuffix(".default"))
        if place is not None and len(node.args) > place and node.args[place] is True:
            raise ValueError(
                f"the {name} was exported in train mode ({node.name}), in which batch norm and dropout behave "
                "differently than in use: torch.export.export(net.eval(), ...)"
            )


def _check_weights(top: nn.Module, name: str) -> None:
    for weight, values in [*top.named_parameters(), *top.named_buffers()]:
        if values.is_floating_point() and not bool(values.isfinite().all()):
            bad = int((~values.isfinite()).sum())
            raise ValueError(
                f"{weight} of the {name} has {bad} of {values.numel()} values that are not finite: did its training "
                "diverge, or did its weights not load?"
            )


def check_no_probabilities(logits: Tensor) -> None:
    """Raise ValueError for answers to a first batch that are probabilities."""
    shares = (logits >= 0).all() & (logits <= 1).all() & ((logits.sum(dim=1) - 1).abs() < 1e-3).all()
    if bool(shares):
        raise ValueError(
            "the model returns probabilities: every row lies in [0, 1] and sums to 1. Attacks want logits: return what "
            "goes into the softmax. If you have only the probabilities, return their logarithm, "
            "p.clamp_min(1e-30).log(); where a probability is exactly 1, that hides gradients."
        )


def describe_model(model: Model) -> str:
    """Class name and layer counts, such as "Sequential (2 Conv2d, ReLU)"."""
    if not isinstance(model, nn.Module):
        named = inspect.isroutine(model) or inspect.isclass(model)
        name = model.__qualname__ if named else type(model).__name__
        inside = ", ".join(describe_model(module) for module in modules(model).values())
        return f"{name} of {inside}" if inside else name
    leaves = [module for module in model.modules() if not list(module.children())]
    kinds = Counter(type(leaf).__name__ for leaf in leaves)
    layers = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items())
    return f"{type(model).__name__} ({layers})" if leaves != [model] else type(model).__name__


def count_parameters(model: Model) -> int:
    """How many parameters a model has."""
    return sum(parameter.numel() for parameter in set(parameters(model)))


class PaddedModel:
    """A model that is always called with ``batch_size`` rows: copies of the last one fill it up, and are dropped."""

    def __init__(self, model: Model, batch_size: int) -> None:
        self.model, self.batch_size = model, batch_size

    def __call__(self, x: Tensor) -> Tensor:
        """The logits of any number of rows."""
        return torch.cat(list(self._parts(x)))

    def _parts(self, x: Tensor) -> Iterable[Tensor]:
        for part in x.split(self.batch_size):
            missing = self.batch_size - len(part)
            padded = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) if missing else part
            yield self.model(padded)[: len(part)]
