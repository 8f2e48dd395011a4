"""A policy as a generator of trajectories, whose density is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.decisions.environments.planning import rollout
from advnotes.decisions.environments.worlds import check_paths, check_policy, check_world

__all__ = ["TabularPolicy"]


class TabularPolicy(nn.Module):
    r"""A policy with a logit for each step, state and action, and the trajectories that it draws.

    A trajectory of :math:`T` steps is the state and the action of each, ``[T, 2]``, and

    .. math:: \log q(\tau) = \sum_{t=0}^{T-1} \log \pi_t(a_t \mid s_t)

    The probabilities of the start and of the moves are left out: they are the same for demonstrations, and cancel in a
    discriminator's :math:`D`. At first every action is equally likely.

    Args:
        transitions: :math:`P(s' \mid s, a)`, ``[states, actions, states]``.
        start: the distribution of the first state, ``[states]``.
        horizon: :math:`T`.

    Raises:
        ValueError: where shapes do not fit, something is no probability, or ``horizon`` is less than 1; when called,
            where trajectories have another length, or states or actions that are not there, or logits are NaN.
    """

    transitions: Tensor
    start: Tensor

    def __init__(
        self,
        transitions: Float[Tensor, "states actions states"],
        start: Float[Tensor, " states"],
        horizon: int,
    ) -> None:
        super().__init__()
        check_world(transitions)
        states, actions = transitions.shape[:2]
        self.register_buffer("transitions", transitions.detach().clone())
        self.register_buffer("start", start.detach().clone())
        shape = (check_count("horizon", horizon), states, actions)
        self.logits = nn.Parameter(torch.zeros(shape, dtype=transitions.dtype, device=transitions.device))
        check_policy(self.transitions, self.probabilities(), self.start)

    def probabilities(self) -> Float[Tensor, "horizon states actions"]:
        r"""The policy :math:`\pi_t(a \mid s)`."""
        return self.logits.softmax(dim=2)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Int64[Tensor, "n horizon 2"]:
        """Draw ``n`` trajectories."""
        with torch.no_grad():
            policy = self.probabilities()
            if bool(policy.isnan().any()):
                raise ValueError(
                    "the policy's logits give no probabilities, they are NaN: did its training diverge?"
                )
            return rollout(self.transitions, policy, self.start, check_count("n", n), generator)

    def log_prob(self, x: Int64[Tensor, "batch horizon 2"]) -> Float[Tensor, " batch"]:
        """The log-probability of each trajectory's actions, in nats."""
        horizon, states, actions = self.logits.shape
        check_paths(x, states, actions)
        if x.shape[1] != horizon:
            raise ValueError(
                f"this policy walks {horizon} steps, got trajectories of {x.shape[1]}: bring them to one length"
            )
        when = torch.arange(horizon, device=x.device)
        return F.log_softmax(self.logits, dim=2)[when, x[..., 0], x[..., 1]].sum(dim=1)
