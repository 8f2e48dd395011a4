"""Learning what a policy is worth, by temporal differences: the experiment of Wang et al. 2015, section 4.1."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_number
from advnotes.decisions.environments.worlds import check_probabilities
from advnotes.decisions.parts.episodes import (
    Environment,
    Episodes,
    check_learner,
    check_moves,
    check_q,
    draw_seed,
    like_of,
)

__all__ = ["evaluate_policy", "expected_target"]


def expected_target(
    reward: Float[Tensor, "*batch"],
    ended: Bool[Tensor, "*batch"],
    next_q: Float[Tensor, "*batch actions"],
    next_policy: Float[Tensor, "*batch actions"],
    discount: float,
) -> Float[Tensor, "*batch"]:
    r"""What a policy's value is moved towards: :math:`r + \gamma \sum_{a'} \pi(a' | s') Q(s', a')`; r at the end.

    This is Expected SARSA (van Seijen et al. 2009) for a policy that stands still. No gradient flows through it.

    Raises:
        ValueError: where shapes do not fit, ``ended`` are no bools, or ``discount`` is not in [0, 1].
    """
    check_moves(reward, ended, discount, next_q, next_policy)
    onward = (next_policy * next_q.detach()).sum(dim=-1)
    return reward + discount * onward.where(~ended, torch.zeros_like(onward))


def evaluate_policy(
    network: nn.Module,
    env: Environment,
    policy: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    discount: float = 0.99,
    batch_size: int = 32,
    generator: torch.Generator | None = None,
) -> list[float]:
    r"""Move a network's Q towards that of a policy, whose walk it sees once, in pieces of ``batch_size`` moves.

    Args:
        network: maps observations ``[batch, size]`` to Q of each action, ``[batch, actions]``; it is trained in place.
        env: as in :class:`Episodes`.
        policy: maps observations to the probabilities of the actions, ``[batch, actions]``.
        optimizer: of the network's parameters.
        steps: of the optimizer.
        discount: :math:`\gamma`, from 0 to 1.
        batch_size: moves for one step.
        generator: draws the environment's seed and the actions; torch's own where it is left out.

    Returns:
        The loss of each step, the mean squared difference from :func:`expected_target`.

    Raises:
        ValueError: as :class:`Episodes`, for numbers out of range, where network or policy do not return one number for
            each action, the policy's are no probabilities, or the optimizer has none of the network's parameters.
    """
    check_learner(network)
    moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not any(id(parameter) in moved for parameter in network.parameters() if parameter.requires_grad):
        raise ValueError(
            "the optimizer moves no parameter of the network that learns: make it of network.parameters()"
        )
    for name, count in {"steps": steps, "batch_size": batch_size}.items():
        check_count(name, count)
    check_number("discount", discount, least=0.0, most=1.0)
    episodes = Episodes(env, like_of(network), draw_seed(generator))
    losses = []
    for _ in range(steps):
        rows = []
        for _ in range(batch_size):
            probabilities = check_q("policy", policy(episodes.here), 1, episodes.actions)
            rows.append((*episodes.step(draw(probabilities[0], generator)), probabilities))
        before, action, reward, after, ended, policies = map(torch.cat, zip(*rows, strict=True))
        with torch.no_grad():
            next_q = check_q("network", call_model(network, after), batch_size, episodes.actions)
            next_policy = check_q("policy", policy(after), batch_size, episodes.actions)
            check_probabilities("policy", torch.cat([policies, next_policy]))
            target = expected_target(reward, ended, next_q, next_policy, discount)
        q = call_model(network, before).gather(1, action[:, None]).squeeze(1)
        loss = (q - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def draw(probabilities: Float[Tensor, " actions"], generator: torch.Generator | None) -> int:
    """An action by its probability, drawn on whatever device the generator is."""
    if not bool((probabilities >= 0).all()):
        raise ValueError(
            f"policy must hold probabilities, at least 0, got {probabilities.tolist()}: a softmax makes some"
        )
    where = probabilities.device if generator is None else generator.device
    return int(torch.multinomial(probabilities.to(where), 1, generator=generator))
