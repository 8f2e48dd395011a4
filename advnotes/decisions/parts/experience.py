"""Where an actor-critic's batches come from: its own actor, in an environment, with or without a replay buffer."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.decisions.environments.real_or_made import RealOrMade
from advnotes.decisions.parts.episodes import like_of
from advnotes.decisions.parts.replay import ReplayBuffer
from advnotes.model_state import attacked
from advnotes.precision import at_least_float32

__all__ = ["Experience", "Showings"]


class Experience:
    """Transitions of an environment, as the data of a game: the actor as it is now acts, a replay buffer remembers.

    Each batch is asked for after the last round has ended. Then the actor takes ``moves`` steps, with noise; they are
    added to the buffer; and ``batch_size`` transitions are drawn from it: state, action, reward, next state, and 0
    where the episode ended there (1 where it goes on, or was only cut off). A buffer that is no larger than a batch is
    next to none: it has the latest steps only. No checkpoint holds buffer and environment: a run that is resumed goes
    on with those that it is given.

    Example:
        >>> play(game, Experience(Regulator(), actor, ReplayBuffer(5000), 64, 1000), optimizers, steps=1000)

    Args:
        environment: with a Box of actions. It is reset with ``seed``.
        actor: maps states ``[1, ...]`` to actions ``[1, ...]``; it acts in eval mode. What is remembered has its dtype.
        replay: the buffer.
        batch_size: transitions in a batch.
        steps: batches in a pass.
        noise: standard deviation of normal noise on each coordinate of an action, in units of its space; then the
            action is cut to the space.
        moves: steps that the actor takes for each batch.
        warmup: steps at random, drawn from the space, before the first batch; ``batch_size`` where left out.
        seed: of the environment and of its space.
        generator: the source of the noise and of the draws from the buffer; the global one where it is left out.

    Raises:
        ValueError: where the actions are no Box, a number is out of range, or the actor's answer does not fit.
    """

    def __init__(
        self,
        environment: gymnasium.Env[Any, Any],
        actor: nn.Module,
        replay: ReplayBuffer,
        batch_size: int,
        steps: int,
        *,
        noise: float = 0.1,
        moves: int = 1,
        warmup: int | None = None,
        seed: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        if not isinstance(environment.action_space, gymnasium.spaces.Box):
            raise ValueError(
                f"a deterministic actor wants actions that are numbers, a Box, got {environment.action_space}: its "
                "gradient goes through the action"
            )
        self.environment, self.actor, self.replay = environment, actor, replay
        self.batch_size, self.steps = check_count("batch_size", batch_size), check_count("steps", steps)
        self.noise, self.moves = check_number("noise", noise, least=0.0), check_count("moves", moves)
        self.generator = generator
        self.low, self.high = environment.action_space.low, environment.action_space.high
        self.state = np.array(environment.reset(seed=seed)[0])  # copied: an environment may move it in place
        environment.action_space.seed(seed)
        for _ in range(self.batch_size if warmup is None else check_count("warmup", warmup)):
            self._step(environment.action_space.sample())

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for _ in range(self.steps):
            for _ in range(self.moves):
                self._step(self._action())
            yield self.replay.sample(self.batch_size, self.generator)

    @torch.no_grad()
    def _action(self) -> Any:
        with attacked(self.actor):
            action = self.actor(torch.as_tensor(self.state)[None].to(like_of(self.actor)))[0]
        action = at_least_float32(action).cpu().numpy()
        if action.shape != self.low.shape:
            raise ValueError(
                f"the environment wants actions of shape {self.low.shape}, the actor gives {action.shape}"
            )
        if not np.isfinite(action).all():
            raise ValueError(f"the actor gives the action {action}: has its training diverged?")
        source = None if self.generator is None else self.generator.device
        noise = (
            torch.randn(action.shape, generator=self.generator, device=source).cpu().numpy()
            if self.noise
            else 0.0
        )
        return np.clip(action + self.noise * noise, self.low, self.high).astype(self.low.dtype)

    def _step(self, action: Any) -> None:
        after, reward, ended, cut_off, _ = self.environment.step(action)
        row = [
            torch.as_tensor(np.asarray(each))
            for each in (self.state, action, float(reward), after, float(not ended))
        ]
        dtype = like_of(self.actor).dtype
        self.replay.add(*(each[None].to(dtype) if each.is_floating_point() else each[None] for each in row))
        self.state = np.array(self.environment.reset()[0] if ended or cut_off else after)


class Showings:
    """What :class:`RealOrMade` shows of an actor's samples, and the rewards, batch by batch.

    Without a replay buffer a batch is what was shown just now. With one everything shown is remembered, and a share of
    the batch is drawn from the buffer instead: real samples, and what the actor made at some time.

    Args:
        environment: shows a sample for each action.
        sample: called with a number, draws as many actions; such as ``game.sample``.
        batch_size: samples in a batch.
        steps: batches in a pass.
        replay: the buffer; None: none.
        share: how much of a batch is drawn from the buffer: 1 as actor-critics do it, or half (Shrivastava et al. 2017,
            section 2.3).
        generator: the source of what is shown and of the draws from the buffer; the global one where it is left out.

    Raises:
        ValueError: where a number is out of range.
    """

    def __init__(
        self,
        environment: RealOrMade,
        sample: Callable[[int], Tensor],
        batch_size: int,
        steps: int,
        *,
        replay: ReplayBuffer | None = None,
        share: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        self.environment, self.sample, self.replay, self.generator = environment, sample, replay, generator
        self.share = check_number("share", share, least=0.0, most=1.0)
        self.batch_size, self.steps = check_count("batch_size", batch_size), check_count("steps", steps)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for _ in range(self.steps):
            with torch.no_grad():
                made = self.sample(self.batch_size)
                shown: tuple[Tensor, ...] = self.environment.show(made, self.generator)
            old = round(self.share * self.batch_size)
            if self.replay is not None and old:
                self.replay.add(*shown)
                drawn = self.replay.sample(old, self.generator)
                shown = tuple(torch.cat([now[old:], then]) for now, then in zip(shown, drawn, strict=True))
            yield shown
