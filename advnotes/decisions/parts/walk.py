"""A walk through an environment that begins again by itself, and what value learning asks of it."""

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Environment", "Walk", "check_q", "discrete_actions", "draw_seed", "like_of"]

#: The environments that value learning takes.
Environment = gymnasium.Env[npt.NDArray[np.floating], np.int64]


class Walk:
    """An environment with the observation that it stands at; it begins again by itself after an end.

    Args:
        env: a :class:`gymnasium.Env` with a ``Discrete`` action space and a flat ``Box`` of observations.
        like: gives the dtype and device of the observations.
        seed: of the environment.

    Raises:
        ValueError: where the environment has other spaces, or is none.
    """

    def __init__(self, env: Environment, like: Tensor, seed: int) -> None:
        space = discrete_actions(env)
        self.env, self.like = env, like
        self.actions, self.first = int(space.n), int(space.start)
        self.here = self.tensor(env.reset(seed=seed)[0])
        self.total, self.returns = 0.0, list[float]()

    def step(self, action: int) -> tuple[Tensor, ...]:
        """Take an action, counted from 0: observation, action, reward, next observation, end, each with one row.

        An episode that is only cut short (``truncated``) has not ended: its next observation still has a value.
        """
        after, reward, ended, truncated, _ = self.env.step(np.int64(action + self.first))
        there, self.total = self.tensor(after), self.total + float(reward)
        row = (
            self.here,
            torch.tensor([action], device=there.device),
            there.new_tensor([float(reward)]),
            there,
            torch.tensor([bool(ended)], device=there.device),
        )
        self.here = there
        if ended or truncated:
            self.here = self.tensor(self.env.reset()[0])
            self.returns.append(self.total)
            self.total = 0.0
        return row

    def tensor(self, observation: npt.NDArray[np.floating]) -> Float[Tensor, "1 size"]:
        """An observation as a row, a copy: an environment may write the next one into the same array."""
        return torch.tensor(observation, dtype=self.like.dtype, device=self.like.device)[None]


def discrete_actions(env: object) -> gymnasium.spaces.Discrete:
    """The action space; raise ValueError for what is no environment with discrete actions and flat observations."""
    if not isinstance(env, gymnasium.Env):
        raise ValueError(
            f"env must be a gymnasium.Env, got {type(env).__name__}: gymnasium.make('CartPole-v1') makes one by name"
        )
    if not isinstance(env.action_space, gymnasium.spaces.Discrete):
        raise ValueError(
            f"the environment's actions must be Discrete, got {env.action_space}: values of actions are for finitely "
            "many; wrap it in gymnasium.wrappers.TransformAction, with a table of the actions that may be taken"
        )
    space = env.observation_space
    if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
        raise ValueError(
            f"observations must be flat, a Box of one dimension, got {space}: wrap the environment in "
            "gymnasium.wrappers.FlattenObservation, which also makes a row of 0 and 1 of a Discrete one"
        )
    return env.action_space


def check_q(name: str, q: Tensor, batch: int, actions: int) -> Tensor:
    """What a network or a policy returned, where it is one number for each action; else raise ValueError."""
    if q.shape != (batch, actions):
        raise ValueError(
            f"the {name} must return one number for each action, of shape [batch, actions] = {(batch, actions)}, got "
            f"{tuple(q.shape)}: the environment has {actions} actions"
        )
    return q


def like_of(network: nn.Module) -> Tensor:
    """A tensor of the network's dtype and device."""
    return next(network.parameters(), torch.empty(0)).detach().flatten()[:0]


def draw_seed(generator: torch.Generator | None) -> int:
    """A seed for an environment."""
    device = None if generator is None else generator.device
    return int(torch.randint(2**31 - 1, (), generator=generator, device=device))
