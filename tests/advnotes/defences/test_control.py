"""The plan is the least of all costs: beside a dense solution, SciPy's Riccati solver, and a gradient through time."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import scipy.linalg
import torch
from torch import Tensor

from advnotes.defences import LinearQuadratic, online_regression, plan_by_gradient

T, N, M = 12, 3, 2


def problem(seed: int = 0, **changes: Any) -> LinearQuadratic:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    root = draw(N, N)
    parts = {
        "A": torch.eye(N).double() + 0.1 * draw(T, N, N),
        "B": 0.3 * draw(T, N, M),
        "c": 0.1 * draw(T, N),
        "R": torch.eye(M).double() + 0.2,
        "Q": root @ root.T,
        "goal": draw(N),
    }
    return LinearQuadratic(**(parts | changes))


START = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def cost_of(system: LinearQuadratic, controls: Tensor) -> Tensor:
    state = START
    for A, B, c, u in zip(system.A, system.B, system.c, controls, strict=True):
        state = A @ state + B @ u + c
    off = state - system.goal
    return ((controls @ system.R) * controls).sum() + off @ system.Q @ off


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_is_where_the_gradient_of_all_controls_at_once_is_zero(seed: int) -> None:
    system = problem(seed)
    # The cost is quadratic in all controls together: one Newton step from anywhere ends at the only minimum.
    zero = torch.zeros(T, M, dtype=torch.float64)
    slope = torch.func.grad(lambda u: cost_of(system, u))(zero).flatten()
    bend = torch.func.hessian(lambda u: cost_of(system, u))(zero).reshape(T * M, T * M)
    least = -torch.linalg.solve(bend, slope).reshape(T, M)
    path = system.run(START, system.planned())
    assert torch.allclose(path.controls, least, atol=1e-9)
    assert path.cost == pytest.approx(float(cost_of(system, least)), rel=1e-9)
    assert path.cost == pytest.approx(float(system.costs_to_go()(0, START)), rel=1e-9)
    assert path.cost < 0.999 * min(system.run(START, other()).cost for other in (system.greedy, system.idle))


def test_what_is_left_to_pay_falls_by_what_was_paid() -> None:
    system = problem()
    V, path = system.costs_to_go(), system.run(START, system.planned())
    paid = ((path.controls @ system.R) * path.controls).sum(dim=1)
    left = torch.stack([V(t, state) for t, state in enumerate(path.states)])
    assert torch.allclose(left[:-1] - left[1:], paid, atol=1e-9)
    assert float(left[-1]) == pytest.approx(path.cost - float(paid.sum()), rel=1e-9)


def test_of_one_step_greedy_and_planned_are_the_same() -> None:
    whole = problem()
    one = dataclasses.replace(whole, A=whole.A[:1], B=whole.B[:1], c=whole.c[:1])
    assert torch.allclose(
        one.run(START, one.greedy()).controls, one.run(START, one.planned()).controls, atol=1e-12
    )


def test_far_from_the_end_it_is_the_stationary_regulator() -> None:
    """With a final cost that solves the algebraic Riccati equation nothing changes from step to step."""
    generator = torch.Generator().manual_seed(1)
    A = torch.eye(N).double() * 1.1 + 0.1 * torch.randn(N, N, generator=generator, dtype=torch.float64)
    B = torch.randn(N, M, generator=generator, dtype=torch.float64)
    R = torch.eye(M).double()
    # Without a running cost of the state the equation's stabilising solution is that of the unstable directions.
    P = torch.from_numpy(scipy.linalg.solve_discrete_are(A, B, 1e-12 * torch.eye(N).double().numpy(), R))
    P = (P + P.T) / 2
    system = problem(
        A=A.expand(T, -1, -1),
        B=B.expand(T, -1, -1),
        c=torch.zeros(T, N).double(),
        R=R,
        Q=P,
        goal=torch.zeros(N).double(),
    )
    assert torch.allclose(system.costs_to_go().P, P.expand(T + 1, -1, -1), rtol=1e-6, atol=1e-6)


def test_the_gradient_through_the_run_finds_the_plan() -> None:
    system = problem(3)
    found = plan_by_gradient(lambda u: cost_of(system, u), torch.zeros(T, M, dtype=torch.float64), steps=200)
    assert torch.allclose(found, system.run(START, system.planned()).controls, atol=1e-5)


def test_the_poisoned_learner_is_the_system() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    y = torch.randn(20, generator=generator, dtype=torch.float64)
    wish = torch.tensor([0.0, 2.0, 0.0, 1.0], dtype=torch.float64)
    system = online_regression(x, y, rate=0.05, wish=wish, goal=-1.5, weight=30.0)
    path = system.run(torch.zeros(4, dtype=torch.float64), system.planned())
    weights = torch.zeros(4, dtype=torch.float64)
    for record, outcome, change in zip(x, y, path.controls[:, 0], strict=True):
        weights = weights - 0.05 * (weights @ record - (outcome + change)) * record
    assert torch.allclose(weights, path.states[-1], atol=1e-12)
    assert path.cost == pytest.approx(
        float(path.controls.pow(2).mean()) + 30.0 * float(wish @ weights + 1.5) ** 2, rel=1e-9
    )
    honest = system.run(torch.zeros(4, dtype=torch.float64), system.idle())
    assert abs(float(wish @ weights) + 1.5) < 0.2 * abs(float(wish @ honest.states[-1]) + 1.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"A": torch.eye(N).expand(T, -1, -1)}, "A in float64"),
        ({"goal": torch.full((N,), torch.nan).double()}, "goal to be finite"),
        ({"Q": -torch.eye(N).double()}, "Q must be symmetric and positive semidefinite"),
        ({"R": torch.zeros(M, M).double()}, "R must be symmetric and positive definite"),
        ({"R": torch.tensor([[1.0, 0.5], [0.0, 1.0]]).double()}, "R must be symmetric"),
    ],
)
def test_what_has_no_best_plan_is_refused(changes: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problem(**changes)


@pytest.mark.usefixtures("unchecked")
def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match="shapes that fit each other"):
        problem(c=torch.zeros(T, N + 1).double())
    x, y = torch.zeros(3, 2).double(), torch.zeros(3).double()
    with pytest.raises(ValueError, match="as many outcomes as records"):
        online_regression(x, y[:2], rate=0.1, wish=torch.ones(2).double(), goal=0.0, weight=1.0)
    with pytest.raises(ValueError, match="not all 0"):
        online_regression(x, y, rate=0.1, wish=torch.zeros(2).double(), goal=0.0, weight=1.0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("start", "policy", "message"),
    [
        (START.float(), None, "start in float64"),
        (START[:2], None, r"start of shape \(3,\)"),
        (START[None], None, r"start of shape \(3,\)"),
        (START * torch.nan, None, "start to be finite"),
        (START, lambda t, s: 0.5, "control of the policy in float64, got float"),
        (START, lambda t, s: torch.zeros(3).double(), r"control of the policy of shape \(2,\)"),
        (START, lambda t, s: torch.full((2,), torch.nan).double(), "control of the policy to be finite"),
        (START, lambda t, s: torch.full((2,), 1e200, dtype=torch.float64), "overflows"),
    ],
)
def test_a_run_wants_a_state_and_controls_that_fit(start: Tensor, policy: Any, message: str) -> None:
    system = problem()
    with pytest.raises(ValueError, match=message):
        system.run(start, policy or system.idle())


def test_a_policy_cannot_write_into_the_state() -> None:
    system = problem()
    start = START.clone()
    written = system.run(start, lambda t, s: s.zero_()[:M])
    assert torch.equal(start, START)
    assert torch.equal(written.states, system.run(START, system.idle()).states)


@pytest.mark.parametrize("steps", [T - 1, T + 1])
def test_a_forecast_of_other_steps_is_refused(steps: int) -> None:
    system = problem()
    other = problem(
        A=torch.eye(N).double().expand(steps, -1, -1),
        B=torch.ones(steps, N, M).double(),
        c=torch.zeros(steps, N).double(),
    )
    with pytest.raises(ValueError, match=f"system with {T} steps"):
        system.planned(other.costs_to_go())


@pytest.mark.usefixtures("unchecked")
def test_records_that_are_no_numbers_in_float64_are_named() -> None:
    x, y, wish = torch.ones(3, 2).double(), torch.ones(3).double(), torch.ones(2).double()
    for bad, message in (
        ((x.float(), y, wish), "x in float64"),
        ((x, y.float(), wish), "y in float64"),
        ((x, y, [1.0, 1.0]), "wish in float64, got list"),
        ((x * torch.nan, y, wish), "x to be finite"),
        ((x, y[:, None], wish), "as many outcomes"),
        ((x[:0], y[:0], wish), "one record at least"),
    ):
        with pytest.raises(ValueError, match=message):
            online_regression(bad[0], bad[1], rate=0.1, wish=bad[2], goal=0.0, weight=1.0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("cost", "controls", "message"),
    [
        (lambda u: 3.0, torch.ones(3, 1), "one finite number with a gradient, got 3.0"),
        (
            lambda u: torch.ones((), requires_grad=True) * 2,
            torch.ones(3, 1),
            "does not depend on the controls",
        ),
        (lambda u: u.square().sum(), torch.ones(3, 1).half(), "float32 or float64, got torch.float16"),
        (lambda u: u.square().sum(), torch.ones(3, 1).long(), "float32 or float64, got torch.int64"),
        (lambda u: u.square().sum(), torch.ones(0, 1), "one control at least"),
        (lambda u: u.square().sum(), torch.full((3, 1), torch.inf), "all of them finite"),
    ],
)
def test_a_plan_wants_controls_that_the_cost_depends_on(cost: Any, controls: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_by_gradient(cost, controls)


def test_a_plan_wants_a_finite_cost_with_a_gradient_and_leaves_the_start() -> None:
    start = torch.ones(3, 1)
    with pytest.raises(ValueError, match="one finite number with a gradient"):
        plan_by_gradient(lambda u: u.detach().sum(), start)
    with pytest.raises(ValueError, match="one finite number with a gradient"):
        plan_by_gradient(lambda u: u.sum() * torch.nan, start)
    with torch.no_grad():
        found = plan_by_gradient(lambda u: (u - 2.0).square().sum(), start)
    assert torch.allclose(found, torch.full((3, 1), 2.0), atol=1e-4)
    assert torch.equal(start, torch.ones(3, 1))
    assert not found.requires_grad
