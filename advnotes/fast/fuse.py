"""Rewriting a traced graph: batch norm and scales into weights, rectifiers and sums into the layers before them."""

import math
import operator

import torch
from torch import Tensor, fx, nn

from advnotes.fast.layered_graph import RELU, LayeredGraph, first, only_user, shape
from advnotes.fast.layers import Change, Convolution, Linear, Source
from advnotes.fast.out_of_place import out_of_place
from advnotes.fast.program import Program

__all__ = ["fuse"]

ADD = (operator.add, torch.add, "add")
TIMES = (operator.mul, torch.mul, "mul")
BY = (operator.truediv, torch.div, "div")
FLATTEN = (torch.flatten, "flatten", "view", "reshape")


def fuse(top: nn.Module, graph: fx.Graph) -> Program:
    """The same function in fewer and cheaper steps, its images in channels-last memory; the arguments are changed."""
    work = LayeredGraph(top, graph)
    out_of_place(top, graph)
    drop_unused(graph)
    # Each pass sees what the one before it has made.
    for step in (
        drop_identity,
        fix_weights,
        fold_scale,
        fold_batch_norm,
        join_sum,
        join_relu,
        flatten_channels_last,
    ):
        for node in list(graph.nodes):
            step(work, node)
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


def drop_identity(work: LayeredGraph, node: fx.Node) -> None:
    """Drop dropout, which does nothing in eval mode."""
    before, nothing = first(node), (nn.Identity, nn.modules.dropout._DropoutNd)
    if before is not None and isinstance(work.module(node), nothing):
        work.replace(node, before)


def fix_weights(work: LayeredGraph, node: fx.Node) -> None:
    """A convolution or linear layer becomes one with constant weights; a layer used twice becomes two."""
    module = work.module(node)
    if len(node.args) != 1:
        return
    if type(module) is nn.Linear:
        work.put(node, Linear(_parameters(module), module.weight.shape))
    elif type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        work.put(node, Convolution(_parameters(module), module.weight.shape, module))


def fold_scale(work: LayeredGraph, node: fx.Node) -> None:
    """``W (x * c)`` is ``(W c) x``; so is the division that ends a normalisation."""
    before, user = first(node), only_user(node)
    if before is None or user not in work.layers or len(node.args) != 2 or node.kwargs:
        return
    if shape(before) != shape(node):
        return  # the factor repeats its input
    factor = work.constant(node.args[1])
    if factor is None or node.target not in (*BY, *TIMES):
        return
    layer = work.layers[user]
    channels, spread = layer.channels, [1] * (len(layer.size) - 2)
    each = factor.numel() == channels and list(factor.shape[-1 - len(spread) :]) == [channels, *spread]
    if factor.numel() == 1 or each:
        by = node.target in BY

        def change() -> Change:
            return Change(before=(1 / factor if by else factor).flatten())

        work.put(user, layer.scaled(change))
        work.replace(node, before)


def fold_batch_norm(work: LayeredGraph, node: fx.Node) -> None:
    r""":math:`\gamma (W x + b - \mu) / \sigma + \beta`, the statistics being constants, is another ``W x + b``."""
    norm, before = work.module(node), first(node)
    if before not in work.layers or only_user(before) is not node:
        return
    layer = work.layers[before]
    kind, dims = (nn.BatchNorm2d, 4) if isinstance(layer, Convolution) else (nn.BatchNorm1d, 2)
    # Of the outputs of a linear layer for several tokens, batch norm takes the tokens for channels.
    if not isinstance(norm, kind) or norm.running_mean is None or norm.running_var is None:
        return
    if len(shape(node)) != dims:
        return
    mean, variance = norm.running_mean, norm.running_var

    def change() -> Change:
        # The factor in double precision: where a channel hardly varies, it is large.
        factor = (variance.double() + norm.eps).rsqrt()
        factor = factor if norm.weight is None else factor * norm.weight
        shift = -mean * factor
        shift = shift if norm.bias is None else shift + norm.bias
        return Change(after=factor.to(mean), shift=shift.to(mean))

    work.put(before, layer.scaled(change))
    work.replace(node, before)


def join_sum(work: LayeredGraph, node: fx.Node) -> None:
    """Let the convolution before the sum at the end of a residual block add it."""
    if node.target not in ADD or len(node.args) != 2 or node.kwargs:
        return
    for mine, other in (node.args, node.args[::-1]):
        if not isinstance(mine, fx.Node) or not isinstance(other, fx.Node) or mine is other:
            continue
        if shape(mine) != shape(other):
            continue  # a term is repeated
        if mine in work.layers and only_user(mine) is node and len(mine.args) == 1:
            with work.graph.inserting_before(node):
                whole = work.graph.call_module(str(mine.target), (mine.args[0], other))
            whole.meta = node.meta
            work.layers[whole] = work.layers.pop(mine)
            work.replace(node, whole)
            work.graph.erase_node(mine)
            return


def join_relu(work: LayeredGraph, node: fx.Node) -> None:
    """Let a layer apply the rectifier right after it, or after its sum."""
    before = first(node)
    if before not in work.layers or only_user(before) is not node or work.layers[before].relu:
        return
    if node.target in RELU or type(work.module(node)) is nn.ReLU:
        work.layers[before].relu = True
        work.replace(node, before)


def flatten_channels_last(work: LayeredGraph, node: fx.Node) -> None:
    """Images in channels-last memory are flattened in that order, without a copy; the next weights follow."""
    if node.target == "view":
        node.target = "reshape"  # the memory is in another order than where the model was written
    before, user = first(node), only_user(node)
    if before is None or user not in work.layers:
        return
    channels, layer = work.channels(before), work.layers[user]
    flattens = node.target in FLATTEN or type(work.module(node)) is nn.Flatten
    if not flattens or not isinstance(layer, Linear) or channels is None or len(shape(node)) != 2:
        return
    if shape(node) != (len(before.meta["values"][0]), math.prod(shape(before)[1:])):
        return  # other dimensions than these
    work.put(user, layer.by_channels_last(channels), layer.relu)
    with work.graph.inserting_before(node):
        rows = work.graph.call_function(channels_last_rows, (before,))
    rows.meta = node.meta
    work.replace(node, rows)


def _parameters(layer: nn.Linear | nn.Conv2d) -> Source:
    return lambda: (layer.weight.detach(), None if layer.bias is None else layer.bias.detach())


def channels_last_rows(x: Tensor) -> Tensor:
    """Each image as a row, in the order of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(1)
