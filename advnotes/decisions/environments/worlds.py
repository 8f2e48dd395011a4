"""What is checked of small worlds: their dynamics, policies in them, and trajectories through them."""

import torch
from torch import Tensor

from advnotes.precision import at_least_float32

__all__ = ["check_like", "check_numbers", "check_paths", "check_policy", "check_probabilities", "check_world"]


def check_world(transitions: Tensor) -> None:
    """Raise ValueError for transitions that are no probabilities ``[states, actions, states]``."""
    if transitions.ndim != 3 or transitions.shape[0] != transitions.shape[2] or 0 in transitions.shape:
        raise ValueError(
            f"transitions must have the shape [states, actions, states], got {tuple(transitions.shape)}"
        )
    check_probabilities("transitions", transitions)


def check_policy(transitions: Tensor, policy: Tensor, start: Tensor) -> None:
    """Raise ValueError for a policy or a start that does not belong to the world."""
    check_world(transitions)
    states, actions = transitions.shape[:2]
    if (
        policy.ndim != 3
        or len(policy) == 0
        or policy.shape[1:] != (states, actions)
        or start.shape != (states,)
    ):
        raise ValueError(
            f"a world of {states} states and {actions} actions has policies [horizon, {states}, {actions}] and a start "
            f"[{states}], got the shapes {tuple(policy.shape)} and {tuple(start.shape)}"
        )
    check_probabilities("policy", policy)
    check_probabilities("start", start)


def check_probabilities(name: str, values: Tensor) -> None:
    """Raise ValueError where the last dimension holds no probabilities."""
    if not values.is_floating_point():
        raise ValueError(f"{name} must hold probabilities of a floating dtype, got {values.dtype}: x.float()")
    sums = at_least_float32(values.detach()).sum(dim=-1)
    slack = max(1e-4, torch.finfo(values.dtype).eps)  # in half precision each number is rounded by more
    if bool((values < 0).any()) or not torch.allclose(sums, torch.ones_like(sums), atol=slack):
        raise ValueError(
            f"{name} must hold probabilities, at least 0 and with the sum 1 over the last dimension"
        )


def check_like(name: str, values: Tensor, other_name: str, other: Tensor) -> None:
    """Raise ValueError for a table of another dtype or device than the one that it is multiplied with."""
    if values.dtype != other.dtype or values.device != other.device:
        raise ValueError(
            f"{name} and {other_name} must have one dtype and device, got {values.dtype} on {values.device} and "
            f"{other.dtype} on {other.device}: {name}.to({other_name})"
        )


def check_numbers(what: str, x: Tensor, size: int) -> None:
    """Raise ValueError for what is not numbered from 0 to ``size`` - 1."""
    if x.dtype != torch.int64:
        raise ValueError(f"{what} must be whole numbers of dtype torch.int64, got {x.dtype}: pass x.long()")
    if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < size:
        raise ValueError(f"{what} must be numbers from 0 to {size - 1}, got {int(x.min())} to {int(x.max())}")


def check_paths(x: Tensor, states: int, actions: int | None) -> None:
    """Raise ValueError for what is no batch of trajectories ``[batch, T, 2]`` in such a world."""
    if x.ndim != 3 or x.shape[2] != 2:
        raise ValueError(
            f"expected trajectories [batch, steps, 2], the state and the action of each step, got {tuple(x.shape)}: "
            "torch.stack([states, actions], dim=2)"
        )
    check_numbers("states", x[..., 0], states)
    if actions is not None:
        check_numbers("actions", x[..., 1], actions)
