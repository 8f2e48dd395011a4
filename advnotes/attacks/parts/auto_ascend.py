"""The ascent of APGD: the loop that the step schedules of Linf, L2 and L1 share."""

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.ascend import Ascent, RowObjective
from advnotes.attacks.parts.step_schedules import StepSchedule, schedule_for
from advnotes.gradients import has_no_gradient, value_and_gradient, warn_of_masked_gradients
from advnotes.threats import Bounds, Threat, per_sample

__all__ = ["auto_ascend"]


def auto_ascend(
    objective: RowObjective,
    x: Float[Tensor, "batch ..."],
    threat: Threat,
    start: Float[Tensor, "batch ..."],
    *,
    steps: int,
    bounds: Bounds,
    early_stop: bool = False,
    warm: bool = False,
) -> Ascent:
    """Climb from ``start`` by the step schedule of APGD, to the best of all points, the start included.

    Args:
        objective: what is raised; it says where the adversary has won.
        x: the centre of the ball.
        threat: what the adversary may do.
        start: where to begin; what lies outside of the ball or the range is brought inside.
        steps: the number of gradients taken.
        bounds: the range of the input.
        early_stop: samples that are won leave the batch.
        warm: whether ``start`` comes from another ascent.
    """
    before = point = threat.nearest(start, x, bounds)
    schedule = schedule_for(threat, x, point, steps, warm)
    rows, nothing = torch.arange(len(x), device=x.device), torch.zeros_like(x)
    blind = torch.zeros_like(rows, dtype=torch.bool)
    # Any point that is looked at is better than one whose loss is not a number.
    best, best_gradient = Ascent(point, torch.full_like(schedule.size, torch.nan), blind), nothing
    ended = best

    for step in range(steps + 1):
        # After the last step the loss alone is wanted.
        loss, won, gradient = (
            value_and_gradient(objective, point) if step < steps else (*objective(point), nothing)
        )
        now = Ascent(point, loss, torch.zeros_like(blind) if won is None else won)
        better = best.beaten_by(now)
        best = best.better_of(now)
        if step == 0:  # the model may return another dtype than its input's
            ended = Ascent(*(values.clone() for values in best))
        if step == steps:
            break
        blind = blind | has_no_gradient(gradient)
        best_gradient = torch.where(per_sample(better, x), gradient, best_gradient)
        if early_stop and bool(best.won.any()):
            ended.write(rows, best)
            keep = (~best.won).nonzero().squeeze(1)
            if len(keep) == 0:
                return ended
            rows, x, point, before, gradient, best_gradient, nothing, blind, loss = (
                values[keep]
                for values in (rows, x, point, before, gradient, best_gradient, nothing, blind, loss)
            )
            objective, threat, best = objective.rows(keep), threat.rows(keep), best.rows(keep)
            schedule.rows(keep)
        back = schedule.update(step, loss, best, x)
        if back is not None:
            point = torch.where(per_sample(back, x), best.point, point)
            gradient = torch.where(per_sample(back, x), best_gradient, gradient)
        gradient = gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        point, before = stepped(schedule, step == 0, point, before, gradient, x, threat, bounds), point

    warn_of_masked_gradients(blind, best.won, total=len(ended.won))
    ended.write(rows, best)
    return ended


def stepped(
    schedule: StepSchedule,
    first: bool,
    point: Tensor,
    before: Tensor,
    gradient: Tensor,
    x: Tensor,
    threat: Threat,
    bounds: Bounds,
) -> Tensor:
    r"""One step, :math:`\Pi(x_k + (1 - a)(z - x_k) + a (x_k - x_{k-1}))` with the plain one :math:`z`."""
    size = per_sample(schedule.size, point)
    ahead = threat.nearest(point + size * schedule.direction(gradient, point, threat, bounds), x, bounds)
    if first or schedule.momentum == 0:
        return ahead
    drawn = (1 - schedule.momentum) * (ahead - point) + schedule.momentum * (point - before)
    return threat.nearest(point + drawn, x, bounds)
