"""Further passes of a batch through a network that has already seen it."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import nn

from advnotes import rng
from advnotes.identity import modules

__all__ = ["Repeat", "mode_matters", "spared_buffers"]


def mode_matters(model: Callable[..., Any], training: bool) -> bool:
    """Whether a model's answers may change when all its modules are put into train mode, or into eval mode.

    They may where a module that is in the other mode mentions ``training`` in its code, as batch normalisation and
    dropout do.
    """
    reached = (module for top in modules(model).values() for module in top.modules())
    return any(module.training != training and _mentions_training(type(module)) for module in reached)  # type: ignore[arg-type]


@cache
def _mentions_training(kind: type[nn.Module]) -> bool:
    classes = kind.__mro__[: kind.__mro__.index(nn.Module)]
    members = [value for of in classes for value in vars(of).values()]
    functions = [
        value.__func__ if isinstance(value, (staticmethod, classmethod)) else value for value in members
    ]
    codes = [inspect.unwrap(value).__code__ for value in functions if isinstance(value, FunctionType)]
    while codes:
        code = codes.pop()
        if "training" in code.co_names:
            return True
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return False


class Repeat:
    """Passes that leave no trace and repeat the draws of the first pass after this object was made.

    Dropout then sets the same units to zero in all of them, and what a pass writes into buffers (batch statistics,
    counters) is forgotten. The mode is the network's own.

    Args:
        owner: whose buffers are left alone: a module or a function around one.
        device: on which it draws.
    """

    def __init__(self, owner: Callable[..., Any], device: torch.device) -> None:
        self.owner, self.device = owner, device
        self.states = rng.capture(device)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """A block in which passes repeat the draws."""
        with rng.preserved(self.device), spared_buffers(self.owner):
            rng.restore(self.states, self.device)
            yield


@contextmanager
def spared_buffers(model: Callable[..., Any] | None) -> Iterator[None]:
    """A block that writes into copies of a model's buffers, so that an earlier graph can still be differentiated."""
    tops = [] if model is None else modules(model).values()
    places = [
        (module._buffers, name, buffer)
        for top in tops
        for module in top.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        for buffers, name, buffer in places:
            buffers[name] = buffer.clone()
        yield
    finally:
        for buffers, name, buffer in places:
            buffers[name] = buffer
