"""Rewriting a traced graph: batch norm and scales into weights, rectifiers and sums into the layers before them."""

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from advnotes.fast.layers import Affine, Convolution, Linear

__all__ = ["folded"]

RELU = (F.relu, torch.relu, F.relu_, torch.relu_, "relu", "relu_")
ADD = (operator.add, operator.iadd, torch.add, "add", "add_")
IN_PLACE = (operator.iadd, "add_")
TIMES = (operator.mul, torch.mul, "mul")
BY = (operator.truediv, torch.div, "div")
FLATTEN = (torch.flatten, "flatten", "view", "reshape")
#: Through these, each channel stays itself.
BY_CHANNEL = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.BatchNorm2d)


def folded(top: fx.GraphModule) -> fx.GraphModule:
    """The same function in fewer and cheaper steps, its images in channels-last memory; the argument is used up."""
    graph = _Graph(top)
    # Each pass sees what the one before it has made.
    for step in (
        graph.drop_identity,
        graph.fix_weights,
        graph.fold_scale,
        graph.fold_batch_norm,
        graph.join_sum,
        graph.join_relu,
        graph.flatten_channels_last,
    ):
        for node in list(top.graph.nodes):
            step(node)
    for module in graph.layers.values():
        module.finish()
    top.graph.eliminate_dead_code()
    top.delete_all_unused_submodules()
    top.recompile()
    return top


class _Graph:
    """The steps of the rewriting, each for one node; :attr:`layers` are the affine layers by their node."""

    def __init__(self, top: fx.GraphModule) -> None:
        self.top = top
        self.layers: dict[fx.Node, Affine] = {}

    def drop_identity(self, node: fx.Node) -> None:
        """In eval mode, dropout is none."""
        before = _first(node)
        if before is not None and isinstance(
            self._module(node), (nn.Identity, nn.modules.dropout._DropoutNd)
        ):
            self._replace(node, before)

    def fix_weights(self, node: fx.Node) -> None:
        """A convolution or linear layer becomes one with constant weights; a layer used twice becomes two."""
        module = self._module(node)
        if len(node.args) != 1:
            return
        if type(module) is nn.Linear:
            self._put(node, Linear(module.weight, module.bias))
        elif (
            type(module) is nn.Conv2d
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        ):
            self._put(node, Convolution(module.weight, module.bias, module))

    def fold_scale(self, node: fx.Node) -> None:
        """``W (x * c)`` is ``(W c) x``; so is the division that ends a normalisation."""
        before, user = _first(node), _only_user(node)
        if before is None or user not in self.layers or len(node.args) != 2 or node.kwargs:
            return
        factor = self._constant(node.args[1])
        if factor is None or node.target not in (*BY, *TIMES):
            return
        layer = self.layers[user]
        channels, spread = layer.channels, [1] * (layer.weight.ndim - 2)
        each = factor.numel() == channels and list(factor.shape[-1 - len(spread) :]) == [channels, *spread]
        if factor.numel() == 1 or each:
            self._put(user, layer.scaled(before=(1 / factor if node.target in BY else factor).flatten()))
            self._replace(node, before)

    def fold_batch_norm(self, node: fx.Node) -> None:
        r""":math:`\gamma (W x + b - \mu) / \sigma + \beta`, the statistics being constants, is another ``W x + b``."""
        norm, before = self._module(node), _first(node)
        if before not in self.layers or _only_user(before) is not node:
            return
        layer = self.layers[before]
        kind = nn.BatchNorm2d if isinstance(layer, Convolution) else nn.BatchNorm1d
        if not isinstance(norm, kind) or norm.running_mean is None or norm.running_var is None:
            return
        # The factor in double precision: where a channel hardly varies, it is large.
        factor = (norm.running_var.double() + norm.eps).rsqrt()
        factor = factor if norm.weight is None else factor * norm.weight
        shift = -norm.running_mean * factor
        shift = shift if norm.bias is None else shift + norm.bias
        self._put(before, layer.scaled(after=factor.to(layer.weight), shift=shift.to(layer.weight)))
        self._replace(node, before)

    def join_sum(self, node: fx.Node) -> None:
        """The sum at the end of a residual block is taken by the convolution before it."""
        if node.target not in ADD or len(node.args) != 2 or node.kwargs:
            return
        for mine, other in (node.args, node.args[::-1]):
            if not isinstance(mine, fx.Node) or not isinstance(other, fx.Node):
                continue
            # A sum in place must not be seen by others either.
            free = _only_user(mine) is node and (mine is node.args[0] or node.target not in IN_PLACE)
            if mine in self.layers and free and len(mine.args) == 1:
                with self.top.graph.inserting_before(node):
                    whole = self.top.graph.call_module(str(mine.target), (mine.args[0], other))
                self.layers[whole] = self.layers.pop(mine)
                self._replace(node, whole)
                self.top.graph.erase_node(mine)
                return

    def join_relu(self, node: fx.Node) -> None:
        """A rectifier right after a layer, or its sum, is taken by it."""
        before = _first(node)
        if before not in self.layers or _only_user(before) is not node or self.layers[before].relu:
            return
        if node.target in RELU or type(self._module(node)) is nn.ReLU:
            self.layers[before].relu = True
            self._replace(node, before)

    def flatten_channels_last(self, node: fx.Node) -> None:
        """Images in channels-last memory are flattened in that order, without a copy; the next weights follow."""
        if node.target == "view":
            node.target = "reshape"  # the memory is in another order than where the model was written
        before, user = _first(node), _only_user(node)
        if before is None or user not in self.layers:
            return
        channels, layer = self._channels(before), self.layers[user]
        if not (node.target in FLATTEN or type(self._module(node)) is nn.Flatten) or not isinstance(
            layer, Linear
        ):
            return
        if channels is None or layer.channels % channels:
            return
        weight = layer.weight.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1)
        self._put(user, Linear(weight, layer.bias), layer.relu)
        with self.top.graph.inserting_before(node):
            self._replace(node, self.top.graph.call_function(channels_last_rows, (before,)))

    def _channels(self, node: fx.Node | None) -> int | None:
        """How many channels the images have that a node puts out; None where it puts out no images, or who knows."""
        while node is not None and node not in self.layers:
            if not (isinstance(self._module(node), BY_CHANNEL) or node.target in RELU):
                return None
            node = _first(node)
        layer = None if node is None else self.layers[node]
        return len(layer.weight) if isinstance(layer, Convolution) else None

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.top.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _constant(self, value: Any) -> Tensor | None:
        if isinstance(value, (int, float)):
            return torch.tensor(float(value))
        if isinstance(value, fx.Node) and value.op == "get_attr":
            found = operator.attrgetter(str(value.target))(self.top)
            return found if isinstance(found, Tensor) else None
        return None

    def _put(self, node: fx.Node, layer: Affine, relu: bool = False) -> None:
        """Let a node call a layer of its own."""
        layer.relu = relu
        node.target = f"affine_{len(self.layers)}" if node not in self.layers else node.target
        self.top.add_submodule(str(node.target), layer)
        self.layers[node] = layer

    def _replace(self, node: fx.Node, by: fx.Node) -> None:
        node.replace_all_uses_with(by)
        self.top.graph.erase_node(node)


def _first(node: fx.Node) -> fx.Node | None:
    """What a node is computed from, first of all."""
    return node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def channels_last_rows(x: Tensor) -> Tensor:
    """Each image as a row, in the order of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(1)
