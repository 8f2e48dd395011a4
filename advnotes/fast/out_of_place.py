"""Operations that write into their input, made to put out a new tensor."""

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from advnotes.fast.trace import tensors
from advnotes.fast.traceable import Untraceable

__all__ = ["out_of_place"]

IN_PLACE: dict[Any, Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    torch.relu_: torch.relu,
    torch.clamp_: torch.clamp,
    torch.sigmoid_: torch.sigmoid,
    torch.tanh_: torch.tanh,
    F.relu_: F.relu,
}


def out_of_place(top: nn.Module, graph: fx.Graph) -> None:
    """Let operations and layers of ``top`` that write into their input return a new tensor, which later ones read.

    Raises:
        Untraceable: where the input is the model's, a parameter or a view, or the operation has no such form.
    """
    nodes = list(graph.nodes)
    for place, node in enumerate(nodes):
        method = node.op == "call_method" and str(node.target).endswith("_")
        if node.meta["writes"] or method:
            written = node.args[0] if node.args else None
            if not isinstance(written, fx.Node):
                raise Untraceable(f"{node.format_node()} writes into another input than its first")
            _redirect(node, written, nodes[:place], set(nodes[place + 1 :]))
            _replace(top, node)


def _redirect(node: fx.Node, written: fx.Node, before: list[fx.Node], after: set[fx.Node]) -> None:
    """Let the nodes after a writing one read what it puts out, instead of the tensor that it wrote into."""
    whole = written.meta["values"][0]
    memory = whole.untyped_storage().data_ptr()
    for other in before:
        for _, tensor in tensors("", other.meta["values"][0]):
            if tensor.untyped_storage().data_ptr() == memory:
                if tensor is not whole or other.op in ("placeholder", "get_attr"):
                    raise Untraceable(f"{node.format_node()} writes into what {other} sees too")
                for user in after & set(other.users):
                    user.replace_input_with(other, node)


def _replace(top: nn.Module, node: fx.Node) -> None:
    kwargs = {name: value for name, value in node.kwargs.items() if name != "inplace"}
    if node.op == "call_method":
        node.target = str(node.target).removesuffix("_")
    elif node.target in IN_PLACE:
        node.target = IN_PLACE[node.target]
    elif node.op == "call_module" and hasattr(module := top.get_submodule(str(node.target)), "inplace"):
        module.inplace = False  # type: ignore[assignment]
    elif len(kwargs) == len(node.kwargs):
        raise Untraceable(f"{node.format_node()} writes into its input")
    node.kwargs = kwargs
