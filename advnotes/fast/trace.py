"""The graph of what a model computes, got without touching the model."""

import inspect
import operator
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from advnotes.fast.modules import ModelSignature, copied
from advnotes.fast.traceable import Untraceable, check_state

__all__ = ["call_of", "no_randomness", "tensors", "traced"]

#: The sizes of the two batches that every node is computed on: a dimension that is the same in both is a number.
SIZES = (2, 3)
_ONE_AT_A_TIME = threading.RLock()


def traced(model: nn.Module, points: Tensor) -> tuple[nn.Module, fx.Graph]:
    """A copy of a model and the graph of what it does; each node's ``meta`` has its values for two batches.

    The copy shares the tensors of the model, whose own ``forward`` does not run.

    Args:
        model: in eval mode, its parameters of the input's dtype and device.
        points: at least three inputs.

    Raises:
        Untraceable: where the graph would not be the whole of what ``forward`` does.
    """
    # Tracing replaces methods of nn.Module for the time that it takes.
    with _ONE_AT_A_TIME:
        return _traced(model, points)


def _traced(model: nn.Module, points: Tensor) -> tuple[nn.Module, fx.Graph]:
    check_state(model)
    skeleton = _Outside(copied(model, points, {}))
    # A recurrent layer puts its weights in order in its first pass; it is a single step of the graph.
    written = [module for module in skeleton.modules() if not isinstance(module, nn.RNNBase)]
    before = ModelSignature(written, points)
    with torch.enable_grad(), no_randomness(points.device):
        tracer = _Tracer([points[-size:].clone() for size in SIZES])
        try:
            with tracer.nothing_computed:
                graph = tracer.trace(skeleton)
        finally:
            # PyTorch keeps the last tracer alive, and with it what forward has seen. Another thread may still ask it
            # whether it is the one that traces.
            for name in vars(tracer).keys() - {"nothing_computed", "thread"}:
                delattr(tracer, name)
    if ModelSignature(written, points) != before:
        raise Untraceable("forward writes attributes of the model")
    return skeleton, graph


