"""Further passes of a batch through a network that has already seen it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from advnotes import rng

__all__: list[str] = []


class Repeat:
    """Passes that repeat the draws of the one that follows this object's making and leave no trace.

    Dropout then sets the same units to zero in all of them, and what a pass writes into buffers (batch statistics,
    counters) is forgotten. The mode is the network's own.

    Args:
        owner: whose buffers are left alone; None where there are none.
        device: on which it draws.
    """

    def __init__(self, owner: nn.Module | None, device: torch.device) -> None:
        self.owner, self.device = owner, device
        self.states = rng.capture(device)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        # Copies instead of the buffers, not copied back: a backward pass may still want what these hold.
        places = [
            (module._buffers, name, buffer)
            for module in (self.owner.modules() if self.owner is not None else ())
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        with rng.preserved(self.device):
            rng.restore(self.states, self.device)
            try:
                for buffers, name, buffer in places:
                    buffers[name] = buffer.clone()
                yield
            finally:
                for buffers, name, buffer in places:
                    buffers[name] = buffer
