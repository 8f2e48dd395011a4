"""What a model is while it is attacked or judged: its modules, their modes and buffers, and where it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from advnotes.identity import modules

__all__ = ["Model", "attacked", "device_of"]

#: Maps a batch of inputs in their natural range to logits ``[batch, classes]``: a module or any callable.
Model = Callable[[Tensor], Tensor]


def device_of(model: Model, x: Tensor) -> torch.device:
    """Where a model wants its inputs: where its parameters are, or where ``x`` is if it has none."""
    reached = [parameter for module in modules(model).values() for parameter in module.parameters()]
    return reached[0].device if reached else x.device


@contextmanager
def attacked(model: Model, training: bool = False) -> Iterator[None]:
    """Every module that a model reaches in eval (or train) mode for the time of an attack.

    Modes and buffers are put back, come what may. A function, a partial, a bound method or an object around modules
    is protected as a module is (:func:`advnotes.identity.modules`).
    """
    members = {module: module.training for top in modules(model).values() for module in top.modules()}
    buffers = (
        [(buffer, buffer.clone()) for module in members for buffer in module.buffers(recurse=False)]
        if training
        else []
    )
    for module in members:
        module.training = training
    try:
        yield
    finally:
        for module, mode in members.items():
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
