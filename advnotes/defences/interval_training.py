"""Interval bound training: a network learns to be provable by the cheapest of all proofs."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import (
    check_bounds,
    check_count,
    check_inputs,
    check_label_range,
    check_number,
    logits_of,
)
from advnotes.counter import add_one, number_of
from advnotes.defences.intervals import interval
from advnotes.defences.parts.bounded_graph import BoundedGraph, bounded_graph
from advnotes.defences.parts.steps import Dense
from advnotes.game import Game
from advnotes.threats import Linf
from advnotes.threats.base import Bounds

__all__ = ["IntervalTraining", "worst_logits"]


class IntervalTraining(Game):
    r"""Train on the worst logits that interval bounds allow (Gowal et al. 2018, section 3).

    .. math::
        \min_\theta\; \mathbb E_{x, y}\bigl[\, \kappa\, L(z(x), y) + (1 - \kappa)\, L(\hat z(x, \epsilon), y) \bigr]

    :math:`\hat z` has the largest value that the bounds allow for every other class relative to the true one
    (:func:`worst_logits`), so that the second term is at least the loss under any attack: nobody attacks here. Bounds
    of a network that was trained otherwise are so wide that they teach nothing, so :math:`\epsilon` grows from 0 and
    :math:`\kappa` falls from 1 while the game warms up.

    Differs from the paper: both ramps begin at once, without a phase on clean inputs alone.

    Args:
        model: maps inputs to logits; of layers that :func:`~advnotes.defences.interval_bounds` knows, and without
            batch normalisation or dropout, whose answers in train mode are no fixed function.
        threat: the ball, in Linf.
        kappa: the weight :math:`\kappa` of clean inputs in the end, in [0, 1].
        warmup: the number of losses over which the radius grows linearly to its full size, and the weight of clean
            inputs falls linearly to ``kappa``. In eval mode both are as in the end, and no loss is counted.
        bounds: the range of the input.

    Raises:
        ValueError: where the threat is not Linf or an option is out of range; when called, where inputs, labels or
            logits are not as expected.
        Unbounded: when called, where the model has a layer without bounds.
    """

    turns = ("model",)
    moves: Tensor

    def __init__(
        self,
        model: nn.Module,
        threat: Linf,
        kappa: float = 0.5,
        warmup: int = 0,
        *,
        bounds: Bounds = (0.0, 1.0),
    ) -> None:
        super().__init__()
        _check_threat(threat)
        self.model, self.threat, self.bounds = model, threat, check_bounds(bounds, finite=False)
        self.kappa = check_number("kappa", kappa, least=0.0, most=1.0)
        self.warmup = check_count("warmup", warmup, least=0)
        self._graph: BoundedGraph | None = None
        # A buffer, so that a resumed run goes on where the warm-up was.
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The loss of a batch at its clean and its worst logits; in train mode, one move of the warm-up."""
        check_inputs(x, y, self.bounds)
        grown = self._grown()
        kappa = 1 - grown * (1 - self.kappa)
        if kappa == 1:
            return F.cross_entropy(logits_of(self.model, x, y), y)
        worst = worst_logits(self._bounded(x), x, y, self.threat.scaled(grown), bounds=self.bounds)
        loss = F.cross_entropy(worst, y)
        if kappa == 0:  # and spare the clean pass
            return loss
        return kappa * F.cross_entropy(logits_of(self.model, x, y), y) + (1 - kappa) * loss

    def _grown(self) -> float:
        """How far the warm-up is, from 0 to 1."""
        if not self.training or not self.warmup:
            return 1.0
        add_one(self.moves)
        return min(1.0, number_of(self.moves) / self.warmup)

    def _bounded(self, x: Tensor) -> BoundedGraph:
        """The model's steps, which stay while inputs keep their kind; they read the parameters as these are."""
        graph = self._graph
        if (
            graph is None
            or graph.model is not self.model
            or graph.shape != tuple(x.shape[1:])
            or not graph.fits()
        ):
            graph = self._graph = bounded_graph(self.model, x)
        return graph


def worst_logits(
    model: nn.Module | BoundedGraph,
    x: Float[Tensor, "batch ..."],
    y: Int[Tensor, " batch"],
    threat: Linf,
    *,
    bounds: Bounds = (0.0, 1.0),
) -> Float[Tensor, "batch classes"]:
    r"""How far each class may be ahead of the true one in a ball, by interval bounds.

    .. math:: \hat z_c \ge \max_{x'} \; z_c(x') - z_y(x'), \qquad \hat z_y = 0

    Where all others are negative, no input of the ball has another class. A last linear layer is put together with the
    difference: :math:`(W_c - W_y)\,\mu + b_c - b_y + |W_c - W_y|\,r`, which is tighter than bounds of each logit.
    Differentiable; in the precision of ``x``, and without a promise for the last bits: for training. Proofs are made by
    :func:`~advnotes.defences.certify`.

    Args:
        model: as in :func:`~advnotes.defences.interval_bounds`.
        x: inputs within ``bounds``.
        y: the true classes.
        threat: the ball, in Linf.
        bounds: the range of the input.

    Raises:
        ValueError: where the threat is not Linf, or inputs or labels are not as expected.
        Unbounded: where the model has a layer without bounds.

    Source: Gowal et al. 2018, section 3.
    """
    _check_threat(threat)
    lowest, highest = check_bounds(bounds, finite=False)
    check_inputs(x, y, (lowest, highest))
    graph = bounded_graph(model, x)
    check_label_range(y, graph.classes)
    radius = threat.radius(x)
    values = [((x - radius).clamp(lowest, highest), (x + radius).clamp(lowest, highest))]
    last = graph.steps[-1]
    for step in graph.steps[:-1] if isinstance(last, Dense) else graph.steps:
        values.append(interval(step, [values[i] for i in step.inputs]))
    if not isinstance(last, Dense):
        lower, upper = values[-1]
        return (upper - lower.gather(1, y[:, None])).scatter(1, y[:, None], 0.0)
    lower, upper = values[last.inputs[0]]
    weight = last.layer.weight - last.layer.weight[y][:, None]  # [batch, classes, features]
    gaps = (weight @ ((lower + upper) / 2)[..., None] + weight.abs() @ ((upper - lower) / 2)[..., None])[
        ..., 0
    ]
    return gaps if last.layer.bias is None else gaps + last.layer.bias - last.layer.bias[y][:, None]


def _check_threat(threat: object) -> None:
    if not isinstance(threat, Linf):
        raise ValueError(f"interval bounds are trained with in Linf, got {threat!r}: pass Linf(eps)")
