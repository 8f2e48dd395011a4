"""A traced graph while it is rewritten: its nodes, and the affine layers that have come into it."""

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from advnotes.fast.layers import Affine, Convolution

__all__ = ["RELU", "LayeredGraph", "first", "only_user", "shape"]

RELU = (F.relu, torch.relu, "relu")
#: Through these, each channel stays itself.
BY_CHANNEL = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.BatchNorm2d)


class LayeredGraph:
    """A graph and the model whose layers it calls; :attr:`layers` are the affine ones by their node."""

    def __init__(self, top: nn.Module, graph: fx.Graph) -> None:
        self.top, self.graph = top, graph
        self.layers: dict[fx.Node, Affine] = {}

    def channels(self, node: fx.Node | None) -> int | None:
        """How many channels the images of a node have; None where it puts out no images, or this is not known."""
        while node is not None and node not in self.layers:
            if not (isinstance(self.module(node), BY_CHANNEL) or node.target in RELU):
                return None
            node = first(node)
        layer = None if node is None else self.layers[node]
        return layer.size[0] if isinstance(layer, Convolution) else None

    def module(self, node: fx.Node) -> nn.Module | None:
        """The layer that a node calls."""
        return self.top.get_submodule(str(node.target)) if node.op == "call_module" else None

    def constant(self, value: Any) -> Tensor | None:
        """A number, or a tensor of the model, as a tensor; None of what is computed."""
        if isinstance(value, (int, float)):
            return torch.tensor(float(value))
        if isinstance(value, fx.Node) and value.op == "get_attr":
            found = operator.attrgetter(str(value.target))(self.top)
            return found if isinstance(found, Tensor) else None
        return None

    def put(self, node: fx.Node, layer: Affine, relu: bool = False) -> None:
        """Let a node call a layer of its own."""
        layer.relu = relu
        node.target = f"affine_{len(self.layers)}" if node not in self.layers else node.target
        self.top.add_module(str(node.target), layer)
        self.layers[node] = layer

    def replace(self, node: fx.Node, by: fx.Node) -> None:
        """Let all that read a node read another one."""
        node.replace_all_uses_with(by)
        self.graph.erase_node(node)


def first(node: fx.Node) -> fx.Node | None:
    """The node that is the first argument of another one."""
    return node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None


def only_user(node: fx.Node) -> fx.Node | None:
    """The node that reads another one, where it is the only one that does."""
    return next(iter(node.users)) if len(node.users) == 1 else None


def shape(node: fx.Node) -> torch.Size:
    """Of the tensor that a node puts out for the first example; empty where it puts out something else."""
    value = node.meta["values"][0]
    return value.shape if isinstance(value, Tensor) else torch.Size()
