"""Adversarial inputs on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

__all__ = ["load_adversarial"]


def load_adversarial(path: str | os.PathLike[str]) -> tuple[Tensor, Tensor]:
    """The inputs after the attacks, and their labels, as :meth:`Report.save_adversarial` wrote them.

    They are data as ``evaluate`` and ``accuracy`` take them, to be tried on another model. In which bounds they lie, and
    within which threat of which samples, is that of the report.

    Raises:
        ValueError: where there is no such file, or it holds something else.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not {"x", "y", "fooled"} <= set(tensors):
        raise ValueError(
            f"{path} must hold x, y and fooled, as Report.save_adversarial writes them; it holds "
            f"{', '.join(tensors) or 'nothing'}"
        )
    return tensors["x"], tensors["y"]
