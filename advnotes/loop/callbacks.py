"""What measures or ends a game from outside: the callbacks of ``play``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

import torch

from advnotes import rng
from advnotes.loop.history import State
from advnotes.loop.source import Stateful

Callback = Callable[[State], Mapping[str, float] | None]


class StopPlaying(Exception):  # noqa: N818 - it is no error
    """Raised by a callback to end the game here: ``play`` writes its checkpoint and returns the history.

    Args:
        reason: why, in words.
        metrics: what the callback measured, for ``history.metrics``.
    """

    def __init__(self, reason: str = "", metrics: Mapping[str, float] | None = None) -> None:
        super().__init__(reason)
        self.reason, self.metrics = reason, metrics


def run_callbacks(
    callbacks: Sequence[Callback], state: State, device: torch.device
) -> tuple[dict[str, float], str | None]:
    """What the callbacks measure, and why one of them wants to stop; modes and random numbers stay as they were.

    Raises:
        ValueError: where a callback returns something else than numbers by name.
    """
    watched = [module for top in (state.game, *state.averages.values()) for module in top.modules()]
    modes = [module.training for module in watched]
    row: dict[str, float] = {}
    stopped: str | None = None
    with rng.preserved(device):
        try:
            for callback in callbacks:
                for module in watched:
                    module.training = False
                found: object
                try:
                    found = callback(state)
                except StopPlaying as stop:
                    stopped = stop.reason or f"the callback {name_of(callback)} ended the game"
                    found = stop.metrics
                row |= _metrics(name_of(callback), found, row)
        finally:
            for module, mode in zip(watched, modes, strict=True):
                module.training = mode
    return row, stopped


def name_of(callback: object) -> str:
    """What a callback is called."""
    named = callback if inspect.isroutine(callback) or inspect.isclass(callback) else type(callback)
    return named.__name__


def stateful(callbacks: Sequence[Callback]) -> dict[str, Stateful]:
    """The callbacks with ``state_dict`` and ``load_state_dict``, by place and name."""
    every: Sequence[object] = callbacks
    return {f"{i} {name_of(one)}": one for i, one in enumerate(every) if isinstance(one, Stateful)}


def _metrics(callback: str, found: object, before: Mapping[str, float]) -> dict[str, float]:
    """What one callback measured, as numbers."""
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ValueError(
            f"the callback {callback} returns a mapping of numbers or None, got {type(found).__name__}."
        )
    taken = {"step", *before} & set(found)
    if taken:
        raise ValueError(
            f"the callback {callback} measures {sorted(taken)}, which is taken: give it another name."
        )
    row = {}
    for name, value in found.items():
        try:
            row[str(name)] = float(value)
        except (TypeError, ValueError, RuntimeError):
            shape = f" of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else ""
            raise ValueError(
                f"the callback {callback} returns one number for each name, got a {type(value).__name__}{shape} for "
                f"{name!r}: take its mean, or a name for each entry."
            ) from None
    return row
