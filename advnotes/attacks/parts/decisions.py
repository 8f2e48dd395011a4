"""For attacks that are told nothing but the class: adversarial points to begin from, and the way to the boundary."""

import math
import warnings
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification
from advnotes.model_state import prediction
from advnotes.seeds import uniform
from advnotes.threats import Bounds, Linf, Threat, per_sample

__all__ = ["TRIES", "Decide", "NoStartWarning", "find_starts", "longest_step", "to_boundary"]

#: How many uniform images are tried as a start.
TRIES = 100

#: Which points, one for each of some samples (of those numbers), are adversarial.
Decide = Callable[[Tensor, Tensor], Tensor]


class NoStartWarning(UserWarning):
    """HopSkipJump found no image to begin from for some samples, and so did not attack them."""


def find_starts(
    objective: Classification,
    attack: NormAttack,
    x: Tensor,
    rows: Int[Tensor, " rows"],
    seeds: Tensor,
    starts: Tensor | None,
) -> tuple[Int[Tensor, " begun"], Float[Tensor, "begun ..."]]:
    """Those of some samples for which an adversarial point is found, and that point.

    Args:
        objective: what counts as adversarial.
        attack: whose range, threat and aim hold.
        x: all samples, ``[batch, ...]``.
        rows: the numbers of those that want a start.
        seeds: one for each sample, for uniform images.
        starts: images to choose from first.

    Warns:
        NoStartWarning: where none was found for some samples.
    """
    far, found = x[rows], torch.zeros_like(rows, dtype=torch.bool)
    if starts is not None:
        far, found = nearest_start(starts, objective, attack, x[rows], objective.y[rows])
    lowest, highest = attack.bounds
    for number in range(0 if attack.targeted else TRIES):
        missing = (~found).nonzero().squeeze(1)
        if len(missing) == 0:
            break
        tried = rows[missing]
        image = uniform(x[tried], x[0].numel(), seeds[tried], number).view_as(x[tried])
        image = lowest + (highest - lowest) * image.to(x)
        won = objective.rows(tried)(image)[1]
        far[missing[won]], found[missing[won]] = image[won], True
    if not bool(found.all()):
        warnings.warn(
            f"no start was found for {int((~found).sum())} of {len(x)} samples, which come back as they are and "
            "are not more robust for that: pass starts=, images that the model takes for other classes",
            NoStartWarning,
            stacklevel=4,
        )
    return rows[found], far[found]


def nearest_start(
    pool: Tensor,
    objective: Classification,
    attack: NormAttack,
    x: Float[Tensor, "rows ..."],
    y: Int[Tensor, " rows"],
) -> tuple[Float[Tensor, "rows ..."], Bool[Tensor, " rows"]]:
    """For each sample the nearest image that is adversarial for it, and whether there is one."""
    if pool.shape[1:] != x.shape[1:] or len(pool) == 0:
        raise ValueError(
            f"expected starts of shape [images, {', '.join(map(str, x.shape[1:]))}], like x, got "
            f"{tuple(pool.shape)}"
        )
    pool = pool.detach().to(x).clamp(*attack.bounds)
    said = torch.cat([prediction(objective.model(part)) for part in pool.split(256)])
    far, found = x.clone(), torch.zeros_like(y, dtype=torch.bool)
    for number in range(len(x)):
        won = said == y[number] if attack.targeted else said != y[number]
        length = attack.threat.norm(pool - x[number]).masked_fill(~won, torch.inf)
        far[number], found[number] = pool[length.argmin()], won.any()
    return far, found


def to_boundary(
    decide: Decide,
    threat: Threat,
    clean: Float[Tensor, "rows ..."],
    rows: Int[Tensor, " rows"],
    far: Float[Tensor, "rows ..."],
) -> Float[Tensor, "rows ..."]:
    """The point on the way from clean to adversarial ones at which it begins to be adversarial.

    That is Algorithm 1 of Chen, Jordan and Wainwright 2020: bisection, on a straight line, and in Linf over the radius
    of the ball that the adversarial point is projected on.
    """
    low, high = torch.zeros_like(rows, dtype=clean.dtype), torch.ones_like(rows, dtype=clean.dtype)

    def at(share: Tensor) -> Tensor:
        if isinstance(threat, Linf):
            limit = per_sample(share * threat.norm(far - clean), far)
            return clean + (far - clean).clamp(-limit, limit)
        return torch.lerp(clean, far, per_sample(share, far))

    for _ in range(math.ceil((2 if isinstance(threat, Linf) else 1.5) * math.log2(clean[0].numel()))):
        middle = (low + high) / 2
        won = decide(at(middle), rows)
        low, high = torch.where(won, low, middle), torch.where(won, middle, high)
    return torch.where(per_sample(high < 1, far), at(high), far)


def longest_step(
    decide: Decide,
    rows: Int[Tensor, " rows"],
    edge: Float[Tensor, "rows ..."],
    way: Float[Tensor, "rows ..."],
    length: Float[Tensor, " rows"],
    bounds: Bounds,
) -> Float[Tensor, "rows ..."]:
    """The longest of steps of halving lengths that ends at an adversarial point; none at all where 30 are too long."""
    far, waiting = edge.clone(), torch.arange(len(rows), device=rows.device)
    for _ in range(30):
        if len(waiting) == 0:
            break
        there = (edge[waiting] + per_sample(length[waiting], way[waiting]) * way[waiting]).clamp(*bounds)
        won: Bool[Tensor, " waiting"] = decide(there, rows[waiting])
        far[waiting[won]] = there[won]
        length, waiting = length / 2, waiting[~won]
    return far
