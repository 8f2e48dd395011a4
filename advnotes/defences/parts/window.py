"""The sizes of a layer's windows, as its options give them."""

from typing import Any

from torch import nn

__all__ = ["pair", "same_padding"]


def pair(value: Any) -> tuple[int, int]:
    """A size in both directions, of one number or two."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def same_padding(layer: nn.Conv2d) -> tuple[int, int] | None:
    """The padding on each side that "same" means; None where the sides differ."""
    whole = [dilation * (size - 1) for dilation, size in zip(layer.dilation, layer.kernel_size, strict=True)]
    return None if any(size % 2 for size in whole) else (whole[0] // 2, whole[1] // 2)
