"""Costs, of anything and of trajectories, and the density that a cost stands for."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_number
from advnotes.decisions.environments.worlds import check_paths
from advnotes.precision import at_least_float32

__all__ = ["CostDensity", "PathCost", "StartValue"]


class CostDensity(nn.Module):
    r"""A density that is known up to its normaliser, which is learnt: :math:`\log\tilde p(x) = -c(x) - \log Z`.

    Args:
        cost: maps samples to one cost each, ``[batch, 1]`` or ``[batch]``, of either sign, in nats.
        log_z: where the scalar :math:`\log Z` begins, in nats; or a module that gives each sample its own, where
            not all samples compete, such as :class:`~advnotes.decisions.StartValue` for trajectories of several starts.

    Raises:
        ValueError: where ``log_z`` is not finite; when called, where there is not one cost for each sample.
    """

    log_z: nn.Parameter | nn.Module

    def __init__(self, cost: nn.Module, log_z: float | nn.Module = 0.0) -> None:
        super().__init__()
        self.cost = cost
        if isinstance(log_z, nn.Module):
            self.log_z = log_z
        else:
            like = next(cost.parameters(), torch.empty(0))
            start = torch.full((), check_number("log_z", log_z), dtype=like.dtype, device=like.device)
            self.log_z = nn.Parameter(start)

    def forward(self, x: Shaped[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        r""":math:`\log\tilde p(x)` of each sample, in nats."""
        log_z = one_number("log_z", self.log_z, x) if isinstance(self.log_z, nn.Module) else self.log_z
        return -self.costs(x) - log_z

    def costs(self, x: Shaped[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """The cost of each sample, in nats."""
        return one_number("cost", self.cost, x)


class PathCost(nn.Module):
    r"""A trajectory's cost, the sum over its steps: :math:`c(\tau) = \sum_t c(s_t)`, or :math:`\sum_t c(s_t, a_t)`.

    Args:
        states: how many there are; a cost for each begins at 0.
        actions: how many there are, for a cost that depends on them too; None: on the state only.

    Raises:
        ValueError: where ``states`` or ``actions`` is less than 1; when called, where trajectories have others.
    """

    def __init__(self, states: int, actions: int | None = None) -> None:
        super().__init__()
        each = 1 if actions is None else check_count("actions", actions)
        self.actions = actions
        self.table = nn.Parameter(torch.zeros(check_count("states", states), each))

    def forward(self, x: Int64[Tensor, "batch horizon 2"]) -> Float[Tensor, " batch"]:
        """The cost of each trajectory, in nats."""
        check_paths(x, len(self.table), self.actions)
        return self.table[x[..., 0], 0 if self.actions is None else x[..., 1]].sum(dim=1)


class StartValue(nn.Module):
    r"""A :math:`\log Z` for each state in which trajectories begin.

    Trajectories of two starts do not compete with each other: each start has its own normaliser. For a maximum-entropy
    demonstrator it is the soft value :math:`V_0(s_0)` of :func:`~advnotes.decisions.plan`.

    Args:
        states: how many there are; each value begins at 0.

    Raises:
        ValueError: where ``states`` is less than 1; when called, where trajectories have others.
    """

    def __init__(self, states: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(check_count("states", states)))

    def forward(self, x: Int64[Tensor, "batch horizon 2"]) -> Float[Tensor, " batch"]:
        """The value of each trajectory's first state, in nats."""
        check_paths(x, len(self.table), None)
        return self.table[x[:, 0, 0]]


def one_number(what: str, network: nn.Module, x: Tensor) -> Float[Tensor, " batch"]:
    """What a network gives to each sample; raise ValueError where that is not one number."""
    values = call_model(network, x)
    if values.numel() != len(x) or not values.is_floating_point():
        raise ValueError(
            f"expected one {what} for each of {len(x)} samples, got the shape {tuple(values.shape)} of {values.dtype}: "
            "let the network end with one output, and add up the steps of a trajectory"
        )
    return at_least_float32(values.flatten())
