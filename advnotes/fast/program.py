"""A folded graph as a list of steps, each with its own backward pass: one node of autograd for the whole model."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from advnotes.fast.layers import Affine
from advnotes.fast.trace import call_of, tensors

__all__ = ["Program"]

#: What the nodes have computed, and what a step keeps for its backward pass under its own key.
Values = dict[Any, Any]
#: The gradients of nodes, or of the parts of a node that puts out a tuple, and whether nobody else has that tensor, so
#: that it can be written to.
Gradients = dict[Any, tuple[Tensor, bool]]


class Program(nn.Module):
    """The function of a folded graph, with the gradient of its input alone.

    An affine layer goes back by itself: nothing is kept or computed for its parameters, and its rectifier writes into
    the gradient that it gets. Whatever lies between affine layers goes through autograd.
    """

    def __init__(self, top: nn.Module, graph: fx.Graph, layers: Mapping[fx.Node, Affine]) -> None:
        super().__init__()
        self.input, *nodes, end = graph.nodes
        self.output = end.args[0]
        if self.input.op != "placeholder" or not isinstance(self.output, fx.Node):
            raise TypeError("a program has one tensor for its input and one for its output")
        self.called = nn.ModuleList(
            top.get_submodule(str(node.target)) for node in nodes if node.op == "call_module"
        )
        self.layers = list(layers.values())
        self.steps: list[FusedLayer | AutogradSegment] = []
        between: list[fx.Node] = []
        for node in [*nodes, end]:
            if between and (node in layers or node is end):
                self.steps.append(AutogradSegment(top, between))
                between = []
            if node in layers:
                self.steps.append(FusedLayer(node, layers[node]))
            else:
                between.append(node)
        # Without a backward pass, a value is let go after the last step that wants it.
        wanted = {node: step for step in self.steps for node in step.inputs}
        # The output is wanted at the end, also where a step reads it again.
        wanted.pop(self.output, None)
        self.done = [[node for node, last in wanted.items() if last is step] for step in self.steps]

    def refresh(self) -> None:
        """Take the parameters of the model as they are now."""
        with torch.no_grad():
            for layer in self.layers:
                layer.refresh()

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        if torch.is_grad_enabled() and x.requires_grad:
            return _ProgramFunction.apply(x, self)
        return self.run(x, keep=False)[self.output]

    def run(self, x: Tensor, keep: bool) -> Values:
        """The values of all nodes; without ``keep``, of those that are wanted at the end."""
        values: Values = {self.input: x}
        for step, done in zip(self.steps, self.done, strict=True):
            step.forward(values, keep)
            for node in () if keep else done:
                del values[node]
        return values

    def input_gradient(self, gradient: Tensor, values: Values) -> Tensor:
        """The gradient of the input from that of the logits."""
        gradients: Gradients = {self.output: (gradient, False)}
        for step in reversed(self.steps):
            step.input_gradient(gradients, values)
        return gradients[self.input][0]


class _ProgramFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, program: Program) -> Tensor:
        ctx.program, ctx.values = program, program.run(x, keep=True)
        return ctx.values[program.output].detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.program.input_gradient(gradient, ctx.values), None


class FusedLayer:
    """An affine layer with its sum and its rectifier."""

    def __init__(self, node: fx.Node, layer: Affine) -> None:
        self.node, self.layer = node, layer
        self.inputs = [each for each in node.args if isinstance(each, fx.Node)]

    def forward(self, values: Values, keep: bool) -> None:
        """Compute the outputs, among ``values``; ``keep`` what the backward pass wants."""
        values[self.node] = self.layer(*(values[node] for node in self.inputs))

    def input_gradient(self, gradients: Gradients, values: Values) -> None:
        """Add the gradients of the inputs to ``gradients``, from those of the outputs."""
        if self.node not in gradients:
            return
        gradient, own = gradients.pop(self.node)
        if self.layer.relu:
            out = values[self.node]
            if own:
                torch.ops.aten.threshold_backward.grad_input(gradient, out, 0, grad_input=gradient)
            else:
                gradient, own = torch.ops.aten.threshold_backward(gradient, out, 0), True
        x, *others = self.inputs
        _add(gradients, x, self.layer.input_gradient(gradient, values[x]), own=True)
        for other in others:
            _add(gradients, other, gradient, own)


class AutogradSegment:
    """Steps of any other kind that follow each other."""

    def __init__(self, top: nn.Module, nodes: list[fx.Node]) -> None:
        self.calls = [(node, call_of(top, node)) for node in nodes]
        self.inputs = list(dict.fromkeys(n for node in nodes for n in node.all_input_nodes if n not in nodes))
        self.outputs = [node for node in nodes if any(user not in nodes for user in node.users)]

    def forward(self, values: Values, keep: bool) -> None:
        """Compute the outputs, among ``values``; ``keep`` what the backward pass wants."""
        inside: Values = {node: values[node] for node in self.inputs}
        if keep:
            inside = {node: fx.node.map_aggregate(value, _start) for node, value in inside.items()}
        starts = [inside[node] for node in self.inputs]
        with torch.set_grad_enabled(keep):
            for node, call in self.calls:
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), inside.__getitem__)
                inside[node] = call(*args, **kwargs)
        values.update((node, inside[node]) for node in self.outputs)
        if keep:
            values[self] = starts

    def input_gradient(self, gradients: Gradients, values: Values) -> None:
        """Add the gradients of the inputs to ``gradients``, from those of the outputs."""
        outputs = [part for node in self.outputs for part in _real(node, values[node])]
        ends = [(end, gradients.pop(key)[0]) for key, end in outputs if key in gradients]
        ends = [(end, gradient) for end, gradient in ends if end.requires_grad]
        inputs = zip(self.inputs, values[self], strict=True)
        starts = [part for node, value in inputs for part in _real(node, value)]
        if not ends or not starts:
            return
        found = torch.autograd.grad(
            [end for end, _ in ends],
            [start for _, start in starts],
            [gradient for _, gradient in ends],
            allow_unused=True,
            retain_graph=True,
        )
        for (key, _), gradient in zip(starts, found, strict=True):
            if gradient is not None:
                # Autograd may give one tensor to several, or a view of one number.
                _add(gradients, key, gradient, own=False)


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _real(key: Any, value: Any) -> list[tuple[Any, Tensor]]:
    """The real tensors that a node has put out, each with the key of its gradient."""
    return [(part, tensor) for part, tensor in tensors(key, value) if _is_real(tensor)]


def _start(value: Any) -> Any:
    """A real tensor as the start of a backward pass of its own."""
    return value.detach().requires_grad_() if _is_real(value) else value


def _add(gradients: Gradients, key: Any, gradient: Tensor, own: bool) -> None:
    """Add to the gradient of a node, or of a part of what it puts out."""
    if key not in gradients:
        gradients[key] = gradient, own
        return
    before, written = gradients[key]
    gradients[key] = (before.add_(gradient) if written else before + gradient), True