class _Outside(nn.Module):
    """Puts a model one level down, so that its own ``forward`` is called as every module's, with one input."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        return self.model(x)


class _StandIn(fx.Proxy):
    """Stands for a value in ``forward``; its shape is numbers, except for the size of the batch."""

    def __getattr__(self, name: str) -> Any:
        values = self.node.meta["values"]
        if not all(hasattr(type(value), name) for value in values):
            raise AttributeError(name)
        if name not in ("shape", "ndim", "size", "dim") or not isinstance(values[0], Tensor):
            return super().__getattr__(name)
        if values[0].ndim != values[1].ndim:
            raise Untraceable("the number of dimensions depends on the size of the batch")
        shape = tuple(map(self._size, range(values[0].ndim)))
        return {
            "shape": shape,
            "ndim": len(shape),
            "size": lambda dim=None: shape if dim is None else shape[dim],
            "dim": lambda: len(shape),
        }[name]

    def _size(self, dim: int) -> Any:
        sizes = tuple(value.shape[dim] for value in self.node.meta["values"])
        if sizes[0] == sizes[1]:
            return sizes[0]
        if sizes == SIZES:  # asked of the input, which keeps this node free for being fused
            return self.tracer.batch_size()  # type: ignore[attr-defined]
        return self.tracer.create_proxy("call_method", "size", (self, dim), {})

    def __len__(self) -> int:
        one, other = map(len, self.node.meta["values"])
        if one != other:
            raise Untraceable("forward asks for the size of the batch")
        return one

    def __iter__(self) -> Iterator[Any]:
        return iter([operator.getitem(self, i) for i in range(len(self))])


class _Tracer(fx.Tracer):
    """Records what becomes of the input; layers of PyTorch are one step each."""

    proxy_buffer_attributes = True

    def __init__(self, examples: list[Tensor]) -> None:
        super().__init__()
        self.examples, self.thread = examples, threading.get_ident()
        self.nothing_computed = _NothingComputed()
        self.modes = self._modes()
        self.batch: Any = None

    def _modes(self) -> tuple[Any, ...]:
        kind = self.examples[0].device.type
        return torch.is_grad_enabled(), torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _StandIn(node, self)

    def batch_size(self) -> Any:
        if self.batch is None:
            x = next(iter(self.graph.nodes))
            self.batch = self.create_proxy("call_method", "size", (self.proxy(x), 0), {})
        return self.batch  # one object, so that equal shapes are equal

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        # A graph knows no torch.no_grad(): what is held still in forward would get a gradient in the copy.
        if self._modes() != self.modes:
            raise Untraceable("forward computes without gradients, or under an autocast of its own")
        node = super().create_node(*args, **kwargs)
        node.meta["values"], node.meta["writes"] = self.examples, False
        if node.op not in ("placeholder", "output"):
            self.nothing_computed.off = True
            try:
                with torch.no_grad():
                    node.meta["values"] = [self._value(node, batch) for batch in range(len(SIZES))]
            finally:
                self.nothing_computed.off = False
        return node

    def _value(self, node: fx.Node, batch: int) -> Any:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda it: it.meta["values"][batch])
        inputs = list(tensors("", (args, *kwargs.values())))
        versions = [tensor._version for _, tensor in inputs]
        value = call_of(self.root, node)(*args, **kwargs)
        node.meta["writes"] |= versions != [tensor._version for _, tensor in inputs]
        # What writes into a parameter is found out without writing into the model's.
        return value.clone() if node.op == "get_attr" and isinstance(value, Tensor) else value

    def _not_forward(self) -> bool:
        """Tracing replaces methods of nn.Module for everybody: other threads, and the layers that compute a value."""
        return self.nothing_computed.off or threading.get_ident() != self.thread

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        if self._not_forward():
            return forward(*args, **kwargs)
        if type(m).__module__.partition(".")[0] == "advnotes":
            # Where types are checked at run time, the check would refuse what stands for a tensor.
            forward = partial(inspect.unwrap(type(m).forward), m)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self._not_forward() else super().getattr(attr, attr_val, parameter_proxy_cache)


class _NothingComputed(TorchDispatchMode):
    """Refuses real computation: what the trace would hold of it is one result, and it may have been random."""

    off = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.off:
            return func(*args, **(kwargs or {}))
        raise Untraceable(f"forward computes {func} beside what becomes of its input")


@contextmanager
def no_randomness(device: torch.device) -> Iterator[None]:
    """Refuses what draws torch's random numbers, and puts the generators back.

    Raises:
        Untraceable: at the end, where they have moved.
    """
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        before = [torch.get_rng_state(), *map(torch.cuda.get_rng_state, gpus)]
        yield
        after = [torch.get_rng_state(), *map(torch.cuda.get_rng_state, gpus)]
    if not all(map(torch.equal, before, after)):
        raise Untraceable("forward draws random numbers")


def call_of(top: nn.Module, node: fx.Node) -> Callable[..., Any]:
    """What a node does with its arguments."""
    name = str(node.target)
    if node.op == "get_attr":
        constant = operator.attrgetter(name)(top)
        return lambda: constant
    if node.op == "call_module":
        return top.get_submodule(name)
    if node.op == "call_method":
        return lambda x, *args, **kwargs: operator.methodcaller(name, *args, **kwargs)(x)
    if node.op == "call_function" and callable(node.target):
        return node.target
    raise TypeError(f"no step for {node.format_node()}")


def tensors(key: Any, value: Any) -> Iterator[tuple[Any, Tensor]]:
    """A tensor, or those in nested tuples and lists, each with a key of its own."""
    if isinstance(value, Tensor):
        yield key, value
    elif isinstance(value, (tuple, list)):
        for number, part in enumerate(value):
            yield from tensors((key, number), part)
