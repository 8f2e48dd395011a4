"""The graph of what a model computes, got without touching the model."""

import inspect
import operator
import random
import threading
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Seen", "Untraceable", "traced"]


class Untraceable(Exception):  # noqa: N818
    """The model is more than a fixed function of its input made of operations that a graph can hold."""


def traced(model: nn.Module, like: Tensor) -> tuple[nn.Module, fx.Graph]:
    """A copy of a model in eval mode, whose parameters have an input's dtype and device, and the graph of what it does.

    The copy shares the tensors of the model, whose own ``forward`` does not run.

    Raises:
        Untraceable: where hooks, wrappers, randomness or attributes that ``forward`` writes would be lost.
    """
    skeleton = _Outside(_copy(model, like, {}))
    untouched = Seen(skeleton, like)
    randomness = _random_state()
    with torch.enable_grad(), _NothingComputed():
        graph = _Tracer().trace(skeleton)
    if Seen(skeleton, like) != untouched:
        raise Untraceable("forward writes attributes of the model")
    if _random_state() != randomness:
        random.setstate(randomness[0])
        np.random.set_state(randomness[1])  # noqa: NPY002
        raise Untraceable("forward draws random numbers")
    return skeleton, graph


class _Outside(nn.Module):
    """Puts a model one level down, so that its own ``forward`` is called as every module's, with one input."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        return self.model(x)


class _Tracer(fx.Tracer):
    """Records what becomes of the input; layers of PyTorch are one step each."""

    proxy_buffer_attributes = True

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        # A graph knows no torch.no_grad(): what is held still in forward would get a gradient in the copy.
        if not torch.is_grad_enabled():
            raise Untraceable("forward computes without gradients")
        return super().create_node(*args, **kwargs)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        # Tracing replaces nn.Module.__call__ for everybody; what other threads call is none of its business.
        if threading.get_ident() != self.thread:
            return forward(*args, **kwargs)
        if type(m).__module__.partition(".")[0] == "advnotes":
            # Where types are checked at run time, the check would refuse what stands for a tensor.
            forward = partial(inspect.unwrap(type(m).forward), m)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self.thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


class _NothingComputed(TorchDispatchMode):
    """Refuses real computation: what the trace would hold of it is one result, and it may have been random."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise Untraceable(f"forward computes {func} beside what becomes of its input")


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _copy(module: nn.Module, like: Tensor, known: dict[nn.Module, nn.Module]) -> nn.Module:
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
        or any(getattr(nn.modules.module, f"_global{hooks}", None) for hooks in HOOKS)
        or "parametrizations" in state["_modules"]
        or "forward" in state
        or any(isinstance(value, torch.Generator) for value in state.values())
    ):
        raise Untraceable(f"{type(module).__name__} has hooks, a wrapper or a mode that a graph would lose")
    for tensor in [*state["_parameters"].values(), *state["_buffers"].values()]:
        if tensor is not None and not (
            type(tensor) in (Tensor, nn.Parameter)
            and tensor.layout == torch.strided
            and tensor.device == like.device
            and (tensor.dtype == like.dtype or not tensor.is_floating_point())
        ):
            raise Untraceable(f"a tensor of {type(module).__name__} is not like the input")
    known[module] = copy = object.__new__(type(module))
    vars(copy).update({name: _own(value) for name, value in state.items()})
    vars(copy)["_parameters"] = {
        name: None if value is None else nn.Parameter(value.detach(), requires_grad=False)
        for name, value in state["_parameters"].items()
    }
    vars(copy)["_modules"] = {
        name: None if child is None else _copy(child, like, known)
        for name, child in state["_modules"].items()
    }
    return copy


def _own(value: Any) -> Any:
    """A container that ``forward`` could write into, copied."""
    return value.copy() if type(value) in (list, dict, set) else value


class Seen:
    """What a graph was made from: equal as long as the model is made of the same parts and sees the same kind of input.

    Parameters may have other values in the same memory. It keeps the model's parts alive, but not the model.

    Attributes:
        all: whether this is all that the graph depends on, since every module is one of PyTorch's or of this package; a
            ``forward`` by others may look at anything.
    """

    def __init__(self, model: nn.Module, like: Tensor) -> None:
        kind = like.device.type
        self.values: list[Any] = [like.shape[1:], like.dtype, like.device]
        self.values += [torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)]
        self.things: list[Any] = []
        self.all = True
        homes = [vars(nn.modules.module)[f"_global{hooks}"] for hooks in HOOKS]
        for module in model.modules():
            self.things += [type(module), type(module).forward, type(module).__call__]
            self.all &= type(module).__module__.startswith(("torch.nn.", "advnotes."))
            homes.append(vars(module))
            homes += [value for value in vars(module).values() if isinstance(value, (dict, list, set))]
        for home in homes:
            self.values += home if isinstance(home, dict) else ()
            self.things += home.values() if isinstance(home, dict) else home
        self.values += [
            (thing.data_ptr(), thing.shape, thing.stride(), thing.dtype)
            for thing in self.things
            if type(thing) in (Tensor, nn.Parameter) and thing.layout == torch.strided
        ]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Seen) or len(self.things) != len(other.things):
            return False
        # The things themselves, kept alive: a number could stand for another thing later.
        return self.values == other.values and all(map(operator.is_, self.things, other.things))

    __hash__ = None  # type: ignore[assignment]


def _random_state() -> tuple[Any, ...]:
    """Of Python's and NumPy's global generators, in a form that can be compared."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return random.getstate(), (kind, tuple(np.asarray(keys).tolist()), *rest)
