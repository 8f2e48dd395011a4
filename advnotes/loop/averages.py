"""Exponential moving averages of players, and copies of modules that hold results of a computation."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    r"""An exponential moving average of a player: :math:`a \leftarrow d\,a + (1 - d)\,\theta` after each step.

    Floating-point buffers are averaged with the parameters; counters are copied. Buffers are looked up by name at
    each update, since a ``forward`` may put another tensor in a buffer's place. (torch's ``AveragedModel`` asks the
    device for its counter at every update, which would hold the host up.)
    """

    def __init__(self, name: str, player: nn.Module, decay: float) -> None:
        try:
            self.module = copy_module(player).requires_grad_(False)
        except RuntimeError as error:
            raise ValueError(
                f"ema keeps a copy of {name!r}, and copying it failed: {error}. A module of it keeps a tensor with a "
                "history: keep tensor.detach() instead, or set it to None before play."
            ) from error
        self.player, self.decay = player, decay
        self._update = get_ema_multi_avg_fn(decay)
        self._parameters = _by_dtype(zip(self.module.parameters(), player.parameters(), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the player."""
        average_buffers = dict(self.module.named_buffers())
        pairs = []
        for name, current in self.player.named_buffers():
            average = average_buffers.get(name)
            if average is not None and (average.shape, average.dtype) == (current.shape, current.dtype):
                pairs.append((average, current))
            else:  # a buffer of another kind than before: there is nothing yet to take a mean with
                parent, _, label = name.rpartition(".")
                setattr(self.module.get_submodule(parent), label, current.detach().clone())
        for groups in (self._parameters, _by_dtype(pairs)):
            for dtype, (averages, currents) in groups.items():
                if dtype.is_floating_point:
                    self._update(averages, [current.detach() for current in currents], None)
                else:
                    for average, current in zip(averages, currents, strict=True):
                        average.copy_(current)


def copy_module(module: nn.Module) -> nn.Module:
    """A deep copy, also of a module that holds results of a computation, such as a kept activation.

    ``copy.deepcopy`` refuses tensors with a history. ``spectral_norm`` and ``weight_norm`` leave one as ``weight``,
    which they compute anew in every forward. The copy has the values of such tensors.
    """
    memo: dict[int, Any] = {}
    left: list[Any] = [vars(member) for member in module.modules()]
    met = set()
    while left:
        item = left.pop()
        if id(item) in met:
            continue
        met.add(id(item))
        if isinstance(item, Tensor):
            if not item.is_leaf:
                memo[id(item)] = item.detach().clone()
        elif isinstance(item, dict):
            left += item.values()
        elif isinstance(item, (list, tuple)):
            left += item
    return copy.deepcopy(module, memo)


def _by_dtype(pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[torch.dtype, tuple[list[Tensor], list[Tensor]]]:
    """Pairs of an averaged and a present tensor, in one list each for every dtype."""
    groups: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for average, current in pairs:
        averages, currents = groups.setdefault(average.dtype, ([], []))
        averages.append(average)
        currents.append(current)
    return groups
