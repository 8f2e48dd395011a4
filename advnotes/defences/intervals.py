"""Interval bound propagation: a box around the input becomes a box around the logits, layer by layer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.defences.parts.bounded_graph import BoundedGraph, bounded_graph
from advnotes.defences.parts.rounding import Arithmetic, size_of
from advnotes.defences.parts.steps import Affine, Maximum, Rectifier, Step

__all__ = ["interval_bounds"]

Interval = tuple[Tensor, Tensor]


def interval_bounds(
    model: nn.Module | BoundedGraph,
    lower: Float[Tensor, "batch ..."],
    upper: Float[Tensor, "batch ..."],
    *,
    rounding: bool = True,
) -> tuple[Float[Tensor, "batch classes"], Float[Tensor, "batch classes"]]:
    r"""Bounds of a network's logits for all inputs between two (Gowal et al. 2018, equations 6 and 7).

    An affine layer moves the centre of the box and, with the sizes of its weights, the radius; what is monotone moves
    the two ends:

    .. math::
        \mu = \tfrac12(\overline z + \underline z), \quad r = \tfrac12(\overline z - \underline z), \qquad
        W \mu + b \pm |W|\, r, \qquad [h(\underline z), h(\overline z)]

    With ``rounding`` the bounds hold for the logits that PyTorch computes, not only for those of the real numbers: see
    :func:`~advnotes.defences.certify`, which says what exactly is proved. They are differentiable in the parameters
    and in the ends.

    Args:
        model: in eval mode, or without layers for which the mode matters; made of Linear, Conv2d, ReLU, LeakyReLU,
            BatchNorm, pooling, Flatten, residual sums, and constants that are added or multiplied. What
            :func:`~advnotes.defences.bounded_graph` made of it saves 5 ms a call.
        lower, upper: the ends of the box, in the unit of the input. Nothing is cut off: clamp them to the input's
            range.
        rounding: count in what rounding may do, and compute in float64. False is for training: in the precision of
            ``lower``, and without a promise for the last bits.

    Returns:
        The lower and the upper bounds, in float64 with ``rounding``. Where nothing can be said (overflow, weights that
        are not finite) they are infinite.

    Raises:
        Unbounded: where the model has a layer without bounds; it names the layer.
        ValueError: where the model is in train mode and that matters, or the ends do not fit each other.
    """
    if not (isinstance(lower, Tensor) and isinstance(upper, Tensor)):
        raise ValueError(
            f"the ends of the box must be tensors, got {type(lower).__name__} and {type(upper).__name__}: "
            "torch.as_tensor(lower)?"
        )
    if lower.shape != upper.shape or not bool((lower <= upper).all()):
        raise ValueError(
            f"expected lower ends that are nowhere above the upper ones, got shapes {tuple(lower.shape)} and "
            f"{tuple(upper.shape)}{'' if lower.shape != upper.shape else ' with ends in the other order or NaN'}"
        )
    graph = bounded_graph(model, lower)
    arithmetic = Arithmetic.of(graph, lower.device) if rounding else None
    dtype = torch.float64 if rounding else lower.dtype
    values: list[Interval] = [(lower.to(dtype).contiguous(), upper.to(dtype).contiguous())]
    for step in graph.steps:
        values.append(interval(step, [values[i] for i in step.inputs], arithmetic))
    return values[-1]


def interval(step: Step, inputs: list[Interval], arithmetic: Arithmetic | None = None) -> Interval:
    """The bounds of one step's output, widened by what rounding may do where ``arithmetic`` is given."""
    if isinstance(step, Affine):
        centre = step.linear(*((low + high) / 2 for low, high in inputs))
        radius = step.linear(*((high - low) / 2 for low, high in inputs), absolute=True)
        bias = step.bias(centre)
        centre = centre if bias is None else centre + bias
        lower, upper = centre - radius, centre + radius
    else:
        assert isinstance(step, (Rectifier, Maximum))
        lower, upper = (step.values(end) for end in inputs[0])
    if arithmetic is None:
        return lower, upper
    error = arithmetic.error(step, [size_of(*ends) for ends in inputs])
    lower, upper = lower - error, upper + error
    return lower.nan_to_num(-torch.inf, torch.inf, -torch.inf), upper.nan_to_num(
        torch.inf, torch.inf, -torch.inf
    )
