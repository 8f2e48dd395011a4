"""A small world of cells on Gymnasium's interface, whose dynamics and rewards can be read as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from advnotes.checks import check_count, check_number

__all__ = ["Gridworld"]

#: Rows and columns that an action moves by: stay, up, right, down, left.
MOVES = ((0, 0), (-1, 0), (0, 1), (1, 0), (0, -1))
WALL = "#"


class Gridworld(gymnasium.Env[np.int64, np.int64]):
    r"""Cells, walls, and a reward for each step that is spent in a cell.

    A state is the number of a free cell, row by row. The actions are 0 stay, 1 up, 2 right, 3 down, 4 left; who moves
    against a wall or the rim stays. A step pays the reward of the cell that it *leaves*, so an episode of :math:`T`
    steps pays :math:`\sum_{t=0}^{T-1} r(s_t)`. Episodes are truncated after :math:`T` steps, and never terminate.

    Everything that an exact solution needs is an attribute, so that a value need not be learnt where an error is
    to be an error: see :func:`~advnotes.decisions.plan`.

    Args:
        rows: the map, equally long strings. ``#`` is a wall, any other character a kind of ground.
        rewards: of the kinds of ground; 0 where a kind is not named.
        horizon: :math:`T`, steps in an episode.
        starts: the kinds of ground in which episodes begin, each such cell as likely, such as ``"S"`` or ``"S."``.
        slip: the probability that one of the five actions, each as likely, is taken in place of the chosen one.

    Attributes:
        cells: row and column of each state.
        transitions: :math:`P(s' \mid s, a)`, ``[states, actions, states]``.
        state_rewards: :math:`r(s)`, ``[states]``.
        start: the distribution of the first state, ``[states]``.

    Raises:
        ValueError: where the map is empty, has rows of unlike length or no cell to start in, a reward is named for
            a wall or for ground that is not there, or is not finite, ``horizon`` is less than 1, or ``slip`` is not in
            [0, 1].
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        rows: Sequence[str],
        rewards: Mapping[str, float],
        *,
        horizon: int,
        starts: str = "S",
        slip: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        self.rows = check_map(rows)
        self.horizon = check_count("horizon", horizon)
        self.slip = check_number("slip", slip, least=0.0, most=1.0)
        if render_mode not in (None, "ansi"):
            raise ValueError(
                f"render_mode must be 'ansi', which gives the map as text, or None, got {render_mode!r}"
            )
        self.render_mode = render_mode
        self.cells = [
            (i, j) for i, row in enumerate(self.rows) for j, ground in enumerate(row) if ground != WALL
        ]
        ground = [self.rows[i][j] for i, j in self.cells]
        if not isinstance(rewards, Mapping):
            raise ValueError(f"rewards must be a mapping such as {{'G': 1.0}}, got {type(rewards).__name__}")
        if not isinstance(starts, str):
            raise ValueError(f"starts must be a string of kinds of ground, such as 'S.', got {starts!r}")
        if strange := sorted(set(rewards) - set(ground)):
            raise ValueError(
                f"rewards name the ground {strange}, and the map has {sorted(set(ground))} for one to stand on: "
                "draw it, or leave its reward out"
            )
        paid = {kind: check_number(f"the reward of {kind!r}", reward) for kind, reward in rewards.items()}
        self.state_rewards = np.array([paid.get(kind, 0.0) for kind in ground])
        begin = np.array([kind in starts for kind in ground], dtype=float)
        if not begin.any():
            raise ValueError(
                f"no episode can begin: starts are {starts!r}, and the map has the ground {sorted(set(ground))}"
            )
        if strange := sorted(set(starts) - set(ground)):
            raise ValueError(
                f"starts name the ground {strange}, and the map has {sorted(set(ground))} for one to stand on: draw "
                "it, or leave it out"
            )
        self.start = begin / begin.sum()
        self.transitions = self._transitions()
        self.observation_space = spaces.Discrete(len(self.cells))
        self.action_space = spaces.Discrete(len(MOVES))
        self._state, self._steps = 0, self.horizon  # no episode has begun

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self._state, self._steps = self._draw(self.start), 0
        return np.int64(self._state), {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        """Move by ``action``; raise ValueError where it is none, or the episode is over or has not begun."""
        if not self.action_space.contains(action):
            raise ValueError(f"expected an action from 0 to {len(MOVES) - 1}, got {action!r}")
        if self._steps >= self.horizon:
            raise ValueError(
                f"the episode is over after {self.horizon} steps, or has not begun: call reset() before step()"
            )
        reward = float(self.state_rewards[self._state])
        self._state = self._draw(self.transitions[self._state, int(action)])
        self._steps += 1
        return np.int64(self._state), reward, False, self._steps >= self.horizon, {}

    def render(self) -> str | None:
        """The map as text, with an ``@`` where the walker is; None without ``render_mode="ansi"``."""
        if self.render_mode is None:
            return None
        rows = [list(row) for row in self.rows]
        i, j = self.cells[self._state]
        rows[i][j] = "@"
        return "\n".join("".join(row) for row in rows)

    def _draw(self, probabilities: np.ndarray[Any, np.dtype[np.float64]]) -> int:
        return int(self.np_random.choice(len(probabilities), p=probabilities))

    def _transitions(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        number = {cell: state for state, cell in enumerate(self.cells)}
        moved = np.zeros((len(self.cells), len(MOVES), len(self.cells)))
        for state, (i, j) in enumerate(self.cells):
            for action, (down, right) in enumerate(MOVES):
                moved[state, action, number.get((i + down, j + right), state)] = 1.0
        return (1 - self.slip) * moved + self.slip * moved.mean(axis=1, keepdims=True)


def check_map(rows: Sequence[str]) -> tuple[str, ...]:
    """A map as a tuple of rows; raise ValueError where it is none."""
    if isinstance(rows, str) or len(rows) == 0 or not all(isinstance(row, str) and row for row in rows):
        raise ValueError(
            f"rows must be a list of strings, one for each row of the map, such as ['S.', '#G'], got {rows!r}"
        )
    if len(lengths := sorted({len(row) for row in rows})) > 1:
        raise ValueError(
            f"the rows of a map are equally long, got lengths {lengths}: fill the short ones up with '{WALL}'"
        )
    return tuple(rows)
