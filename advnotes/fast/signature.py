"""What a copy was made from, so that it can be told whether the model is still the same."""

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["HOOKS", "ModelSignature"]

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class ModelSignature:
    """Equal as long as a model is made of the same parts and sees the same kind of input.

    Parameters may have other values in the same memory. It keeps the model's parts alive, but not the model.

    Attributes:
        all: whether this is all that the graph depends on, since every module is one of PyTorch's or of this package; a
            ``forward`` by others may look at anything.
    """

    def __init__(self, modules: Iterable[nn.Module], like: Tensor) -> None:
        kind = like.device.type
        self.values: list[Any] = [like.shape[1:], like.dtype, like.device]
        self.values += [torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)]
        self.things: list[Any] = []
        self.all = True
        homes = [vars(nn.modules.module)[f"_global{hooks}"] for hooks in HOOKS]
        for module in modules:
            self.things += [type(module), type(module).forward, type(module).__call__]
            self.all &= type(module).__module__.startswith(("torch.nn.", "advnotes."))
            homes += _containers(vars(module))
        for home in homes:
            self.values += home if isinstance(home, dict) else ()
            self.things += home.values() if isinstance(home, dict) else home
        self.values += [
            (thing.data_ptr(), thing.shape, thing.stride(), thing.dtype)
            for thing in self.things
            if type(thing) in (Tensor, nn.Parameter) and thing.layout == torch.strided
        ]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModelSignature) or len(self.things) != len(other.things):
            return False
        # The things themselves, kept alive: a number could stand for another thing later.
        return self.values == other.values and all(map(operator.is_, self.things, other.things))

    __hash__ = None  # type: ignore[assignment]


def _containers(value: Any) -> Iterator[Any]:
    """A container and all those in it."""
    if isinstance(value, (dict, list, set, tuple)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)
