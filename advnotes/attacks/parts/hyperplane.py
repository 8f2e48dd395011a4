r"""Projections onto a hyperplane inside a box: the shortest way to a linear boundary that keeps every pixel valid.

For a point :math:`x` in the box :math:`[l, u]^d`, each function finds

.. math:: \arg\min_\delta \lVert\delta\rVert_p \quad\text{with}\quad w^\top\delta = c,\; l \le x + \delta \le u

and, where no such :math:`\delta` exists, the one that brings :math:`w^\top\delta` as near to :math:`c` as the box
allows (Croce and Hein 2020b, section 3.1). A coordinate moves only in the direction
:math:`\mathrm{sign}(c\,w_i)`, by at most the room :math:`r_i` that the box leaves there, so that everything is said by
the sizes :math:`s_i = |\delta_i|` with :math:`\sum_i |w_i| s_i = |c|`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.threats import L1, L2, Bounds, Threat, tiny

__all__ = ["distances", "shortest_way"]


def distances(
    threat: Threat, gaps: Float[Tensor, "batch planes"], normals: Float[Tensor, "batch planes size"]
) -> Float[Tensor, "batch planes"]:
    r"""How far each hyperplane is where there is no box, :math:`|c| / \lVert w\rVert_q`; huge where :math:`w = 0`."""
    slopes = threat.dual_norm(normals.flatten(0, 1)).view_as(gaps)
    return gaps.abs() / slopes.clamp_min(tiny(slopes))


def shortest_way(
    threat: Threat,
    point: Float[Tensor, "batch size"],
    normal: Float[Tensor, "batch size"],
    gap: Float[Tensor, " batch"],
    bounds: Bounds,
) -> Float[Tensor, "batch size"]:
    r"""The shortest :math:`\delta` in the threat's norm with :math:`w^\top\delta = c` that stays in the box.

    Args:
        threat: only its norm counts: Linf, L2 or L1.
        point: within ``bounds``.
        normal: :math:`w`, finite. Where it is zero, so is :math:`\delta`.
        gap: :math:`c`.
        bounds: the box.
    """
    lowest, highest = bounds
    # In units of the largest weight nothing under- or overflows, and what did not matter still does not.
    scale = normal.abs().amax(dim=1, keepdim=True).clamp_min(tiny(normal))
    weight, direction = normal.abs() / scale, normal.sign() * gap.sign()[:, None]
    room = torch.where(direction > 0, highest - point, point - lowest)
    worth = weight * room
    amount = gap.abs()[:, None] / scale
    within_reach = amount < worth.sum(dim=1, keepdim=True)
    sizes = {L1: _sizes_l1, L2: _sizes_l2}.get(type(threat), _sizes_linf)
    way = sizes(weight, room, worth, torch.where(within_reach, amount, 0.0))
    return direction * torch.where(within_reach, way, room)


def _sizes_linf(weight: Tensor, room: Tensor, worth: Tensor, amount: Tensor) -> Tensor:
    r"""All coordinates move by the same :math:`t`, or by their room: :math:`s_i = \min(t, r_i)`."""
    return torch.minimum(_level(weight, room, worth, amount), room)


def _sizes_l2(weight: Tensor, room: Tensor, worth: Tensor, amount: Tensor) -> Tensor:
    r"""Coordinates move in proportion to their weight, or by their room: :math:`s_i = \min(t |w_i|, r_i)`."""
    limit = room / weight.clamp_min(torch.finfo(weight.dtype).eps ** 3)
    return torch.minimum(_level(weight.square(), limit, worth, amount) * weight, room)


def _sizes_l1(weight: Tensor, room: Tensor, worth: Tensor, amount: Tensor) -> Tensor:
    """The coordinates of the largest weights move by all their room, until the last one needs only a part of it."""
    order = weight.argsort(dim=1, descending=True, stable=True)
    weight, room, worth = (values.gather(1, order) for values in (weight, room, worth))
    left = amount - (worth.cumsum(dim=1) - worth)
    sizes = torch.minimum((left / weight.clamp_min(tiny(weight))).clamp_min(0), room)
    return torch.zeros_like(sizes).scatter(1, order, sizes)


def _level(slope: Tensor, limit: Tensor, worth: Tensor, amount: Tensor) -> Tensor:
    r"""The :math:`t` with :math:`\sum_i a_i \min(t, m_i) = c`, for slopes :math:`a_i` and limits :math:`m_i`.

    The sum is concave and piecewise linear in :math:`t`, so that Newton's method from 0 never passes the root and
    ends after finitely many steps, in practice a few; sorting the limits would take several times as long.

    Args:
        slope, limit, worth: :math:`a_i`, :math:`m_i` and their product.
        amount: :math:`c`, less than the limits allow in all.
    """
    t = torch.zeros_like(amount)
    while True:
        # Products with zeros and ones: on a processor several times as fast as torch.where.
        open_ = (limit > t).to(slope.dtype)
        free = (slope * open_).sum(dim=1, keepdim=True)
        rest = amount - (worth * (1 - open_)).sum(dim=1, keepdim=True)
        new = torch.where(free > 0, rest / free.clamp_min(tiny(free)), t)
        if not bool((new > t).any()):
            return t
        t = torch.maximum(new, t)
