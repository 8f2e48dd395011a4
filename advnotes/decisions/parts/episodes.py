"""A walk through an environment that begins again by itself, and what value learning asks of it."""

import math

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number

__all__ = [
    "Environment",
    "Episodes",
    "check_learner",
    "check_moves",
    "check_q",
    "discrete_actions",
    "draw_seed",
    "like_of",
]

#: The environments that value learning takes.
Environment = gymnasium.Env[npt.NDArray[np.floating], np.int64]


class Episodes:
    """An environment with the observation that it stands at; it begins again by itself after an end.

    Args:
        env: a :class:`gymnasium.Env` with a ``Discrete`` action space and a flat ``Box`` of observations.
        like: gives the dtype and device of the observations.
        seed: of the environment.

    Raises:
        ValueError: where the environment has other spaces, or is none; in each step, where an observation has another
            shape than its space, or it or a reward is not finite.
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
        if not math.isfinite(reward):
            raise ValueError(f"the environment's rewards must be finite numbers, got {reward!r}")
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
        if np.shape(observation) != self.env.observation_space.shape or not np.isfinite(observation).all():
            raise ValueError(
                f"observations must be finite, of the shape {self.env.observation_space.shape} of their space, got "
                f"{observation!r}"
            )
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
    if not isinstance(q, Tensor) or q.shape != (batch, actions):
        got = tuple(q.shape) if isinstance(q, Tensor) else type(q).__name__
        raise ValueError(
            f"the {name} must return one number for each action, of shape [batch, actions] = {(batch, actions)}, got "
            f"{got}: the environment has {actions} actions"
        )
    return q


def check_moves(reward: Tensor, ended: Tensor, discount: float, *values: Tensor) -> None:
    """Raise ValueError for moves that do not fit each other, which would be broadcast, or a discount out of range."""
    check_number("discount", discount, least=0.0, most=1.0)
    if ended.dtype != torch.bool:
        raise ValueError(f"ended must be true or false for each move, got {ended.dtype}: ended.bool()")
    shapes = [tuple(each.shape) for each in (reward, ended, *values)]
    if shapes[1] != shapes[0] or len(set(shapes[2:])) > 1 or shapes[2][:-1] != shapes[0] or not shapes[2]:
        raise ValueError(
            "expected reward and ended of one shape, [batch], and a number for each action, [batch, actions], got the "
            f"shapes {', '.join(map(str, shapes))}"
        )


def check_learner(network: object) -> None:
    """Raise ValueError for what is no network, or has nothing that learns."""
    if not isinstance(network, nn.Module):
        raise ValueError(f"the network must be an nn.Module, got {type(network).__name__}")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ValueError(
            "the network has no parameter that learns: network.requires_grad_(True), where it was frozen"
        )


def like_of(network: nn.Module) -> Tensor:
    """A tensor of the network's dtype and device."""
    return next(network.parameters(), torch.empty(0)).detach().flatten()[:0]


def draw_seed(generator: torch.Generator | None) -> int:
    """A seed for an environment."""
    device = None if generator is None else generator.device
    return int(torch.randint(2**31 - 1, (), generator=generator, device=device))
