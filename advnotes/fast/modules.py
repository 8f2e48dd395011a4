"""The modules of a model: copied around the same tensors, and told whether they are still the same."""

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from advnotes.fast.traceable import Untraceable

__all__ = ["HOOKS", "ModelSignature", "copied"]

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


def copied(module: nn.Module, like: Tensor, known: dict[nn.Module, nn.Module]) -> nn.Module:
    """Modules anew, with the same tensors, which ask for no gradients."""
    if module in known:
        return known[module]
    home = type(module).__module__
    state = vars(module)
    if (
        module.training
        or type(module).__call__ is not nn.Module.__call__  # compiled, scripted, wrapped
        or state.get("_compiled_call_impl") is not None
        or home.startswith(("torch.nn.parallel", "torch.distributed", "torch.jit", "torch._dynamo"))
        or any(state.get(hooks) for hooks in HOOKS)
        or any(vars(nn.modules.module)[f"_global{hooks}"] for hooks in HOOKS)
        or "parametrizations" in state["_modules"]
        or "forward" in state
    ):
        raise Untraceable(
            f"{type(module).__name__} has hooks, a parametrization, a wrapper or a mode that a graph would lose"
        )
    for tensor in [*state["_parameters"].values(), *state["_buffers"].values()]:
        if tensor is not None and not (
            type(tensor) in (Tensor, nn.Parameter)
            and tensor.layout == torch.strided
            and tensor.device == like.device
            and (tensor.dtype == like.dtype or not tensor.is_floating_point())
        ):
            raise Untraceable(f"a tensor of {type(module).__name__} is not like the input")
    known[module] = copy = object.__new__(type(module))
    vars(copy).update({name: _contents(value, like, known) for name, value in state.items()})
    vars(copy)["_parameters"] = {
        name: None if value is None else nn.Parameter(value.detach(), requires_grad=False)
        for name, value in state["_parameters"].items()
    }
    return copy


def _contents(value: Any, like: Tensor, known: dict[nn.Module, nn.Module]) -> Any:
    """The containers that ``forward`` could write into, and the modules in them, copied."""
    if isinstance(value, nn.Module):
        return copied(value, like, known)
    if type(value) in (list, tuple, set):
        return type(value)(_contents(item, like, known) for item in value)
    if type(value) is dict:
        return {key: _contents(item, like, known) for key, item in value.items()}
    return value
