"""CROWN: linear functions below and above what a network computes, carried from the output back to the input."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import check_bounds, check_count, check_inputs, clip_rounding
from advnotes.defences.parts.bounded_graph import BoundedGraph, bounded_graph
from advnotes.defences.parts.known import Known
from advnotes.defences.parts.known_values import ROOM, known_values
from advnotes.defences.parts.region import Region
from advnotes.defences.parts.slopes import climb
from advnotes.threats import Bounds, Threat

__all__ = ["differences", "linear_margins", "margins_of", "margins_of_intervals"]


def linear_margins(
    model: nn.Module | BoundedGraph,
    x: Float[Tensor, "batch ..."],
    y: Int[Tensor, " batch"],
    threat: Threat,
    *,
    bounds: Bounds = (0.0, 1.0),
    steps: int = 0,
) -> Float[Tensor, "batch classes"]:
    r"""By how much the true class leads every other one, at least, wherever the adversary moves (Zhang et al. 2018).

    A rectifier whose input lies between :math:`l < 0 < u` lies between two lines,

    .. math:: \alpha v \;\le\; \max(v, 0) \;\le\; \frac{u}{u - l}\,(v - l), \qquad 0 \le \alpha \le 1 ,

    so that a linear function :math:`a^\top h` of a layer is bounded below by one of the layer before: positive
    coefficients take the lower line, negative ones the upper line. Step by step
    :math:`z_y - z_c \ge a^\top x' + b`, and of that the least value in a ball is known,
    :math:`a^\top x - \epsilon \lVert a\rVert_q + b`, or in a box. The bounds :math:`l, u` of hidden units come from
    the same way back, where those of intervals leave a sign open.

    What is proved, and of which arithmetic, is said at :func:`~advnotes.defences.certify`.

    Differs from the paper: :math:`\alpha` is 1 or 0, whichever encloses the smaller area, or is found by ``steps`` of
    gradient ascent, for each sample and class by itself (Xu et al. 2021); of a maximum over a window, the lower line is
    the entry with the highest lower bound, and the upper one a constant.

    Args:
        model: as in :func:`~advnotes.defences.interval_bounds`.
        x: inputs within ``bounds``.
        y: the true classes.
        threat: a ball in Linf, L2 or L1.
        bounds: the range of the input, at which the ball is cut off.
        steps: of gradient ascent on the slopes :math:`\alpha` of the last bounds; a step costs about three passes for
            each class.

    Returns:
        Lower bounds of :math:`z_y - z_c`, in float64; infinite for the true class itself. Where nothing can be said
        (overflow, weights that are not finite) they are ``-inf``.

    Raises:
        Unbounded: where the model has a layer without bounds; it names the layer.
        ValueError: where the model is in train mode and that matters, or inputs, labels or options are not as expected.

    Source: Zhang et al. 2018, theorem 3.2 and corollary 3.3.
    """
    bounds = check_bounds(bounds)
    check_count("steps", steps, 0)
    check_inputs(x, y, bounds)
    threat.check_batch(len(x))
    graph = bounded_graph(model, x)
    graph.check_inputs(x)
    graph.check_labels(y)
    with torch.inference_mode(False):
        region = Region(clip_rounding(x, bounds).detach().clone(), threat, bounds)
        return margins_of(known_values(graph, region), region, y.clone(), steps)


def margins_of_intervals(known: Known, y: Tensor) -> Tensor:
    """Lower bounds of the true class's lead over all others, ``[batch]``, by the intervals of the logits."""
    low, high = known.lower[-1], known.upper[-1]
    others = high.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    lead = low.gather(1, y[:, None]).squeeze(1) - others
    lead = lead - torch.finfo(torch.float64).eps * (lead.abs() + 1e-300)
    return torch.where(known.finite(), lead, torch.full_like(lead, -torch.inf))


def margins_of(
    known: Known, region: Region, y: Tensor, steps: int = 0, before: Tensor | None = None
) -> Tensor:
    """Lower bounds of the true class's lead over each other one, ``[batch, classes]``; those above 0 are kept."""
    count, classes = len(y), known.graph.classes
    rows = torch.arange(count, device=y.device).repeat_interleave(classes)
    other = torch.arange(classes, device=y.device).repeat(count)
    wanted = (other != y[rows]) & known.finite()[rows]
    margins = (
        torch.where(other == y[rows], torch.inf, -torch.inf).double() if before is None else before.flatten()
    )
    wanted = wanted if before is None else wanted & (margins <= 0)
    margins = margins.clone()
    at_a_time = max(1, ROOM // max(value[0].numel() for value in known.lower)) if count else 1
    for part in wanted.nonzero().squeeze(1).split(at_a_time):
        a = differences(y[rows[part]], other[part], classes)
        margins[part] = torch.maximum(margins[part], climb(known, region, a, rows[part], steps).bound)
    return margins.view(count, classes)


def differences(y: Tensor, other: Tensor, classes: int) -> Tensor:
    """The coefficients of ``z_y - z_c``, one row for each pair."""
    a = torch.zeros(len(y), classes, dtype=torch.float64, device=y.device)
    return a.scatter(1, y[:, None], 1.0).scatter(1, other[:, None], -1.0)
