"""Exact answers for small worlds, by dynamic programming: values, policies, and where a policy spends its time."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from advnotes.checks import check_count, check_number
from advnotes.decisions.environments.worlds import check_like, check_policy, check_world
from advnotes.precision import at_least_float32

__all__ = ["Plan", "plan", "sample_paths", "visits"]


class Plan(NamedTuple):
    """Values ``[T + 1, states]``, in the rewards' unit, and a policy ``[T, states, actions]``."""

    values: Float[Tensor, "later states"]
    policy: Float[Tensor, "horizon states actions"]


def plan(
    transitions: Float[Tensor, "states actions states"],
    rewards: Float[Tensor, "states ..."],
    horizon: int,
    temperature: float = 1.0,
) -> Plan:
    r"""The optimal or soft-optimal values and policy of a world with :math:`T` steps, backwards from the last one.

    .. math::
        Q_t(s, a) = r(s, a) + \sum_{s'} P(s' \mid s, a)\, V_{t+1}(s'), \qquad
        V_t(s) = \alpha \log \sum_a e^{Q_t(s, a) / \alpha}, \qquad
        \pi_t(a \mid s) = e^{(Q_t(s, a) - V_t(s)) / \alpha}

    with :math:`V_T = 0`. At temperature 0 the sum is a maximum, and equally good actions are equally likely. Where
    moves are certain, :math:`\pi` draws trajectories with the probability :math:`e^{(R(\tau) - V_0(s_0)) / \alpha}`:
    the maximum-entropy distribution, with :math:`\log Z = V_0(s_0) / \alpha`. Where they are not, it is that of maximum
    causal entropy.

    Args:
        transitions: :math:`P(s' \mid s, a)`.
        rewards: :math:`r(s)` for a step that leaves :math:`s`, or :math:`r(s, a)`, ``[states, actions]``.
        horizon: :math:`T`.
        temperature: :math:`\alpha`, in the rewards' unit; 0 is the optimal policy.

    Raises:
        ValueError: where shapes, dtypes or devices do not fit, transitions are no probabilities, rewards are not
            finite, ``horizon`` is less than 1, ``temperature`` is negative, or it is so small that rewards divided by
            it overflow.

    Source: Ziebart et al. 2008, "Maximum entropy inverse reinforcement learning", for the trajectories.
    """
    check_world(transitions)
    if rewards.shape not in (transitions.shape[:1], transitions.shape[:2]) or not bool(
        rewards.isfinite().all()
    ):
        raise ValueError(
            f"rewards must be a finite number for each state, {tuple(transitions.shape[:1])}, or for each state and "
            f"action, {tuple(transitions.shape[:2])}, got {tuple(rewards.shape)}"
        )
    check_like("rewards", rewards, "transitions", transitions)
    check_number("temperature", temperature, least=0.0)
    paid = rewards if rewards.ndim == 2 else rewards[:, None].expand(transitions.shape[:2])
    slack = max(
        1e-9, 8 * torch.finfo(paid.dtype).eps
    )  # what rounding makes of two actions that are equally good
    values, policies = [torch.zeros_like(paid[:, 0])], list[Tensor]()
    for _ in range(check_count("horizon", horizon)):
        gains = paid + transitions @ values[0]
        best = gains.amax(dim=1)
        if temperature > 0:
            values.insert(0, temperature * torch.logsumexp(gains / temperature, dim=1))
            policies.insert(0, torch.softmax(gains / temperature, dim=1))
        else:
            near = slack * min(1.0, float(gains.abs().max()))
            chosen = torch.isclose(gains, best[:, None], rtol=slack, atol=near).to(gains.dtype)
            values.insert(0, best)
            policies.insert(0, chosen / chosen.sum(dim=1, keepdim=True))
    found = Plan(torch.stack(values), torch.stack(policies))
    if not bool(found.values.isfinite().all()):
        raise ValueError(
            f"values overflow in {paid.dtype}: rewards divided by the temperature {temperature!r} are too large; "
            "temperature 0 is the optimal policy"
        )
    return found


def visits(
    transitions: Float[Tensor, "states actions states"],
    policy: Float[Tensor, "horizon states actions"],
    start: Float[Tensor, " states"],
) -> Float[Tensor, "horizon states"]:
    r"""The probability of being in each state at each step, forwards from the first one.

    .. math:: d_{t+1}(s') = \sum_{s, a} d_t(s)\, \pi_t(a \mid s)\, P(s' \mid s, a)

    The expected return of rewards ``[states]`` is ``(visits(...) @ rewards).sum()``.

    Raises:
        ValueError: where shapes, dtypes or devices do not fit, or something is no probability.
    """
    check_policy(transitions, policy, start)
    check_like("policy", policy, "transitions", transitions)
    check_like("start", start, "transitions", transitions)
    spent = [start]
    for step in policy[:-1]:
        spent.append(torch.einsum("s,sa,sad->d", spent[-1], step, transitions))
    return torch.stack(spent)


def sample_paths(
    transitions: Float[Tensor, "states actions states"],
    policy: Float[Tensor, "horizon states actions"],
    start: Float[Tensor, " states"],
    n: int,
    generator: torch.Generator | None = None,
) -> Int64[Tensor, "n horizon 2"]:
    """Draw trajectories: the state and the action at each step, on the transitions' device.

    Args:
        transitions, policy, start: as in :func:`visits`.
        n: how many.
        generator: the source of randomness, on whatever device; None: the global one.

    Raises:
        ValueError: where ``n`` is less than 1, shapes do not fit, or something is no probability.
    """
    check_policy(transitions, policy, start)
    return rollout(transitions, policy, start, check_count("n", n), generator)


def rollout(
    transitions: Tensor, policy: Tensor, start: Tensor, n: int, generator: torch.Generator | None
) -> Tensor:
    """As :func:`sample_paths`, of what has been checked."""
    source = policy.device if generator is None else generator.device
    start, policy, transitions = map(at_least_float32, (start, policy, transitions))
    u = torch.rand(2 * len(policy), n, 1, generator=generator, device=source, dtype=policy.dtype)
    u = u.to(policy.device) * (1 - 2**-20)  # so that rounding never leads beyond the last that can be
    first, act, move = start.cumsum(dim=0), policy.cumsum(dim=2), transitions.cumsum(dim=2)
    state, steps = draw(first.expand(n, -1), u[0]), []
    for t in range(len(policy)):
        action = draw(act[t, state], u[2 * t + 1])
        steps += [state, action]
        if t + 1 < len(policy):
            state = draw(move[state, action], u[2 * t + 2])
    return torch.stack(steps, dim=1).unflatten(1, (len(policy), 2))


def draw(cumulative: Float[Tensor, "n choices"], u: Float[Tensor, "n 1"]) -> Int64[Tensor, " n"]:
    """For each row of cumulative probabilities the first choice that lies above its ``u`` in [0, 1)."""
    return (u * cumulative[:, -1:] >= cumulative).sum(dim=1)
