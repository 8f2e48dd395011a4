"""The deterministic actor-critic of Silver et al. 2014 and Lillicrap et al. 2015: an actor that climbs its critic."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.decisions.parts.target import TargetNetwork
from advnotes.game import Game, Turns
from advnotes.nets import one_logit

__all__ = ["ActorCritic"]


class ActorCritic(Game):
    r"""A deterministic actor that climbs a critic, which learns values from transitions: DDPG.

    .. math::
        L_Q &= \mathbb E \bigl(Q(s, a) - r - \gamma\,g\,\bar Q(s', \bar\pi(s'))\bigr)^2 \\
        L_\pi &= -\mathbb E\, Q(s, \pi(s))

    (Lillicrap et al. 2015, algorithm 1.) Bars are target networks; :math:`g` is 0 where the episode ended, else 1. The
    actor sees states only: its reward reaches it through the critic. It is a game, since two networks move in turns,
    each by its own loss; so ``play`` trains it, and whatever wraps a game, such as
    :class:`~advnotes.gan.HistoricalAveraging`, wraps it. Replay buffer and exploration belong to the data:
    :class:`~advnotes.decisions.Experience`.

    Differs from the paper: no batch normalisation and no weight decay unless the networks and optimizers have them;
    noise without memory.

    Args:
        actor: maps states ``[batch, ...]`` to actions ``[batch, ...]``.
        critic: maps state and action, flattened and joined ``[batch, states + actions]``, to one value each.
        discount: :math:`\gamma` in [0, 1]; 0 is a bandit.
        target_rate: by what share the target networks follow in each round; 1 is none, the paper's 0.001.

    Raises:
        ValueError: where a number is out of range; when called, where the critic does not give one value each, or the
            columns are not equally long.
    """

    turns: Turns = ("critic", "actor")

    def __init__(
        self, actor: nn.Module, critic: nn.Module, *, discount: float = 0.95, target_rate: float = 0.01
    ) -> None:
        super().__init__()
        self.discount = check_number("discount", discount, least=0.0, most=1.0)
        self.target_rate = check_number("target_rate", target_rate, above=0.0, most=1.0)
        self.actor, self.critic = actor, critic
        self.target_actor = TargetNetwork(actor, self.target_rate)
        self.target_critic = TargetNetwork(critic, self.target_rate)

    def critic_loss(
        self,
        state: Float[Tensor, "batch ..."],
        action: Float[Tensor, "batch ..."],
        reward: Float[Tensor, " batch"],
        after: Float[Tensor, "batch ..."],
        goes_on: Float[Tensor, " batch"],
    ) -> Float[Tensor, ""]:
        """The mean squared Bellman error; in train mode the target networks follow first."""
        if self.training:
            self.target_actor.follow(self.actor)
            self.target_critic.follow(self.critic)
        aim = self.aim(reward, after, goes_on)
        value = value_of(self.critic, state, action)
        if value.shape != aim.shape:
            raise ValueError(f"expected a reward for each of {len(value)} states, got {len(aim)}")
        return (value - aim).square().mean()

    def actor_loss(self, state: Float[Tensor, "batch ..."], *rest: Tensor) -> Float[Tensor, ""]:
        """Minus the critic's value of what the actor would do now."""
        return -value_of(self.critic, state, self.actor(state)).mean()

    @torch.no_grad()
    def aim(
        self,
        reward: Float[Tensor, " batch"],
        after: Float[Tensor, "batch ..."],
        goes_on: Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """What the critic is to say: the reward, and the discounted value of what the target actor would do next."""
        if reward.ndim != 1 or reward.shape != goes_on.shape or len(reward) != len(after):
            shapes = ", ".join(str(tuple(each.shape)) for each in (reward, after, goes_on))
            raise ValueError(
                "a batch is state, action, reward [batch], next state, and goes_on [batch] (0 where the episode ended, "
                f"else 1); got reward, next state and goes_on of shapes {shapes}"
            )
        if self.discount == 0.0:
            return reward
        return reward + self.discount * goes_on * value_of(
            self.target_critic, after, self.target_actor(after)
        )


def value_of(
    critic: nn.Module, state: Float[Tensor, "batch ..."], action: Float[Tensor, "batch ..."]
) -> Float[Tensor, " batch"]:
    """The critic's value of each action in its state."""
    if not len(state):
        raise ValueError("expected a batch of states, got none: leave an empty batch out")
    if len(state) != len(action):
        raise ValueError(f"expected an action for each of {len(state)} states, got {len(action)}")
    return one_logit(critic, torch.cat([state.flatten(1), action.flatten(1)], dim=1))
