"""The logit of a discriminator: one for each sample, its gradient in the input, and what its network must be."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model
from advnotes.precision import at_least_float32, full_precision

__all__ = ["check_logit_network", "input_gradients", "one_logit"]


def one_logit(network: Callable[[Tensor], Tensor], x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
    """The one number that a discriminator or a domain head gives to each sample, from ``[batch, 1]`` or ``[batch]``.

    Half precision comes back as float32, in which losses are to be computed.

    Raises:
        ValueError: where it gives another number of them.
    """
    logits = call_model(network, x)
    if logits.numel() != len(x):
        raise ValueError(
            f"expected one logit for each of {len(x)} samples, got shape {tuple(logits.shape)}: end the network with "
            "one output"
        )
    return at_least_float32(logits.flatten())


def input_gradients(
    network: Callable[[Tensor], Tensor], x: Float[Tensor, "batch ..."]
) -> Float[Tensor, "batch features"]:
    r"""The gradient :math:`\nabla_x \ell(x)` of a discriminator's logit at each sample, as a row: what is penalised.

    Differentiable in the network's parameters, also inside ``torch.no_grad()``, and in full precision under autocast;
    inside ``torch.inference_mode()`` the numbers are the same.
    Where the network normalises across the batch it is that of all samples' logits.

    Raises:
        ValueError: where the network does not give one logit to each sample.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone() if x.is_inference() else x
        with full_precision(x.detach()) as point:
            point.requires_grad_()
            (gradient,) = torch.autograd.grad(one_logit(network, point).sum(), point, create_graph=True)
            return gradient.flatten(1)


def check_logit_network(name: str, network: nn.Module, *, penalised: bool = False) -> None:
    """Refuse a discriminator whose output is no logit, or whose gradient cannot be penalised sample by sample.

    Args:
        name: of the network, for the message.
        network: its modules are looked at; what a ``forward`` computes by functions is not seen.
        penalised: whether a loss differentiates it in its input, or evaluates it on joined batches.

    Raises:
        ValueError: where it ends with a sigmoid or a softmax, or, with ``penalised``, has batch normalisation or
            another layer across the batch, which says so by ``across_batch = True``.
    """
    last = network
    while children := [
        child for child in last.children() if not isinstance(child, (nn.Flatten, nn.Identity))
    ]:
        if not isinstance(last, nn.Sequential) and len(children) > 1:
            break  # in which order they are called, only its forward knows
        last = children[-1]
    if isinstance(last, (nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, nn.Softmax, nn.LogSoftmax)):
        raise ValueError(
            f"the {name} ends with {type(last).__name__}, but a logit is wanted: leave that layer out, as the loss "
            "contains it"
        )
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) or getattr(module, "across_batch", False)
    ]
    if penalised and norms:
        raise ValueError(
            f"the {name} has {type(norms[0]).__name__}, by which a sample's gradient depends on the whole batch: this "
            "game wants one without such a layer, leave it out, or normalise with nn.LayerNorm, nn.GroupNorm or "
            "nn.InstanceNorm2d"
        )
