"""The corridor of Wang et al. 2015, section 4.1, with its exact values."""

from typing import Any, Literal

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_count, check_number

__all__ = ["Corridor"]

#: Up, down, left, right, and staying: what the first five actions do to (column, row).
MOVES = ((0, 1), (0, -1), (-1, 0), (1, 0), (0, 0))


class Corridor(gymnasium.Env[npt.NDArray[np.float32], np.int64]):
    r"""Up a corridor of 10 cells, along one of 50, and up one of 10, to a reward of 1 at the top right.

    Actions 0 to 4 are up, down, left, right and no move; a wall stops a move. All further actions do nothing, or, where
    ``added="fatal"``, end the episode without a reward. Everything is deterministic, so that values are exact: states
    are numbered along the path, and the last cell is the end and no state.

    Args:
        actions: how many, 5 or more; the paper has 5, 10 and 20.
        sides: cells in each of the two upright corridors; the upper corner belongs to them.
        middle: cells in the level one, between them.
        added: what the actions from 5 on do.
        anywhere: episodes start in a state drawn at random, not at the bottom left.

    Observations are the column and the row, each scaled to [-1, 1], float32. Its tables are tensors: ``observations``
    of shape ``[states, 2]``, and for each state and action ``next_state`` (where the episode ends, a state of no
    meaning), ``reward`` and ``ended``, each of shape ``[states, actions]``.

    Source: Wang et al. 2015 (arXiv 1511.06581), section 4.1 and figure 3.

    Differs from the paper: it speaks of the largest reward, so of several; here there is one. It does not say what the
    network sees of a state.

    Raises:
        ValueError: where a count is too small, or ``added`` is another word; :meth:`step`, for an action that there is
            not, and before :meth:`reset` or after the end.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's own name and type

    def __init__(
        self,
        actions: int = 5,
        *,
        sides: int = 10,
        middle: int = 50,
        added: Literal["idle", "fatal"] = "idle",
        anywhere: bool = False,
    ) -> None:
        check_count("actions", actions, least=5)
        check_count("sides", sides, least=2)
        check_count("middle", middle, least=0)
        if added not in ("idle", "fatal"):
            raise ValueError(f"added must be 'idle' or 'fatal', what the actions from 5 on do, got {added!r}")
        cells = [(0, row) for row in range(sides)]
        cells += [(column, sides - 1) for column in range(1, middle + 1)]
        cells += [(middle + 1, row) for row in range(sides - 1, 2 * sides - 1)]
        places = {cell: place for place, cell in enumerate(cells)}
        states = len(cells) - 1
        moves = [*MOVES, *[(0, 0)] * (actions - 5)]
        reached = torch.tensor(
            [
                [places.get((x + dx, y + dy), here) for dx, dy in moves]
                for here, (x, y) in enumerate(cells[:-1])
            ],
            device="cpu",  # where NumPy reads it, whatever torch's default device is
        )
        arrived = reached == states
        fatal = torch.arange(actions, device="cpu") >= (5 if added == "fatal" else actions)
        self.next_state = reached.where(~arrived, 0)
        self.reward = arrived.double()
        self.ended = arrived | fatal
        where = torch.tensor(cells[:-1], dtype=torch.float32, device="cpu")
        self.observations = where / where.new_tensor([middle + 1, 2 * sides - 2]) * 2 - 1
        self.anywhere = anywhere
        self.state: int | None = None
        self.observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self.state = int(self.np_random.integers(len(self.observations))) if self.anywhere else 0
        return self.observations[self.state].numpy().copy(), {}

    def step(
        self, action: np.int64 | int
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take an action: the next observation (the last state's where the episode ends), reward, end, False, {}."""
        if self.state is None:
            raise ValueError("the episode has ended or has not begun: call reset() before step()")
        if not self.action_space.contains(action):
            raise ValueError(
                f"an action is a whole number from 0 to {self.reward.shape[1] - 1}, got {action!r}"
            )
        here = self.state, int(action)
        ended = bool(self.ended[here])
        after = self.state if ended else int(self.next_state[here])
        self.state = None if ended else after
        return self.observations[after].numpy().copy(), float(self.reward[here]), ended, False, {}

    def optimal_q(self, discount: float) -> Float[Tensor, "states actions"]:
        r""":math:`Q^*(s, a) = r + \gamma \max_{a'} Q^*(s', a')`, by value iteration; float64.

        As many sweeps as there are cells are enough: no action's value waits for a longer way than all of them.

        Raises:
            ValueError: where ``discount`` does not lie in (0, 1).
        """
        discount = check_discount(discount)
        q = torch.zeros_like(self.reward)
        for _ in range(len(q) + 1):
            q = self.reward + discount * q.max(dim=1).values[self.next_state] * ~self.ended
        return q

    def near_greedy(self, epsilon: float, discount: float) -> Float[Tensor, "states actions"]:
        """The paper's behaviour: any action with probability ``epsilon``, else the best one; rows add up to 1.

        Raises:
            ValueError: where ``epsilon`` does not lie in [0, 1], ``discount`` not in (0, 1), or it is so small that the
                end is worth nothing, in float64, at the start.
        """
        check_number("epsilon", epsilon, least=0.0, most=1.0)
        worth, best = self.optimal_q(discount).max(dim=1)
        if not bool((worth > 0).all()):
            raise ValueError(
                f"with the discount {discount!r} a reward {len(worth)} steps away is 0 in float64, and no action is "
                "best: take a larger discount, or a shorter corridor"
            )
        policy = torch.full_like(self.reward, epsilon / self.reward.shape[1])
        policy[torch.arange(len(policy), device="cpu"), best] += 1 - epsilon
        return policy

    def q_of(
        self, policy: Float[Tensor, "states actions"], discount: float
    ) -> Float[Tensor, "states actions"]:
        r""":math:`Q^\pi`, from the linear equations :math:`(1 - \gamma P_\pi) V^\pi = r_\pi`; float64.

        Raises:
            ValueError: where ``policy`` is no table of probabilities, or ``discount`` does not lie in (0, 1).
        """
        discount, policy = check_discount(discount), policy.double()
        if policy.shape != self.reward.shape:
            raise ValueError(
                f"policy must have the shape {tuple(self.reward.shape)}, got {tuple(policy.shape)}"
            )
        if bool((policy < 0).any()) or not torch.allclose(policy.sum(dim=1), policy.new_ones(()), atol=1e-5):
            raise ValueError(
                "policy must have in each row probabilities that add up to 1: logits.softmax(dim=1)?"
            )
        onward = discount * policy * ~self.ended
        moves = onward.new_zeros(len(policy), len(policy))
        moves.scatter_add_(1, self.next_state, onward)
        one = torch.eye(len(policy), dtype=moves.dtype, device=moves.device)
        value = torch.linalg.solve(one - moves, (policy * self.reward).sum(dim=1))
        return self.reward + discount * value[self.next_state] * ~self.ended


def check_discount(discount: float) -> float:
    """A discount factor above 0 and below 1."""
    if check_number("discount", discount, above=0.0, most=1.0) == 1:
        raise ValueError("discount must be less than 1, got 1: a walk that never ends has no value else")
    return float(discount)
