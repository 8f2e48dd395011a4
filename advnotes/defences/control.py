"""Attacks as optimal control: what an adversary does over time to a system that learns or moves (Zhu 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["CostToGo", "LinearQuadratic", "Path"]

#: What to do at a step in a state ``[n]``: a control ``[m]``.
Policy = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class CostToGo:
    r"""A cost that is quadratic in the state, for each step: :math:`V_t(s) = s^\top P_t s - 2 p_t^\top s + r_t`.

    Args:
        P, p, r: ``[T + 1, n, n]``, ``[T + 1, n]`` and ``[T + 1]``; the last entries are the final cost.
    """

    P: Float[Tensor, "steps n n"]
    p: Float[Tensor, "steps n"]
    r: Float[Tensor, " steps"]

    def __call__(self, step: int, state: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        """The least cost from ``state`` at ``step`` on."""
        return state @ self.P[step] @ state - 2 * self.p[step] @ state + self.r[step]


@dataclass(frozen=True)
class Path:
    """What happened: states ``[T + 1, n]``, controls ``[T, m]``, and the cost of all of it."""

    states: Float[Tensor, "states n"]
    controls: Float[Tensor, "steps m"]
    cost: float


@dataclass(frozen=True)
class LinearQuadratic:
    r"""A system that is linear in its state and in what the adversary adds, and an adversary with quadratic wishes.

    .. math::
        s_{t+1} = A_t s_t + B_t u_t + c_t, \qquad
        J = \sum_{t<T} u_t^\top R\,u_t + (s_T - g)^\top Q\,(s_T - g)

    The running cost says how hard the controls are to hide, the final cost what the adversary wants (Zhu 2018). Of all
    controls those with the least :math:`J` are known, step by step from the last to the first (Riccati):

    .. math::
        u_t = (R + B_t^\top P_{t+1} B_t)^{-1} B_t^\top \bigl(p_{t+1} - P_{t+1}(A_t s_t + c_t)\bigr), \qquad
        V_t(s) = \min_u\; u^\top R\,u + V_{t+1}(A_t s + B_t u + c_t)

    Args:
        A, B, c: ``[T, n, n]``, ``[T, n, m]`` and ``[T, n]``, in float64.
        R: the price of a control, ``[m, m]``, symmetric and positive definite.
        Q: the weight of the wish, ``[n, n]``, symmetric and positive semidefinite.
        goal: :math:`g`, ``[n]``.

    Raises:
        ValueError: where the shapes do not fit each other, a number is not finite, or R or Q is not as said.
    """

    A: Float[Tensor, "T n n"]
    B: Float[Tensor, "T n m"]
    c: Float[Tensor, "T n"]
    R: Float[Tensor, "m m"]
    Q: Float[Tensor, "n n"]
    goal: Float[Tensor, " n"]

    def __post_init__(self) -> None:
        parts = {"A": self.A, "B": self.B, "c": self.c, "R": self.R, "Q": self.Q, "goal": self.goal}
        for name, part in parts.items():
            check_double(name, part)
        T, n, m = len(self.A), self.A.shape[-1], self.R.shape[-1]
        wanted = {"A": (T, n, n), "B": (T, n, m), "c": (T, n), "R": (m, m), "Q": (n, n), "goal": (n,)}
        found = {name: tuple(part.shape) for name, part in parts.items()}
        if found != wanted or 0 in (T, n, m):
            raise ValueError(f"expected shapes that fit each other, such as {wanted}, got {found}")
        for name, part, least in (("R", self.R, 1e-300), ("Q", self.Q, -1e-9 * float(self.Q.abs().max()))):
            if not torch.allclose(part, part.T) or float(torch.linalg.eigvalsh(part).min()) < least:
                kind = "definite" if name == "R" else "semidefinite"
                raise ValueError(f"{name} must be symmetric and positive {kind}, or no plan is best")

    def costs_to_go(self) -> CostToGo:
        """The least cost from each state on at each step, from the last step to the first."""
        P, p, r = self.Q, self.Q @ self.goal, self.goal @ self.Q @ self.goal
        found = [(P, p, r)]
        for A, B, c in zip(self.A.flip(0), self.B.flip(0), self.c.flip(0), strict=True):
            S = self.R + B.T @ P @ B
            K, k = torch.linalg.solve(S, B.T @ P @ A), torch.linalg.solve(S, B.T @ (p - P @ c))
            M, d = A - B @ K, B @ k + c  # where the best control takes a state
            P, p, r = (
                K.T @ self.R @ K + M.T @ P @ M,
                K.T @ self.R @ k + M.T @ (p - P @ d),
                k @ self.R @ k + d @ P @ d - 2 * p @ d + r,
            )
            found.append((P, p, r))
        P_all, p_all, r_all = (torch.stack(part) for part in zip(*found[::-1], strict=True))
        return CostToGo(P_all, p_all, r_all)

    def planned(self, ahead: CostToGo | None = None) -> Policy:
        """Look ahead: at each step the control that is best for what comes after.

        Args:
            ahead: what the adversary believes that the rest will cost; None is what it does cost
                (:meth:`costs_to_go`), with which nothing is cheaper. That of a system with average steps makes an
                adversary who does not know what comes.

        Raises:
            ValueError: where ``ahead`` is of a system with other steps or another state.
        """
        V = self.costs_to_go() if ahead is None else ahead
        steps, n = self.c.shape
        if V.P.shape != (steps + 1, n, n) or V.p.shape != (steps + 1, n):
            raise ValueError(
                f"expected `ahead` of a system with {steps} steps and a state of {n} numbers, got P "
                f"{tuple(V.P.shape)} and p {tuple(V.p.shape)}"
            )
        return lambda t, s: self._best(t, s, (V.P[t + 1], V.p[t + 1]))

    def greedy(self) -> Policy:
        """Look at the next state alone, as if each step were the last."""
        return lambda t, s: self._best(t, s, (self.Q, self.Q @ self.goal))

    def idle(self) -> Policy:
        """Do nothing."""
        return lambda t, s: s.new_zeros(self.R.shape[0])

    def run(self, start: Float[Tensor, " n"], policy: Policy) -> Path:
        """Let a policy control the system from a state on.

        Raises:
            ValueError: where the start or a control has another shape or dtype or is not finite, or the cost overflows.
        """
        check_double("start", start, self.goal.shape)
        states, controls = [start], []
        for t, (A, B, c) in enumerate(zip(self.A, self.B, self.c, strict=True)):
            controls.append(policy(t, states[-1].clone()))
            check_double("a control of the policy", controls[-1], self.R.shape[:1])
            states.append(A @ states[-1] + B @ controls[-1] + c)
        u, off = torch.stack(controls), states[-1] - self.goal
        cost = float((((u @ self.R) * u).sum() + off @ self.Q @ off).detach())
        if not math.isfinite(cost):
            raise ValueError(
                "the state or its cost overflows: is the learner's rate so large that it diverges?"
            )
        return Path(torch.stack(states), u, cost)

    def _best(self, t: int, s: Tensor, after: tuple[Tensor, Tensor]) -> Tensor:
        """The control with the least price and cost after it, which is quadratic: P and p."""
        B, (P, p) = self.B[t], after
        return torch.linalg.solve(self.R + B.T @ P @ B, B.T @ (p - P @ (self.A[t] @ s + self.c[t])))


def check_double(name: str, value: object, shape: tuple[int, ...] | None = None) -> None:
    """Raise ValueError for what is no finite tensor in float64, of this shape where one is given."""
    if not isinstance(value, Tensor) or value.dtype != torch.float64:
        got = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"expected {name} in float64, got {got}: a tensor's .double()?")
    if shape is not None and value.shape != shape:
        raise ValueError(f"expected {name} of shape {tuple(shape)}, got {tuple(value.shape)}")
    if not bool(value.isfinite().all()):
        raise ValueError(f"expected {name} to be finite, got NaN or infinity in it")
