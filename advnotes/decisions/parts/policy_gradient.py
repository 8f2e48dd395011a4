"""The deterministic policy gradient of Silver et al. 2014, by Jacobians: what backpropagation is checked by."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, jacfwd, vmap

__all__ = ["policy_gradient"]


def policy_gradient(
    actor: nn.Module,
    value: Callable[[Tensor, Tensor], Tensor],
    states: Float[Tensor, "batch ..."],
) -> dict[str, Tensor]:
    r"""The deterministic policy gradient, written as a sum over states, from Jacobians and not by backpropagation.

    .. math:: \nabla_\theta J = \frac1n \sum_i
        \Bigl(\frac{\partial \pi_\theta(s_i)}{\partial \theta}\Bigr)^{\!\top} \nabla_a Q(s_i, a) \big|_{a = \pi(s_i)}

    (Silver et al. 2014, theorem 1.) With latent vectors for states, :math:`G` for the actor and
    :math:`Q(z, a) = \log D(a)` it is minus the gradient of a GAN's generator. It holds an action's derivative in every
    parameter for every state: for small networks, to check others by.

    Args:
        actor: maps states to actions, each by itself: no normalisation across the batch.
        value: :math:`Q`, maps states and actions to ``[batch]`` values.
        states: ``[batch, ...]``; latent vectors in a GAN.

    Returns:
        For each parameter's name the gradient of the mean value, which an actor ascends.
    """
    parameters = {name: parameter.detach() for name, parameter in actor.named_parameters()}
    actions = functional_call(actor, parameters, (states,)).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(value(states, actions).sum(), actions)

    def act(parameters: dict[str, Tensor], state: Tensor) -> Tensor:
        answer: Tensor = functional_call(actor, parameters, (state[None],))
        return answer[0]

    jacobians = vmap(jacfwd(act), in_dims=(None, 0), randomness="error")(parameters, states)
    return {
        name: (slopes.flatten() @ jacobian.reshape(slopes.numel(), -1)).view_as(parameters[name])
        / len(states)
        for name, jacobian in jacobians.items()
    }
