"""Poisoning a learner while it learns, as a plan: the learner is the system, its weights are the state (Zhu 2018).

An attacker who does not know what comes plans with a forecast (Zhang, Zhu and Lessard 2020).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_count, check_number
from advnotes.defences.control import LinearQuadratic, check_double

__all__ = ["online_regression", "plan_by_gradient"]


def online_regression(
    x: Float[Tensor, "T n"],
    y: Float[Tensor, " T"],
    rate: float,
    wish: Float[Tensor, " n"],
    goal: float,
    weight: float,
) -> LinearQuadratic:
    r"""Poison a learner that takes one gradient step on each record, by changing the record's outcome :math:`y_t`.

    .. math::
        w_{t+1} = w_t - \eta\,\bigl(w_t^\top x_t - (y_t + u_t)\bigr)\,x_t, \qquad
        J = \tfrac1T \textstyle\sum_t u_t^2 + \lambda\,(a^\top w_T - g)^2

    The learner is the system, its weights are the state, and the update is linear in both: a linear-quadratic problem.

    Args:
        x, y: the records in the order in which they come, in float64.
        rate: :math:`\eta`, the learner's step size.
        wish: :math:`a`, not 0: which mixture of the weights the adversary cares about.
        goal: :math:`g`, what it shall be at the end.
        weight: :math:`\lambda`, how much it cares; above 0.

    Raises:
        ValueError: where ``rate`` or ``weight`` is not positive, a tensor is not finite and in float64, or shapes do
            not fit each other.
    """
    rate, weight = check_number("rate", rate, above=0.0), check_number("weight", weight, above=0.0)
    goal = check_number("goal", goal)
    for name, part in {"x": x, "y": y, "wish": wish}.items():
        check_double(name, part)
    if (
        x.ndim != 2
        or y.shape != x.shape[:1]
        or wish.shape != x.shape[1:]
        or not len(y)
        or not bool(wish.any())
    ):
        raise ValueError(
            f"expected one record at least, as many outcomes as records and one number of `wish`, not all 0, for each "
            f"column, got x {tuple(x.shape)}, y {tuple(y.shape)} and wish {tuple(wish.shape)}"
        )
    A = torch.eye(x.shape[1]).to(x) - rate * x[:, :, None] * x[:, None]
    return LinearQuadratic(
        A=A,
        B=rate * x[:, :, None],
        c=rate * x * y[:, None],
        R=torch.eye(1).to(x) / len(x),
        Q=weight * wish[:, None] * wish,
        goal=goal * wish / (wish @ wish),
    )


def plan_by_gradient(
    cost: Callable[[Tensor], Tensor], controls: Float[Tensor, "T m"], *, steps: int = 100
) -> Float[Tensor, "T m"]:
    """A plan where nothing is linear: all controls at once down the gradient of their cost, through the whole run.

    What an attack does to an input, with time: backpropagation through the run is the adjoint method of control. A plan
    that is found so is a local one.

    Args:
        cost: maps controls ``[T, m]`` to the cost of the run that they steer, a scalar.
        controls: where to begin, in float32 or float64; it is not changed.
        steps: how many steps of L-BFGS.

    Raises:
        ValueError: where ``steps`` is less than 1, the controls are none, not finite or in another dtype, or the cost
            is no finite scalar with a gradient with respect to them.
    """
    steps = check_count("steps", steps)
    if not isinstance(controls, Tensor) or controls.dtype not in (torch.float32, torch.float64):
        got = controls.dtype if isinstance(controls, Tensor) else type(controls).__name__
        raise ValueError(f"expected controls as a tensor in float32 or float64, got {got}")
    if not controls.numel() or not bool(controls.isfinite().all()):
        raise ValueError(
            f"expected one control at least, all of them finite, got shape {tuple(controls.shape)}"
        )
    plan = controls.detach().clone().requires_grad_()
    optimizer = torch.optim.LBFGS([plan], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        with torch.enable_grad():
            value = cost(plan)
        if (
            not isinstance(value, Tensor)
            or value.ndim
            or not value.requires_grad
            or not bool(value.isfinite())
        ):
            raise ValueError(f"expected the cost as one finite number with a gradient, got {value!r:.80}")
        (slope,) = torch.autograd.grad(value, plan, allow_unused=True)
        if slope is None:
            raise ValueError("the cost does not depend on the controls: they must reach it without .detach()")
        plan.grad = slope
        return value

    optimizer.step(closure)
    return plan.detach()
