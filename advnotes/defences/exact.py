"""The exact worst case of a small network with rectifiers: branch and bound over which of them are on."""

import heapq
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from advnotes.checks import check_bounds, check_count, check_inputs, check_label_range, check_number
from advnotes.defences.parts.triangle import Triangles, affine_steps
from advnotes.threats import Linf
from advnotes.threats.base import Bounds

__all__ = ["ExactMargin", "exact_margin"]


@dataclass(frozen=True)
class ExactMargin:
    """What :func:`exact_margin` has found for each sample of a batch; all numbers in float64.

    Args:
        margin: the least margin that any point has shown: that of ``x_adv``.
        lower: no point of the ball has a smaller one; within ``tolerance`` of ``margin`` unless ``budget`` ran out.
        x_adv: the worst input, in the dtype of ``x`` (rounded to it, which may change its margin in the last digits).
        history: for each sample, after every linear programme: how many there were, and both bounds.
    """

    margin: Float[Tensor, " batch"]
    lower: Float[Tensor, " batch"]
    x_adv: Float[Tensor, "batch ..."]
    history: list[list[tuple[int, float, float]]]


def exact_margin(
    model: nn.Module,
    x: Float[Tensor, "batch ..."],
    y: Int[Tensor, " batch"],
    threat: Linf,
    *,
    bounds: Bounds = (0.0, 1.0),
    tolerance: float = 1e-6,
    max_unstable: int = 60,
    budget: int | None = None,
) -> ExactMargin:
    r"""The least margin of the true class in a ball, and the input that has it.

    .. math:: \min_{\lVert x' - x \rVert_\infty \le \epsilon,\; x' \in [0, 1]^d}\; \min_{c \ne y}\; z_y(x') - z_c(x')

    Positive: no attack can succeed. Negative: one does, at ``x_adv``. A rectifier whose input :math:`v` keeps its sign
    in the whole ball is linear. Of the others, the *unstable* ones with :math:`l < v < u`, a linear programme knows

    .. math:: a \ge 0, \qquad a \ge v, \qquad a \le u\,(v - l) / (u - l) ,

    the triangle around :math:`a = \max(v, 0)`. Where its solution breaks the rectifier, it is split: on in one branch,
    off in the other. The branch with the lowest bound is looked at first, so that both bounds can be stopped at any
    time. The work may double with every unstable rectifier: this is an oracle for small networks. It computes in
    float64 by way of the HiGHS solver, whose tolerance (1e-7) it shares; a proof in floating point it is not.

    Differs from the papers: bounds of hidden units are those of intervals, improved by two linear programmes for
    each unit behind the first layer of rectifiers.

    Args:
        model: an ``nn.Sequential`` of rectifiers and layers that are affine in eval mode, as which it is read.
        x: inputs ``[batch, ...]`` within ``bounds``.
        y: the true classes.
        threat: the ball, in Linf.
        bounds: the range of the input.
        tolerance: how far apart the two bounds may end, in units of the logits.
        max_unstable: refuse samples for which more rectifiers are unstable, before any branching.
        budget: linear programmes spent on the branches of one sample; None: as many as it takes.

    Raises:
        ValueError: where the threat is not Linf, a layer is not known, a network or a sample is too large, or inputs,
            labels, logits or options are not as expected.

    Source: Ehlers 2017 (the triangle); Bunel et al. 2018, Algorithm 1 (branch and bound).
    """
    if type(threat) is not Linf:
        raise ValueError(f"exact margins are computed in Linf, got {threat!r}: pass Linf(eps)")
    bounds = check_bounds(bounds, finite=False)
    check_inputs(x, y, bounds)
    threat.check_batch(len(x))
    check_number("tolerance", tolerance, above=0.0)
    check_count("max_unstable", max_unstable, least=0)
    if budget is not None:
        check_count("budget", budget)
    layers = affine_steps(model, x)
    if len(layers[-1][1]) < 2:
        raise ValueError(
            "a margin wants at least two classes, got one logit: advnotes.nets.TwoLogits(model)?"
        )
    check_label_range(y, len(layers[-1][1]))
    center = x.detach().double()
    radius = threat.radius(center)
    low, high = (end.clamp(*bounds).flatten(1).cpu().numpy() for end in (center - radius, center + radius))
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError(
            "the ball and the range are both infinite: give the threat a radius, or finite bounds"
        )
    found = []
    for row in range(len(x)):
        ball = Triangles(layers, low[row], high[row], int(y[row]), max_unstable)
        found.append(_branch_and_bound(ball, tolerance, budget))
    margin, lower, points, history = zip(*found, strict=True)
    return ExactMargin(
        torch.tensor(margin, dtype=torch.float64, device=x.device),
        torch.tensor(lower, dtype=torch.float64, device=x.device),
        torch.from_numpy(np.stack(points)).view_as(x).to(x),
        list(history),
    )


def _branch_and_bound(
    ball: Triangles, tolerance: float, budget: int | None
) -> tuple[float, float, NDArray[np.float64], list[tuple[int, float, float]]]:
    """The least margin found, the bound, the input, and the history."""
    order = count()  # ties are broken by age
    low, high = ball.low[: ball.inputs], ball.high[: ball.inputs]
    # A branch: a bound that holds in it, the goal, and which rectifiers are on or off there.
    branches: list[tuple[float, int, int, dict[int, bool]]] = [
        (bound, next(order), goal, {}) for goal, bound in enumerate(ball.interval().tolist())
    ]
    heapq.heapify(branches)
    worst = (low + high) / 2
    best, ball.solved = ball.margin(worst), 0
    history = [(0, min(branches[0][0], best), best)]
    while branches and branches[0][0] < best - tolerance and (budget is None or ball.solved < budget):
        above, _, goal, phases = heapq.heappop(branches)
        bound, values = ball.solve(ball.goals[goal], phases)
        if values is not None:
            bound = max(above, bound + float(ball.constants[goal]))
            point = values[: ball.inputs].clip(low, high)
            if (here := ball.margin(point)) < best:
                best, worst = here, point
            gaps = ball.gaps(values, phases)
            unit = int(np.argmax(gaps)) if len(gaps) else -1
            if bound < best - tolerance and unit >= 0 and gaps[unit] > 1e-9:
                for on in (True, False):
                    heapq.heappush(branches, (bound, next(order), goal, {**phases, unit: on}))
            else:  # nothing is broken: the bound is attained, up to the solver's tolerance
                heapq.heappush(branches, (max(bound, best - tolerance), next(order), goal, phases))
        lower = min(branches[0][0], best) if branches else best
        history.append((ball.solved, lower, best))
    return best, history[-1][1], worst, history
