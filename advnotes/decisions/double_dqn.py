"""Double DQN, van Hasselt, Guez and Silver 2015: learning to act by values, with a replay buffer and a frozen copy."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_number
from advnotes.decisions.parts.episodes import (
    Environment,
    Episodes,
    check_learner,
    check_moves,
    check_q,
    draw_seed,
    like_of,
)
from advnotes.decisions.parts.replay import ReplayBuffer
from advnotes.loop.averages import copy_module
from advnotes.model_state import attacked

__all__ = ["DoubleDQN", "double_target"]


def double_target(
    reward: Float[Tensor, "*batch"],
    ended: Bool[Tensor, "*batch"],
    next_q: Float[Tensor, "*batch actions"],
    frozen_next_q: Float[Tensor, "*batch actions"],
    discount: float,
) -> Float[Tensor, "*batch"]:
    r""":math:`r + \gamma Q^-(s', \arg\max_{a'} Q(s', a'))`: one network chooses, its frozen copy says what it is worth.

    At the end of an episode it is r. No gradient flows through it.

    Raises:
        ValueError: where shapes do not fit, ``ended`` are no bools, or ``discount`` is not in [0, 1].
    """
    check_moves(reward, ended, discount, next_q, frozen_next_q)
    chosen = next_q.argmax(dim=-1, keepdim=True)
    onward = frozen_next_q.detach().gather(-1, chosen).squeeze(-1)
    return reward + discount * onward.where(~ended, torch.zeros_like(onward))


class DoubleDQN:
    r"""Learns Q by acting: it owns its loop, a :class:`~advnotes.decisions.ReplayBuffer`, and a frozen copy of Q.

    In each step it takes an action, the best one or with probability :math:`\epsilon` any; it keeps what came of it;
    and it moves :math:`Q(s, a)` of moves drawn from the buffer towards :func:`double_target`, by Huber's loss. Networks
    act, and make targets, in eval mode; the mode of ``network`` is that of learning.

    Args:
        network: maps observations ``[batch, size]`` to Q of each action, such as
            :class:`~advnotes.decisions.DuelingNetwork`; it is trained in place, on its own device.
        env: a :class:`gymnasium.Env` with ``Discrete`` actions and a flat ``Box`` of observations.
        discount: :math:`\gamma`, from 0 to 1.
        capacity: moves that the buffer keeps.
        batch_size: moves drawn in each step.
        learning_rate: of Adam.
        copy_every: steps after which the frozen copy is made anew.
        first: steps before learning begins, in which any action is taken.
        epsilon: at the end of ``fade`` steps, over which it falls linearly from 1.
        fade: see ``epsilon``.
        clip: the largest norm of a gradient, the paper's 10; None leaves gradients alone.
        generator: draws the environment's seed, actions and moves; torch's own where it is left out.

    Source: van Hasselt, Guez and Silver 2015 (arXiv 1509.06461), equation 4, in the setting of Mnih et al. 2015; the
    clipping is that of Wang et al. 2015 (arXiv 1511.06581), section 4.2.

    Differs from the papers: Adam in place of RMSProp, and settings for small tasks. The buffer draws evenly.

    Raises:
        ValueError: where the environment has other spaces, the network is frozen or returns something else than one
            number for each action, or a number is out of range; in each step, as :class:`Episodes`.
    """

    def __init__(
        self,
        network: nn.Module,
        env: Environment,
        *,
        discount: float = 0.99,
        capacity: int = 10_000,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        copy_every: int = 200,
        first: int = 200,
        epsilon: float = 0.05,
        fade: int = 2000,
        clip: float | None = 10.0,
        generator: torch.Generator | None = None,
    ) -> None:
        check_learner(network)
        counts = {"batch_size": batch_size, "copy_every": copy_every, "first": first, "fade": fade}
        for name, count in counts.items():
            check_count(name, count)
        self.discount = check_number("discount", discount, least=0.0, most=1.0)
        self.epsilon = check_number("epsilon", epsilon, least=0.0, most=1.0)
        self.clip = None if clip is None else check_number("clip", clip, above=0.0)
        check_number("learning_rate", learning_rate, above=0.0)
        self.batch_size, self.copy_every, self.first, self.fade = batch_size, copy_every, first, fade
        self.replay = ReplayBuffer(capacity)
        self.episodes = Episodes(env, like_of(network), draw_seed(generator))
        with torch.no_grad(), attacked(network):
            check_q("network", call_model(network, self.episodes.here), 1, self.episodes.actions)
        self.network, self.frozen = network, copy_module(network).requires_grad_(False).eval()
        self.optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
        self.generator = generator
        self.steps = 0

    @property
    def returns(self) -> list[float]:
        """The sum of rewards of each episode that has ended so far."""
        return self.episodes.returns

    def learn(self, steps: int) -> None:
        """Take so many steps more.

        Raises:
            ValueError: where ``steps`` is less than 1.
        """
        for _ in range(check_count("steps", steps)):
            done = min(1.0, max(0, self.steps - self.first) / self.fade)
            self.replay.add(*self.episodes.step(self.act(self.episodes.here, 1 - done * (1 - self.epsilon))))
            self.steps += 1
            if self.steps > self.first:
                self.update()
            if self.steps % self.copy_every == 0:
                self.frozen.load_state_dict(self.network.state_dict())

    @torch.no_grad()
    def act(self, observation: Float[Tensor, "1 size"], epsilon: float = 0.0) -> int:
        """The action of the highest Q, counted from 0; with probability ``epsilon`` any."""
        where = None if self.generator is None else self.generator.device
        if epsilon > 0 and torch.rand((), generator=self.generator, device=where) < epsilon:
            return int(torch.randint(self.episodes.actions, (), generator=self.generator, device=where))
        with attacked(self.network):
            return int(self.network(observation).argmax())

    def loss(
        self,
        before: Float[Tensor, "batch size"],
        action: Tensor,
        reward: Float[Tensor, " batch"],
        after: Float[Tensor, "batch size"],
        ended: Bool[Tensor, " batch"],
    ) -> Float[Tensor, ""]:
        """Huber's loss of moves, from what :func:`double_target` says."""
        with torch.no_grad(), attacked(self.network):
            target = double_target(reward, ended, self.network(after), self.frozen(after), self.discount)
        q = self.network(before).gather(1, action[:, None]).squeeze(1)
        return F.smooth_l1_loss(q, target)

    def update(self) -> None:
        """One step of the optimizer, on moves drawn from the buffer.

        Raises:
            ValueError: where the buffer is empty.
        """
        loss = self.loss(*self.replay.sample(self.batch_size, self.generator))
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()
