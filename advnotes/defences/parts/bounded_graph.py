"""From a model to the steps whose outputs can be bounded."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from advnotes.checks import call_model, check_label_range
from advnotes.defences.parts.reader import Reader
from advnotes.defences.parts.steps import Step
from advnotes.defences.parts.unbounded import Unbounded
from advnotes.fast.modules import HOOKS
from advnotes.fast.trace import traced
from advnotes.identity import parameters
from advnotes.model_state import attacked
from advnotes.robust.passes import mode_matters

__all__ = ["BoundedGraph", "Unbounded", "bounded_graph"]


@dataclass(frozen=True, eq=False)
class BoundedGraph:
    """A model as steps, each of which can be bounded.

    Args:
        model: the model.
        steps: in the order in which they are computed; the last one gives the logits.
        dtype: the precision in which the model computes.
        shape: of an input, without the batch.
        modules: all that the model was made of.
    """

    model: nn.Module
    steps: tuple[Step, ...]
    dtype: torch.dtype
    shape: tuple[int, ...]
    modules: tuple[nn.Module, ...] = field(repr=False)

    @property
    def classes(self) -> int:
        """The number of logits."""
        return self.steps[-1].after[0]

    def check(self, x: Tensor) -> None:
        """Raise ValueError for what is no longer as it was when the bounds were made: the model, or its inputs' shape.

        Raises:
            Unbounded: under autocast.
        """
        _check_mode(self.model)
        _check_autocast(x.device)
        if not self.fits():
            raise ValueError(
                "the model has other layers, hooks or another precision than when its bounds were made: make them "
                "anew, bounded_graph(model, x)"
            )
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"the bounds were made for inputs of shape {self.shape}, got {tuple(x.shape[1:])}: make them anew"
            )

    def fits(self) -> bool:
        """Whether the model is still made of the same modules, in the same precision; its parameters may be others."""
        hooked = any(vars(module).get(hooks) for module in self.modules for hooks in HOOKS)
        changed = any("forward" in vars(module) for module in self.modules)
        return (
            tuple(self.model.modules()) == self.modules
            and not (hooked or changed)
            and _precision(self.model, self.dtype) == self.dtype
        )

    def check_labels(self, y: Tensor) -> None:
        """Raise ValueError for labels that are no classes of the model, or a model with a single logit."""
        if self.classes < 2:
            raise ValueError(
                "a proof wants at least two classes, got one logit: advnotes.nets.TwoLogits(model)?"
            )
        check_label_range(y, self.classes)

    def check_inputs(self, x: Tensor) -> None:
        """Raise ValueError for inputs of another precision than the model's, or on another device."""
        first = next(parameters(self.model), x)
        if first.device != x.device:
            raise ValueError(
                f"inputs are on {x.device}, the model on {first.device}: move them to one device"
            )
        if x.dtype != self.dtype:
            raise ValueError(
                f"inputs are {x.dtype}, the model computes in {self.dtype}, and what is proved is about its precision: "
                f"x.to({self.dtype})"
            )


def bounded_graph(model: "nn.Module | BoundedGraph", x: Tensor) -> BoundedGraph:
    """The steps of a model.

    Args:
        model: in eval mode, or without layers for which the mode matters; one that was made before comes back.
        x: inputs as they will come, for their shape; there may be none of them.

    Raises:
        Unbounded: where the model has a step without bounds, is no module, computes in half precision, draws at random,
            or does what a graph cannot hold.
        ValueError: where the model is in train mode and that matters.
    """
    if isinstance(model, BoundedGraph):
        model.check(x)
        return model
    if not isinstance(model, nn.Module):
        raise Unbounded(
            f"bounds are made of the layers of a torch.nn.Module, got {type(model).__name__}: what a function computes "
            "cannot be seen; put it into a module's forward"
        )
    _check_mode(model)
    first = next((p for p in parameters(model) if p.is_floating_point()), None)
    dtype = _precision(model, x.dtype)
    if dtype not in (torch.float32, torch.float64):
        raise Unbounded(
            f"there are no sound bounds of a model in {dtype}, whose rounding depends on the machine: model.float()"
        )
    if first is not None and first.is_meta:
        raise Unbounded(
            f"{type(model).__name__} is on the meta device, where it has no weights: load them first"
        )
    _check_autocast(x.device)
    with torch.inference_mode(False), torch.no_grad(), attacked(model):
        like = torch.zeros(3, *x.shape[1:], dtype=dtype, device=x.device if first is None else first.device)
        drawn = torch.rand(2, *x.shape[1:], generator=torch.Generator().manual_seed(0), device="cpu")
        like[1:] = drawn.to(like)
        answer = call_model(model, like)
        try:
            found = Reader(model, *traced(model, like)).steps()
        except Unbounded:
            raise
        # A model's forward is anybody's code, and it meets stand-ins for tensors here: it may fail in any way.
        except Exception as error:
            raise Unbounded(
                f"what {type(model).__name__} computes cannot be seen: {error}. Bounds are of one fixed sequence of "
                "layers, without chance and without a choice that depends on the input's values"
            ) from error
    graph = BoundedGraph(model, found, dtype, tuple(x.shape[1:]), tuple(model.modules()))
    if not found or len(found[-1].after) != 1:
        raise Unbounded(f"expected logits [batch, classes] after a layer, got shape {tuple(answer.shape)}")
    _compare(graph, like, answer)
    return graph


def _precision(model: nn.Module, otherwise: torch.dtype) -> torch.dtype:
    return next((p.dtype for p in parameters(model) if p.is_floating_point()), otherwise)


def _check_autocast(device: torch.device) -> None:
    if device.type != "meta" and torch.is_autocast_enabled(device.type):
        raise Unbounded("autocast computes in half precision, of which there are no sound bounds: leave it")


def _check_mode(model: nn.Module) -> None:
    if model.training and mode_matters(model, training=False):
        raise ValueError(
            f"{type(model).__name__} is in train mode, in which its answers depend on the batch or on chance: bounds "
            "are of one function, model.eval()"
        )


def _compare(graph: BoundedGraph, x: Tensor, answer: Tensor) -> None:
    """Refuse steps that are another function than the model: its logits must lie in their bounds at a few points."""
    from advnotes.defences.intervals import interval_bounds  # which makes its steps here

    with torch.no_grad():
        low, high = interval_bounds(graph, x, x)
    if bool(((answer < low) | (answer > high)).any()):
        raise Unbounded(
            f"the layers of {type(graph.model).__name__} give other logits than its forward, which may write into "
            "values that it uses again: write h = h + 1 instead of h += 1, and ReLU(inplace=False)"
        )
