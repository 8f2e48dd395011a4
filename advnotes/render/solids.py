"""Convex solids with pictures on their flat faces."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Solid", "box", "card"]


class Solid(NamedTuple):
    """Parallelograms that enclose a convex body (or both sides of a flat one), seen from outside.

    A face is the points ``centre + a * right + b * down`` with a, b in [-1, 1], where ``right`` and ``down`` are the
    texture's own; its outer normal is ``down x right``.
    """

    centre: Float[Tensor, "faces 3"]
    right: Float[Tensor, "faces 3"]
    down: Float[Tensor, "faces 3"]
    texture: Float[Tensor, "faces channels rows columns"]


def box(size: tuple[float, float, float], textures: Float[Tensor, "sides channels rows columns"]) -> Solid:
    """A box around the origin with a picture on each side: a cube where the three sizes are equal.

    Args:
        size: width, height and depth.
        textures: front, right, back, left, top and bottom, in [0, 1], each stretched over its side. At pose zero the
            front faces the camera; right is the camera's right.

    Raises:
        ValueError: where there are not six textures or a size is not positive.
    """
    if textures.ndim != 4 or len(textures) != 6 or min(size) <= 0:
        raise ValueError(
            f"a box wants a positive size and textures [6, channels, rows, columns], got {size} and textures "
            f"{tuple(textures.shape)}: torch.stack six pictures of one size"
        )
    x, y, z = torch.diag(textures.new_tensor(size) / 2)
    return Solid(
        torch.stack([-z, x, z, -x, -y, y]),
        torch.stack([x, z, -x, -z, x, x]),
        torch.stack([y, y, y, y, -z, z]),
        textures,
    )


def card(
    front: Float[Tensor, "channels rows columns"],
    back: Float[Tensor, "_ _ _"] | None = None,
    size: tuple[float, float] = (1.0, 1.0),
) -> Solid:
    """A flat card with a picture on each side; without a ``back`` the front shows through, mirrored.

    Raises:
        ValueError: where the two pictures differ in shape or a size is not positive.
    """
    back = front.flip(-1) if back is None else back
    if front.ndim != 3 or front.shape != back.shape or min(size) <= 0:
        raise ValueError(
            f"a card wants a positive size and two pictures [channels, rows, columns] of one shape, got {size}, "
            f"{tuple(front.shape)} and {tuple(back.shape)}"
        )
    x, y = torch.diag(front.new_tensor([*size, 1.0]) / 2)[:2]
    flat = torch.zeros_like(x)
    return Solid(
        torch.stack([flat, flat]), torch.stack([x, -x]), torch.stack([y, y]), torch.stack([front, back])
    )
