"""The states of all global random number generators, to be kept and put back; coins."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


def capture(device: torch.device) -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's generators, and that of ``device``, as plain values and tensors."""
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002 - the global generator is what is kept
        "torch": torch.get_rng_state(),
    }
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state(*_index(device))
    return states


def restore(states: dict[str, Any], device: torch.device) -> None:
    """Put back what :func:`capture` gave."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    # A checkpoint that was made on another kind of device has no state for this one: its stream starts anew.
    if device.type in states:
        torch.get_device_module(device).set_rng_state(states[device.type], *_index(device))


def seed(value: int) -> None:
    """Seed Python's, NumPy's and torch's generators (those of all devices) with a number from 0."""
    random.seed(value)
    np.random.seed(value % 2**32)  # noqa: NPY002
    torch.manual_seed(value)


@contextmanager
def preserved(device: torch.device) -> Iterator[None]:
    """Leave all generators as they were, whatever is drawn inside."""
    states = capture(device)
    try:
        yield
    finally:
        restore(states, device)


def bernoulli(probabilities: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Zeros and ones, each a one with its probability, drawn from ``generator`` on whatever device it is."""
    where = probabilities.device if generator is None else generator.device
    drawn = torch.rand(probabilities.shape, generator=generator, device=where, dtype=probabilities.dtype)
    return (drawn.to(probabilities.device) < probabilities).to(probabilities)


def _index(device: torch.device) -> tuple[torch.device, ...]:
    """The argument that says which device is meant; Apple's GPU is always the only one and takes none."""
    return () if device.type == "mps" else (device,)
