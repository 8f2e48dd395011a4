"""A cart that is to come to rest at a mark: a linear-quadratic regulator, whose best controller is known exactly."""

import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from advnotes.checks import check_count, check_number

__all__ = ["Regulator"]

Array = NDArray[np.float32]


class Regulator(gymnasium.Env[Array, Array]):
    r"""Push a cart of mass 1 so that it comes to rest at 0. State: position and speed; action: a force.

    .. math::
        s_{t+1} = A s_t + B a_t, \quad A = \begin{pmatrix} 1 & h \\ 0 & 1 \end{pmatrix}, \;
        B = \begin{pmatrix} 0 \\ h \end{pmatrix}, \qquad
        r_t = -h\,(s_t^\top Q s_t + R\,a_t^2), \quad Q = \mathrm{diag}(1, \tfrac1{10}),\; R = \tfrac1{10}

    An episode begins anywhere in :math:`[-1, 1]^2` and is cut off after ``horizon`` steps. Forces beyond ``limit`` are
    cut to it; at the defaults the best controller stays below 5 from all these starts, at any discount. Of all
    controllers the one with the least discounted cost is :math:`a = -K s`, and it pays :math:`s^\top P s` from
    :math:`s` on:

    .. math::
        P = h Q + \gamma A^\top P (A - B K), \qquad
        K = \gamma\,(h R + \gamma B^\top P B)^{-1} B^\top P A

    (the discounted Riccati equation). So the error of what is learnt is an error.

    Args:
        step_size: :math:`h`, in seconds.
        horizon: steps in an episode.
        limit: the largest force in either direction.

    Raises:
        ValueError: where a size is not positive.
    """

    def __init__(self, step_size: float = 0.2, horizon: int = 25, limit: float = 5.0) -> None:
        self.step_size = check_number("step_size", step_size, above=0.0)
        self.horizon = check_count("horizon", horizon)
        self.limit = check_number("limit", limit, above=0.0)
        h = self.step_size
        self.A, self.B = np.array([[1.0, h], [0.0, 1.0]]), np.array([[0.0], [h]])
        self.Q, self.R = h * np.diag([1.0, 0.1]), h * np.array([[0.1]])
        self.observation_space = Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = Box(-self.limit, self.limit, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Put the cart somewhere, with some speed."""
        super().reset(seed=seed)
        self.state, self.taken = self.np_random.uniform(-1.0, 1.0, 2), 0
        return self.state.astype(np.float32), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Push for one step.

        Raises:
            ValueError: where the action is not one finite number, or nothing was begun by ``reset``.
        """
        wanted = np.asarray(action, np.float64)
        if wanted.size != 1 or not np.isfinite(wanted).all() or not hasattr(self, "state"):
            raise ValueError(f"expected one finite force, [1], after a reset(), got {action!r}")
        force = np.clip(wanted.reshape(1), -self.limit, self.limit)
        reward = -float(self.state @ self.Q @ self.state + force @ self.R @ force)
        self.state, self.taken = self.A @ self.state + self.B @ force, self.taken + 1
        return self.state.astype(np.float32), reward, False, self.taken >= self.horizon, {}

    def best(self, discount: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The gain K, ``[1, 2]``, and the cost P, ``[2, 2]``, of the best controller at this discount.

        Raises:
            ValueError: where ``discount`` is not from 0 to 1, both excluded.
        """
        gamma = check_number("discount", discount, above=0.0, most=1.0 - 1e-9)
        P = self.Q
        for _ in range(100_000):
            K = gamma * np.linalg.solve(self.R + gamma * self.B.T @ P @ self.B, self.B.T @ P @ self.A)
            before, P = P, self.Q + gamma * self.A.T @ P @ (self.A - self.B @ K)
            if np.abs(P - before).max() <= 1e-14 * np.abs(P).max():
                break
        return K, P

    @torch.no_grad()
    def cost(
        self,
        actor: Callable[[Tensor], Tensor],
        starts: Float[Tensor, "starts 2"],
        discount: float,
        steps: int | None = None,
    ) -> Float[Tensor, " starts"]:
        """What a controller pays from each start on, summed step by step; nothing in it is left to chance.

        Args:
            actor: maps states ``[starts, 2]`` to forces ``[starts, 1]``.
            starts: where the cart begins, in the dtype and on the device that the actor takes.
            discount: what the cost of a step counts less than that of the one before.
            steps: after how many the sum is cut off; where it is left out, when a step counts less than 1e-9.

        Raises:
            ValueError: where ``discount`` is not from 0 to 1, both excluded, ``steps`` is less than 1, or the starts or
                the forces have other shapes.
        """
        if starts.ndim != 2 or starts.shape[1] != 2 or not starts.is_floating_point():
            raise ValueError(
                f"expected starts [starts, 2] of floats, position and speed, got {starts.dtype} of shape "
                f"{tuple(starts.shape)}"
            )
        gamma = check_number("discount", discount, above=0.0, most=1.0 - 1e-9)
        steps = math.ceil(math.log(1e-9) / math.log(gamma)) if steps is None else check_count("steps", steps)
        A, B, Q, R = (torch.as_tensor(each).to(starts) for each in (self.A, self.B, self.Q, self.R))
        state, total = starts, torch.zeros_like(starts[:, 0])
        for t in range(steps):
            force = actor(state)
            if force.shape != (len(starts), 1):
                raise ValueError(
                    f"expected a force for each start, [{len(starts)}, 1], got the shape {tuple(force.shape)} from the "
                    "actor"
                )
            force = force.clamp(-self.limit, self.limit)
            total += gamma**t * (((state @ Q) * state).sum(dim=1) + ((force @ R) * force).sum(dim=1))
            state = state @ A.T + force @ B.T
        return total

    def excess(self, actor: Callable[[Tensor], Tensor], discount: float, like: Tensor | None = None) -> float:
        """By what share a controller costs more than the best one, over a grid of 81 starts: 0 is the best.

        Args:
            actor, discount: as in :meth:`cost`.
            like: a tensor of the actor's dtype and device; float32 on the CPU where it is left out.
        """
        side = torch.linspace(-1, 1, 9)
        starts = torch.cartesian_prod(side, side).to(torch.empty(0) if like is None else like)
        P = torch.as_tensor(self.best(discount)[1]).to(starts)
        least = ((starts @ P) * starts).sum(dim=1)
        return float(self.cost(actor, starts, discount).sum() / least.sum()) - 1.0
