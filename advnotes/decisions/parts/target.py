"""A target network (Mnih et al. 2015), in the form of Lillicrap et al. 2015: a copy that trails a network."""

from typing import Any

import torch
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.loop.averages import copy_module

__all__ = ["TargetNetwork"]


class TargetNetwork(nn.Module):
    r"""A copy of a network that trails it: :math:`\bar\theta \leftarrow \bar\theta + \tau\,(\theta - \bar\theta)`.

    (Lillicrap et al. 2015, algorithm 1.) It is called like the network. What the copy holds are buffers, not
    parameters: it is saved with the game that it is part of, and no optimizer moves it. Gradients pass through it to
    its inputs.

    Args:
        network: what is copied now, and followed by :meth:`follow`; it is no part of this module.
        rate: :math:`\tau`, above 0; 1 makes the copy equal to the network each time that it follows.

    Raises:
        ValueError: where ``rate`` is not above 0 and at most 1; when it follows, where the network has other
            parameters than the one that was copied.
    """

    def __init__(self, network: nn.Module, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = check_number("rate", rate, above=0.0, most=1.0)
        self.network = copy_module(network)
        copies: dict[Tensor, Tensor] = {}  # what two modules share, such as tied weights, they share here too
        for module in self.network.modules():
            for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
                delattr(module, name)
                module.register_buffer(name, copies.setdefault(parameter, parameter.detach()))

    def forward(self, *inputs: Any) -> Tensor:
        """What the copy answers."""
        answer: Tensor = self.network(*inputs)
        return answer

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Move towards the network as it is now; what counts, such as batches seen, is copied."""
        mine = dict(self.network.named_buffers())
        others = dict(network.named_parameters()) | dict(network.named_buffers())
        parts = {name: others[name].detach() for name in mine if name in others}
        if [part.shape for part in parts.values()] != [buffer.shape for buffer in mine.values()]:
            raise ValueError(
                "this target network was made of a network with other parameters: make a new TargetNetwork(network)"
            )
        moved = [name for name in mine if mine[name].is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in moved], [parts[name] for name in moved], self.rate)
        for name in mine.keys() - set(moved):
            mine[name].copy_(parts[name])
