"""Inputs and labels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "check_floating",
    "check_inputs",
    "check_labels",
    "check_range",
    "check_same_kind",
    "clip_rounding",
]


#: Inputs may miss the ends of their range by so much of it: the rounding of a normalisation that was undone.
ROUNDING = 1e-6


def check_inputs(x: object, y: object, bounds: tuple[float, float] | None) -> None:
    """Raise ValueError for a batch that an attack or a game would silently get wrong.

    Args:
        x: floating point, ``[batch, ...]``, within ``bounds`` up to :data:`ROUNDING` of their width.
        y: int64, ``[batch]``, from 0 on, on the device of ``x``.
        bounds: the range of the input; None where a game moves no input: then any finite ``x`` will do, token ids too.
    """
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        raise ValueError(
            f"inputs and labels must be tensors, got {type(x).__name__} and {type(y).__name__}: "
            "torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y)?"
        )
    if bounds is not None:
        check_floating(x, bounds)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"inputs must be a batch of at least one, [batch, ...], got shape {tuple(x.shape)}")
    if y.shape == (1,) and len(x) != 1 and x.ndim < 4:
        raise ValueError(
            f"got one label for inputs of shape {tuple(x.shape)}, which is read as a batch of {len(x)}: for a single "
            "sample add the batch dimension, x[None]"
        )
    check_labels(y, len(x))
    if y.dtype != torch.int64:
        raise ValueError(f"labels must be int64 class numbers, got {y.dtype}: y.long()")
    if y.device != x.device:
        raise ValueError(f"inputs are on {x.device} and labels on {y.device}: move them to one device")
    if bounds is not None or x.is_floating_point():
        check_range(x, bounds or (-math.inf, math.inf))
    if int(y.min()) < 0:
        raise ValueError(f"labels must be class numbers from 0, got {int(y.min())}")


def check_floating(x: Tensor, bounds: tuple[float, float] = (0.0, 1.0)) -> None:
    """Raise ValueError for inputs that are not floating point; bytes are told from what may be token ids."""
    if x.is_floating_point():
        return
    if x.dtype == torch.uint8:
        raise ValueError(
            f"inputs must be floating point, got {x.dtype}: for pixels in [0, 1], x.float() / 255"
        )
    raise ValueError(
        f"inputs must be floating point within [{bounds[0]:g}, {bounds[1]:g}], got {x.dtype}: x.float() for "
        "numbers; token ids cannot move by a small step: split the model after its embedding and attack that"
    )


def check_labels(y: Tensor, count: int, where: str = "") -> None:
    """Raise ValueError for labels that are not one class number for each sample, with the advice that fits their shape.

    Args:
        y: the labels.
        count: how many samples there are.
        where: added to the message, such as " in batch 3".
    """
    if y.shape == (count,) and not (y.is_floating_point() or y.is_complex() or y.dtype == torch.bool):
        return
    if y.shape == (count,):
        advice = "y.long(), where they are class numbers"
    elif y.shape == (count, 1):
        advice = "y.squeeze(1)"
    elif y.ndim >= 3:
        advice = "one label for each sample is supported, not one for each pixel (segmentation)"
    elif y.ndim == 2 and len(y) == count and _one_hot(y):
        advice = "for one-hot labels, y.argmax(dim=1)"
    elif y.ndim == 2 and len(y) == count:
        advice = "several classes for one sample (multi-label) or soft labels are not supported"
    elif y.ndim == 0 or len(y) != count:
        advice = f"as many labels as samples, {count}"
    else:
        advice = "one class number for each sample"
    raise ValueError(
        f"labels must be class numbers of shape ({count},), got {y.dtype} of shape {tuple(y.shape)}{where}: {advice}"
    )


def _one_hot(y: Tensor) -> bool:
    return bool(((y == 0) | (y == 1)).all() & (y.sum(dim=1) == 1).all())


def check_range(x: Tensor, bounds: tuple[float, float], mend: str = "pass bounds= to the attack") -> None:
    """Raise ValueError for inputs that are not finite or, beyond rounding, not within ``bounds``; the first is named.

    Args:
        x: the inputs.
        bounds: their range.
        mend: what else helps, where the range is right for these inputs.
    """
    lowest, highest = bounds
    slack = ROUNDING * (highest - lowest)
    least, most = (end.item() for end in x.aminmax())
    if lowest - slack <= least and most <= highest + slack and math.isfinite(least) and math.isfinite(most):
        return
    values = x.flatten(1).double()
    wrong = ~(values.isfinite() & (values >= lowest - slack) & (values <= highest + slack)).all(dim=1)
    bad = int(wrong.nonzero()[0, 0])
    least, most = (end.item() for end in values[bad].aminmax())
    got = f"got values from {least:.4g} to {most:.4g} in sample {bad}"
    if not (math.isfinite(least) and math.isfinite(most)):
        raise ValueError(f"inputs must be finite, {got}: mend or leave out such samples")
    raise ValueError(
        f"inputs must lie within [{lowest:g}, {highest:g}], {got}: keep images in their natural range and put the "
        f"normalisation into the model (advnotes.nets.Normalize), or {mend}"
    )


def clip_rounding(x: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Inputs that passed :func:`check_range`, brought back to the ends that rounding missed."""
    lowest, highest = bounds
    least, most = x.aminmax()
    return x if bool((least >= lowest) & (most <= highest)) else x.clamp(lowest, highest)


def check_same_kind(name: str, x: object, other_name: str, other: Tensor) -> None:
    """Raise ValueError where inputs differ from those of another sort in shape, dtype or device, or are not finite."""
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} must be a tensor, got {type(x).__name__}")
    if x.shape[1:] != other.shape[1:]:
        colours = (
            x.ndim == other.ndim == 4 and x.shape[2:] == other.shape[2:] and 1 in (x.shape[1], other.shape[1])
        )
        advice = (
            "x.repeat(1, 3, 1, 1) gives gray images three channels" if colours else "bring both to one shape"
        )
        raise ValueError(
            f"{name} have the shape {tuple(x.shape[1:])}, {other_name} {tuple(other.shape[1:])}: {advice}"
        )
    if x.dtype != other.dtype or x.device != other.device:
        raise ValueError(
            f"{name} are {x.dtype} on {x.device}, {other_name} {other.dtype} on {other.device}: bring both to one "
            "dtype and device"
        )
    if x.is_floating_point() and x.numel():
        check_range(x, (-math.inf, math.inf))
