"""Bounds of every value of a network: intervals, and linear bounds where a rectifier's sign stays open."""

import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from advnotes.defences.intervals import interval
from advnotes.defences.parts.backward import Coefficients, linear_lower_bound
from advnotes.defences.parts.bounded_graph import BoundedGraph
from advnotes.defences.parts.known import Known, Lines
from advnotes.defences.parts.region import Region
from advnotes.defences.parts.rounding import Arithmetic, size_of
from advnotes.defences.parts.steps import Affine, Average, Convolution, Dense, Maximum, Rectifier, Sum

__all__ = ["ROOM", "known_values"]

#: How many coefficients are carried at a time.
ROOM = 2**22
#: From so many coefficients of a sample on, samples are bounded one after the other.
ALONE = 2**15
#: The coefficients that the units of one value may take for a sample: about 5 s of one thread.
MOST = 2**26


@torch.no_grad()
def known_values(
    graph: BoundedGraph, region: Region, *, linear: bool = True, deadline: float = math.inf
) -> Known:
    """Bounds of every value: by intervals and, where a rectifier's sign stays open, by linear functions.

    Args:
        graph: the network.
        region: where the inputs lie.
        linear: False for intervals alone.
        deadline: of ``time.perf_counter()``, from which on it is intervals alone.
    """
    arithmetic = Arithmetic.of(graph, region.x.device)
    known = Known(graph, arithmetic, [region.lower], [region.upper], [size_of(region.lower, region.upper)])
    # How often entries were summed on the way: intervals lose nothing the first time, in a box.
    mixed = [0 if region.is_box else 1]
    for number, step in enumerate(graph.steps, 1):
        inputs = [(known.lower[i], known.upper[i]) for i in step.inputs]
        known.errors.append(arithmetic.error(step, [known.sizes[i] for i in step.inputs]))
        low, high = interval(step, inputs, arithmetic)
        known.lower.append(low)
        known.upper.append(high)
        mixes = isinstance(step, (Dense, Convolution, Average, Sum, Rectifier, Maximum))
        mixed.append(max(mixed[i] for i in step.inputs) + mixes)
        readers = [s for s in graph.steps if number in s.inputs and isinstance(s, (Rectifier, Maximum))]
        if linear and readers and mixed[-1] > 1 and isinstance(step, Affine):
            _tighten(known, region, number, all(isinstance(s, Rectifier) for s in readers), deadline)
        known.sizes.append(size_of(known.lower[number], known.upper[number]))
        known.errors[-1] = known.errors[-1] + arithmetic.own(4) * known.sizes[-1]
        if isinstance(step, Rectifier):
            known.lines[number] = Lines.around(step, known.lower[step.inputs[0]], known.upper[step.inputs[0]])
    return known


def _tighten(known: Known, region: Region, number: int, signs: bool, deadline: float) -> None:
    """Linear bounds of a value's entries, of all or only of those whose sign is open.

    In a picture, pixel by pixel: a pixel depends on a part of the picture before it. Of a sample that would take more
    than :data:`MOST` coefficients, none is bounded so.
    """
    low, high = known.lower[number].clone(), known.upper[number].clone()
    known.sizes.append(size_of(low, high))
    shape = tuple(low.shape[1:])
    wanted = (low < 0) & (high > 0) if signs else torch.ones_like(low, dtype=torch.bool)
    wanted &= (low.isfinite() & high.isfinite()).flatten(1).all(dim=1).view(-1, *[1] * len(shape))
    largest = max(value[0].numel() for value in known.lower) if len(low) else 1
    wanted &= (wanted.flatten(1).sum(dim=1) * largest <= MOST).view(-1, *[1] * len(shape))
    corners = [(i, j) for i in range(shape[1]) for j in range(shape[2])] if len(shape) == 3 else [None]
    at_a_time = max(1, ROOM // (2 * largest))
    for corner in corners:
        part = (slice(None), slice(None), *(() if corner is None else corner))
        rows, entries = wanted[part].flatten(1).nonzero().unbind(1)
        # Of many entries of a sample, each costs less where they are alone: nothing is copied for them.
        alone = corner is None and len(rows) * known.lower[number - 1][0].numel() > ALONE * len(low)
        group = rows if alone else torch.zeros_like(rows)
        for chunk in _chunks(group, at_a_time):
            if time.perf_counter() > deadline:
                break
            row, entry = rows[chunk], entries[chunk]
            a = torch.zeros(2 * len(row), shape[0], dtype=low.dtype, device=low.device)
            each = torch.arange(len(row), device=low.device)
            a[each, entry], a[each + len(row), entry] = 1.0, -1.0
            start = Coefficients(a if corner is None else a[..., None, None], corner)
            twice = torch.cat([row, row])
            about = (known.sample(int(row[0])), region.take(row[:1])) if alone else (known, region)
            found = linear_lower_bound(about[0], number, start, 0 * twice if alone else twice, about[1])
            place = (row, entry, *(corner or ()))
            low[place] = torch.maximum(low[place], found[: len(row)])
            high[place] = torch.minimum(high[place], -found[len(row) :])
    known.sizes.pop()
    known.lower[number], known.upper[number] = low, high


def _chunks(group: Tensor, at_a_time: int) -> Iterator[Tensor]:
    """The places of each group's members, at most so many at a time; the groups are in order."""
    counts = torch.unique_consecutive(group, return_counts=True)[1].tolist()
    for part in torch.arange(len(group), device=group.device).split(counts):
        yield from part.split(at_a_time)
