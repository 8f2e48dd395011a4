"""Rewriting a traced graph: batch norm and scales into weights, rectifiers and sums into the layers before them."""

import math
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from advnotes.fast.layers import Affine, Change, Convolution, Linear, Source
from advnotes.fast.out_of_place import out_of_place
from advnotes.fast.program import Program

__all__ = ["fuse"]

RELU = (F.relu, torch.relu, "relu")
ADD = (operator.add, torch.add, "add")
TIMES = (operator.mul, torch.mul, "mul")
BY = (operator.truediv, torch.div, "div")
FLATTEN = (torch.flatten, "flatten", "view", "reshape")
#: Through these, each channel stays itself.
BY_CHANNEL = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.BatchNorm2d)


def fuse(top: nn.Module, graph: fx.Graph) -> Program:
    """The same function in fewer and cheaper steps, its images in channels-last memory; the arguments are changed."""
    work = _Fusion(top, graph)
    out_of_place(top, graph)
    drop_unused(graph)
    # Each pass sees what the one before it has made.
    for step in (
        work.drop_identity,
        work.fix_weights,
        work.fold_scale,
        work.fold_batch_norm,
        work.join_sum,
        work.join_relu,
        work.flatten_channels_last,
    ):
        for node in list(graph.nodes):
            step(node)
    drop_unused(graph)
    for node in graph.nodes:
        node.meta.clear()
    program = Program(top, graph, work.layers)
    program.refresh()
    return program


def drop_unused(graph: fx.Graph) -> None:
    """Erase values that nobody reads, such as a constant that went into weights."""
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output"):
            graph.erase_node(node)


class _Fusion:
    """The steps of the rewriting, each for one node; :attr:`layers` are the affine layers by their node."""

    def __init__(self, top: nn.Module, graph: fx.Graph) -> None:
        self.top, self.graph = top, graph
        self.layers: dict[fx.Node, Affine] = {}

    def drop_identity(self, node: fx.Node) -> None:
        """Drop dropout, which does nothing in eval mode."""
        before, nothing = _first(node), (nn.Identity, nn.modules.dropout._DropoutNd)
        if before is not None and isinstance(self._module(node), nothing):
            self._replace(node, before)

    def fix_weights(self, node: fx.Node) -> None:
        """A convolution or linear layer becomes one with constant weights; a layer used twice becomes two."""
        module = self._module(node)
        if len(node.args) != 1:
            return
        if type(module) is nn.Linear:
            self._put(node, Linear(_parameters(module), module.weight.shape))
        elif (
            type(module) is nn.Conv2d
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        ):
            self._put(node, Convolution(_parameters(module), module.weight.shape, module))

    def fold_scale(self, node: fx.Node) -> None:
        """``W (x * c)`` is ``(W c) x``; so is the division that ends a normalisation."""
        before, user = _first(node), _only_user(node)
        if before is None or user not in self.layers or len(node.args) != 2 or node.kwargs:
            return
        if _shape(before) != _shape(node):
            return  # the factor repeats its input
        factor = self._constant(node.args[1])
        if factor is None or node.target not in (*BY, *TIMES):
            return
        layer = self.layers[user]
        channels, spread = layer.channels, [1] * (len(layer.size) - 2)
        each = factor.numel() == channels and list(factor.shape[-1 - len(spread) :]) == [channels, *spread]
        if factor.numel() == 1 or each:
            by = node.target in BY

            def change() -> Change:
                return Change(before=(1 / factor if by else factor).flatten())

            self._put(user, layer.scaled(change))
            self._replace(node, before)

    def fold_batch_norm(self, node: fx.Node) -> None:
        r""":math:`\gamma (W x + b - \mu) / \sigma + \beta`, the statistics being constants, is another ``W x + b``."""
        norm, before = self._module(node), _first(node)
        if before not in self.layers or _only_user(before) is not node:
            return
        layer = self.layers[before]
        kind, dims = (nn.BatchNorm2d, 4) if isinstance(layer, Convolution) else (nn.BatchNorm1d, 2)
        # Of the outputs of a linear layer for several tokens, batch norm takes the tokens for channels.
        if not isinstance(norm, kind) or norm.running_mean is None or norm.running_var is None:
            return
        if len(_shape(node)) != dims:
            return
        mean, variance = norm.running_mean, norm.running_var

        def change() -> Change:
            # The factor in double precision: where a channel hardly varies, it is large.
            factor = (variance.double() + norm.eps).rsqrt()
            factor = factor if norm.weight is None else factor * norm.weight
            shift = -mean * factor
            shift = shift if norm.bias is None else shift + norm.bias
            return Change(after=factor.to(mean), shift=shift.to(mean))

        self._put(before, layer.scaled(change))
        self._replace(node, before)

    def join_sum(self, node: fx.Node) -> None:
        """Let the convolution before the sum at the end of a residual block add it."""
        if node.target not in ADD or len(node.args) != 2 or node.kwargs:
            return
        for mine, other in (node.args, node.args[::-1]):
            if not isinstance(mine, fx.Node) or not isinstance(other, fx.Node) or mine is other:
                continue
            if _shape(mine) != _shape(other):
                continue  # a term is repeated
            if mine in self.layers and _only_user(mine) is node and len(mine.args) == 1:
                with self.graph.inserting_before(node):
                    whole = self.graph.call_module(str(mine.target), (mine.args[0], other))
                whole.meta = node.meta
                self.layers[whole] = self.layers.pop(mine)
                self._replace(node, whole)
                self.graph.erase_node(mine)
                return

    def join_relu(self, node: fx.Node) -> None:
        """Let a layer apply the rectifier right after it, or after its sum."""
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
        flattens = node.target in FLATTEN or type(self._module(node)) is nn.Flatten
        if not flattens or not isinstance(layer, Linear) or channels is None or len(_shape(node)) != 2:
            return
        if _shape(node) != (len(before.meta["values"][0]), math.prod(_shape(before)[1:])):
            return  # other dimensions than these
        self._put(user, layer.by_channels_last(channels), layer.relu)
        with self.graph.inserting_before(node):
            rows = self.graph.call_function(channels_last_rows, (before,))
        rows.meta = node.meta
        self._replace(node, rows)

    def _channels(self, node: fx.Node | None) -> int | None:
        """How many channels the images of a node have; None where it puts out no images, or this is not known."""
        while node is not None and node not in self.layers:
            if not (isinstance(self._module(node), BY_CHANNEL) or node.target in RELU):
                return None
            node = _first(node)
        layer = None if node is None else self.layers[node]
        return layer.size[0] if isinstance(layer, Convolution) else None

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
        self.top.add_module(str(node.target), layer)
        self.layers[node] = layer

    def _replace(self, node: fx.Node, by: fx.Node) -> None:
        node.replace_all_uses_with(by)
        self.graph.erase_node(node)


def _parameters(layer: nn.Linear | nn.Conv2d) -> Source:
    return lambda: (layer.weight.detach(), None if layer.bias is None else layer.bias.detach())


def _first(node: fx.Node) -> fx.Node | None:
    """The node that is the first argument of another one."""
    return node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _shape(node: fx.Node) -> torch.Size:
    """Of the tensor that a node puts out for the first example; empty where it puts out something else."""
    value = node.meta["values"][0]
    return value.shape if isinstance(value, Tensor) else torch.Size()


def channels_last_rows(x: Tensor) -> Tensor:
    """Each image as a row, in the order of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(1)
