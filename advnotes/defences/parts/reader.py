"""Reads the steps of a network out of its traced graph."""

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from advnotes.defences.parts import steps
from advnotes.defences.parts.steps import Constant, Step
from advnotes.defences.parts.unbounded import Unbounded
from advnotes.defences.parts.window import pair, same_padding
from advnotes.fast.layered_graph import RELU, shape

__all__ = ["Reader"]

VIEWS = ("view", "reshape", "flatten", "squeeze", "unsqueeze", torch.flatten, torch.reshape, torch.squeeze,
         torch.unsqueeze)  # fmt: skip
#: Layers and functions that do nothing in eval mode.
NOTHING = (nn.Identity, nn.modules.dropout._DropoutNd)
DROPOUT = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)
SAME = ("contiguous", "clone", "detach")
ADD, SUB = (operator.add, torch.add, "add"), (operator.sub, torch.sub, "sub")
MUL, DIV = (operator.mul, torch.mul, "mul"), (operator.truediv, torch.div, torch.true_divide, "div")


#: A step's name, inputs, and shapes.
Common = tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class Reader:
    """Reads a traced graph."""

    def __init__(self, model: nn.Module, top: nn.Module, graph: fx.Graph) -> None:
        self.model, self.top, self.graph = model, top, graph
        self.found: list[Step] = []
        #: The number of the value that a node gives.
        self.number: dict[fx.Node, int] = {}

    def steps(self) -> tuple[Step, ...]:
        """All steps, up to the output."""
        nodes = list(self.graph.nodes)
        for node in nodes:
            if node.op == "placeholder":
                self.number[node] = 0
            elif node.op == "output":
                last = node.args[0]
                if not isinstance(last, fx.Node) or self.number.get(last) != len(self.found):
                    raise Unbounded("the model's output is no tensor that its last layer computes")
            elif node.op != "get_attr" and isinstance(node.meta["values"][0], Tensor):
                self._read(node)
        return tuple(self.found)

    def _read(self, node: fx.Node) -> None:
        if node.meta["writes"]:
            self._check_writing(node)
        make = self._module if node.op == "call_module" else self._function
        step = make(node)
        if step is None:  # the value itself
            self.number[node] = self.number[self._input(node)]
            return
        self.found.append(step)
        self.number[node] = len(self.found)

    def _module(self, node: fx.Node) -> Step | None:
        path = str(node.target).partition(".")[2]
        layer = self.model.get_submodule(path)
        name = f"{path} ({type(layer).__name__})" if path else type(layer).__name__
        common = self._common(node, name)
        if isinstance(layer, NOTHING):
            return None
        if type(layer) is nn.Linear and len(common[2]) == 1:
            return steps.Dense(*common, layer)
        if type(layer) is nn.Conv2d and len(common[2]) == 3 and layer.padding_mode == "zeros":
            padding = (
                same_padding(layer)
                if layer.padding == "same"
                else (0, 0)
                if layer.padding == "valid"
                else layer.padding
            )
            if padding is not None and not isinstance(padding, str):
                return steps.Convolution(*common, layer, pair(padding))
        if type(layer) is nn.ReLU:
            return steps.Rectifier(*common)
        if type(layer) is nn.LeakyReLU and 0 <= layer.negative_slope <= 1:
            return steps.Rectifier(*common, layer.negative_slope)
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) and layer.running_var is not None:
            return steps.BatchNorm(*common, layer)
        if type(layer) is nn.AvgPool2d and (layer.divisor_override or 1) > 0:
            return steps.Average(*common, pair(layer.kernel_size), pair(layer.stride), pair(layer.padding),
                                 layer.ceil_mode, layer.count_include_pad, layer.divisor_override)  # fmt: skip
        if type(layer) is nn.AdaptiveAvgPool2d:
            return self._means(node, common)
        if type(layer) is nn.MaxPool2d and not layer.return_indices:
            return steps.Maximum(*common, pair(layer.kernel_size), pair(layer.stride), pair(layer.padding),
                                 pair(layer.dilation), layer.ceil_mode)  # fmt: skip
        if type(layer) in (nn.Flatten, nn.Unflatten):
            return self._view(node, common)
        raise Unbounded.of(name)

    def _function(self, node: fx.Node) -> Step | None:
        target, name = node.target, _name(node)
        if target in (*ADD, *SUB, *MUL, *DIV) and len(node.args) == 2 and not node.kwargs:
            return self._arithmetic(node, name)
        common = self._common(node, name)
        if target in SAME and len(node.args) == 1:
            return None
        if (
            target in DROPOUT
            and (node.args[2] if len(node.args) > 2 else node.kwargs.get("training")) is False
        ):
            return None
        if target in RELU or target is F.relu_:
            return steps.Rectifier(*common)
        if target is operator.neg or target in (torch.neg, "neg"):
            return steps.Shift(*common, Constant(0.0), sign=-1.0)
        if target in VIEWS:
            return self._view(node, common)
        if target is F.leaky_relu:
            slope = node.args[1] if len(node.args) > 1 else node.kwargs.get("negative_slope", 0.01)
            if isinstance(slope, (int, float)) and 0 <= slope <= 1:
                return steps.Rectifier(*common, float(slope))
        if target in (F.avg_pool2d, F.max_pool2d, F.adaptive_avg_pool2d, torch.mean, "mean"):
            return self._pool(node, common)
        raise Unbounded.of(name)

    def _pool(self, node: fx.Node, common: Common) -> Step:
        """A function that pools, as the layer of the same arguments."""
        args, kwargs = node.args[1:], dict(node.kwargs)
        if node.target in (torch.mean, "mean"):
            dims = args[0] if args else kwargs.get("dim")
            dims = (dims,) if isinstance(dims, int) else dims
            count = len(common[2]) + 1
            if isinstance(dims, (tuple, list)) and count == 4 and {int(d) % count for d in dims} == {2, 3}:
                return self._means(node, common)
            raise Unbounded.of("mean over other dimensions than height and width")
        if node.target is F.adaptive_avg_pool2d:
            return self._means(node, common)
        make: Callable[..., Any] = nn.AvgPool2d if node.target is F.avg_pool2d else nn.MaxPool2d
        layer = make(*args, **kwargs)
        size, stride, padding = pair(layer.kernel_size), pair(layer.stride), pair(layer.padding)
        if isinstance(layer, nn.AvgPool2d) and (layer.divisor_override or 1) < 0:
            raise Unbounded.of("an average with a negative divisor")
        if isinstance(layer, nn.AvgPool2d):
            how = layer.ceil_mode, layer.count_include_pad, layer.divisor_override
            return steps.Average(*common, size, stride, padding, *how)
        return steps.Maximum(*common, size, stride, padding, pair(layer.dilation), layer.ceil_mode)

    def _means(self, node: fx.Node, common: Common) -> Step:
        """Means over windows that fill the picture without overlap; then the shape that the node puts out."""
        name, inputs, before, after = common
        high, wide = after[1:] if len(after) == 3 else (1, 1)
        if len(before) != 3 or before[1] % high or before[2] % wide:
            raise Unbounded.of(f"{name}, from {before} to {after}, whose windows differ in size")
        kernel = before[1] // high, before[2] // wide
        pooled = (before[0], high, wide)
        average = steps.Average(name, inputs, before, pooled, kernel, kernel)
        if pooled == after:
            return average
        self.found.append(average)
        return steps.Reshape(name, (len(self.found),), pooled, after)

    def _view(self, node: fx.Node, common: Common) -> Step:
        one, other = (value.shape[0] for value in node.meta["values"])
        if (one, other) != tuple(value.shape[0] for value in self._input(node).meta["values"]):
            raise Unbounded.of(f"{common[0]}, which mixes the samples of a batch")
        return steps.Reshape(*common)

    def _arithmetic(self, node: fx.Node, name: str) -> Step:
        values = [
            self.number[arg] if isinstance(arg, fx.Node) and arg in self.number else None for arg in node.args
        ]
        shapes = {
            tuple(arg.meta["values"][0].shape)
            for arg in node.args
            if isinstance(arg, fx.Node) and arg in self.number
        }
        if shapes != {tuple(shape(node))}:
            raise Unbounded.of(f"{name} of values that broadcast")
        after = tuple(shape(node)[1:])
        minus = node.target in SUB
        if None not in values:
            if node.target in (*ADD, *SUB):
                return steps.Sum(name, (values[0], values[1]), after, after, -1.0 if minus else 1.0)  # type: ignore[arg-type]
            raise Unbounded.of(f"{name} of two values that both depend on the input")
        at = 0 if values[0] is not None else 1
        constant = self._constant(node.args[1 - at], node, name)
        common = (name, (values[at],), after, after)
        if node.target in ADD:
            return steps.Shift(*common, constant)  # type: ignore[arg-type]
        if minus:
            return steps.Shift(*common, constant, sign=1.0 if at == 0 else -1.0, minus=at == 0)  # type: ignore[arg-type]
        if node.target in DIV and at == 1:
            raise Unbounded.of(f"{name} by a value that depends on the input")
        return steps.Scale(*common, constant, divide=node.target in DIV)  # type: ignore[arg-type]

    def _constant(self, value: Any, node: fx.Node, name: str) -> Constant:
        if isinstance(value, (int, float)):
            return Constant(float(value))
        if isinstance(value, fx.Node) and value.op == "get_attr":
            path = str(value.target).partition(".")[2]
            found = operator.attrgetter(path)(self.model)
            # A constant with a row for each sample would be one for another batch.
            if found.is_floating_point() and (found.ndim < shape(node).__len__() or found.shape[0] == 1):
                return Constant(owner=self.model, path=path)
        raise Unbounded.of(f"{name} with what is neither a number nor a tensor of the model")

    def _common(
        self, node: fx.Node, name: str
    ) -> tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        value = self._input(node)
        return name, (self.number[value],), tuple(shape(value)[1:]), tuple(shape(node)[1:])

    def _input(self, node: fx.Node) -> fx.Node:
        first = node.args[0] if node.args else node.kwargs.get("input")
        others = [arg for arg in (*node.args[1:], *node.kwargs.values()) if isinstance(arg, fx.Node)]
        if (
            not isinstance(first, fx.Node)
            or first not in self.number
            or any(arg in self.number for arg in others)
        ):
            raise Unbounded.of(_name(node))
        return first

    def _check_writing(self, node: fx.Node) -> None:
        """What writes into its input is its output; nobody else may read that memory."""
        value = node
        while True:
            value = self._input(value)
            if len(value.users) > 1 or value.op == "placeholder":
                raise Unbounded.of(
                    f"{_name(node)}, which writes into a value that is used again (inplace=True),"
                )
            if value.target not in VIEWS and not (
                value.op == "call_module"
                and isinstance(self.top.get_submodule(str(value.target)), (nn.Flatten, *NOTHING))
            ):
                return


def _name(node: fx.Node) -> str:
    """What a step is called where it was written."""
    target = node.target
    if isinstance(target, str):
        return target.removeprefix("model.")
    return str(getattr(target, "__name__", target))
