"""The environment of a GAN, Pfau and Vinyals 2016: it shows at random what the actor made, or a real sample."""

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from advnotes.checks import check_floating, check_number
from advnotes.metrics.features import AnyArray, as_matrix

__all__ = ["RealOrMade", "best_critic"]


class RealOrMade(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    r"""A decision without a state: set every coordinate of a sample, and see which sample is shown.

    An episode is one action :math:`a \in \mathbb R^d`. With probability :math:`c` the environment shows a real sample
    :math:`x`, and else the action; the reward is 1 where what it shows is real, and 0 where it is made:

    .. math:: \text{shown} = \begin{cases} x \sim p, & r = 1 \quad \text{(probability } c\text{)} \\
        a, & r = 0 \end{cases}

    (Pfau and Vinyals 2016, section 2.3.) The action never changes the reward. So an actor learns nothing from its
    rewards; what it can climb is a critic of what is shown, :func:`best_critic` at best.

    The observation before the action is all zeros; the one after it is what is shown. :meth:`show` is the same for a
    batch, in torch.

    Args:
        real: the real samples, ``[samples, coordinates]``, of which one is drawn with equal probability.
        chance: :math:`c`, strictly between 0 and 1.

    Raises:
        ValueError: where ``real`` is no matrix of finite numbers, or ``chance`` lies elsewhere.
    """

    def __init__(
        self, real: Float[Tensor, "samples _"] | Float[AnyArray, "samples _"], chance: float = 0.5
    ) -> None:
        self.chance = check_number("chance", chance, above=0.0, most=1.0)
        if self.chance == 1.0:
            raise ValueError("chance must be less than 1: with 1 nothing that the actor makes is ever shown")
        self.real = as_matrix("real", real).float().clone()
        everything = Box(-np.inf, np.inf, (self.real.shape[1],), np.float32)
        self.action_space = self.observation_space = everything

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin: nothing is shown yet."""
        super().reset(seed=seed)
        return np.zeros(self.real.shape[1], np.float32), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Show the action or a real sample, and end the episode.

        Raises:
            ValueError: where the action has another number of coordinates than the real samples.
        """
        made = torch.as_tensor(np.asarray(action, np.float32))[None]
        coin, row = self.np_random.random(), int(self.np_random.integers(len(self.real)))
        shown = self._place(made, torch.tensor([coin < self.chance]), torch.tensor([row]))
        return shown[0].numpy().copy(), float(coin < self.chance), True, False, {}

    def show(
        self, made: Float[Tensor, "batch _"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "batch _"], Float[Tensor, " batch"]]:
        """What is shown of a batch of actions, and the rewards: 1 real, 0 made; in the actions' dtype and place.

        Raises:
            ValueError: where the actions have another number of coordinates than the real samples.
        """
        check_floating(made)
        device = made.device if generator is None else generator.device
        coin = torch.rand(len(made), generator=generator, device=device) < self.chance
        rows = torch.randint(len(self.real), (len(made),), generator=generator, device=device)
        return self._place(made.detach(), coin.to(made.device), rows), coin.to(made)

    def _place(self, made: Tensor, real: Tensor, rows: Tensor) -> Tensor:
        if made.shape[1:] != self.real.shape[1:]:
            raise ValueError(
                f"an action sets {self.real.shape[1]} coordinates, as the real samples have, got the shape "
                f"{tuple(made.shape[1:])}"
            )
        return torch.where(real[:, None], self.real[rows.to(self.real.device)].to(made), made)


def best_critic(
    real: Float[Tensor, " actions"], made: Float[Tensor, " actions"], chance: float = 0.5
) -> Float[Tensor, " actions"]:
    r"""The reward to be expected of each sample that is shown: what the least cross-entropy, or square, ends at.

    .. math:: D^*(x) = \frac{c\,p(x)}{c\,p(x) + (1 - c)\,q(x)}

    (Goodfellow et al. 2014, proposition 1, for :math:`c = 1/2`.)

    Args:
        real: :math:`p`, a probability or density of each action.
        made: :math:`q`, likewise.
        chance: of a real sample.

    Raises:
        ValueError: where the two differ in shape, one of them is negative or not finite, both are 0 at one action, or
            ``chance`` is not from 0 to 1.
    """
    share = check_number("chance", chance, least=0.0, most=1.0)
    if real.shape != made.shape:
        raise ValueError(
            f"real and made must have one shape, got {tuple(real.shape)} and {tuple(made.shape)}"
        )
    if not bool(((real >= 0) & (made >= 0) & (real + made).isfinite()).all()):
        raise ValueError("probabilities must be finite and not negative")
    shown = share * real + (1 - share) * made
    if bool((shown == 0).any()):
        raise ValueError("an action that is never shown has no expected reward: leave it out")
    return share * real / shown
