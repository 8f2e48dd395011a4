"""What needs what, as a picture: chapters in layers from left to right, a line from each to those that need it.

A chapter stands one layer behind the last of those that it needs. Each layer is a column; the rows are those of a
tree, in which a chapter hangs on the first chapter of the layer before it that it needs. Other needs are drawn as
dashed lines. No two chapters of a layer can meet, because the leaves below them have rows of their own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advnotes.publish.site.frames import Frame
from advnotes.publish.templating import block

WIDTH, HEIGHT = 78, 48  # of a box, in the units of the picture: about pixels on a phone
COLUMN, ROW = 92, 56  # from box to box
LETTERS = 12  # that a line of a box has room for
LINE = 13.5  # from one line of text to the next


@dataclass(frozen=True)
class Place:
    """Where a chapter stands: its layer, and its row, which may lie between two."""

    layer: int
    row: float

    @property
    def x(self) -> float:
        """The left side of the box."""
        return self.layer * COLUMN + 1.0

    @property
    def y(self) -> float:
        """The upper side of the box."""
        return self.row * ROW + 1.0


def layers(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Chapter -> one more than the highest layer of what it needs; 0 for one that needs nothing."""
    found: dict[str, int] = {}

    def layer(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((layer(need) for need in needs[name]), default=-1)
        return found[name]

    return {name: layer(name) for name in needs}


def hangs_on(needs: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
    """Chapter -> the first one of the layer before it that it needs; None where it needs nothing."""
    at = layers(needs)
    return {
        name: next((need for need in wanted if at[need] == at[name] - 1), None)
        for name, wanted in needs.items()
    }


def essential(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The needs without those that another need brings along."""
    brought: dict[str, set[str]] = {}

    def all_of(name: str) -> set[str]:
        if name not in brought:
            brought[name] = {deep for need in needs[name] for deep in {need, *all_of(need)}}
        return brought[name]

    return {
        name: [need for need in wanted if not any(need in all_of(other) for other in wanted)]
        for name, wanted in needs.items()
    }


def places(needs: Mapping[str, Sequence[str]]) -> dict[str, Place]:
    """Where each chapter stands; beside each other they stand in the order in which they are given."""
    at, above = layers(needs), hangs_on(needs)
    rows: dict[str, float] = {}

    def settle(name: str, free: int) -> int:
        """Give rows to a chapter and to all that hang on it, from the first free one on; return the next free one."""
        below = [other for other in needs if above[other] == name]
        if not below:
            rows[name] = float(free)
            return free + 1
        for other in below:
            free = settle(other, free)
        rows[name] = (rows[below[0]] + rows[below[-1]]) / 2
        return free

    free = 0
    for name in needs:
        if above[name] is None:
            free = settle(name, free)
    return {name: Place(at[name], rows[name]) for name in needs}


def picture(frames: Mapping[str, Frame], minutes: Mapping[str, int]) -> str:
    """The picture as HTML, for a page that lies in ``book/``."""
    needs = essential({name: frame.needs for name, frame in frames.items()})
    at, above = places(needs), hangs_on(needs)
    middle = HEIGHT / 2
    lines = []
    for name, wanted in needs.items():
        for need in wanted:
            x, y = at[need].x + WIDTH, at[need].y + middle
            x2, y2 = at[name].x, at[name].y + middle
            bend = (COLUMN - WIDTH) / 2
            path = f"M{x:g} {y:g}C{x + bend:g} {y:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
            lines.append((path, above[name] != need))
    boxes = []
    for name, frame in frames.items():
        text = [*textwrap.wrap(frame.short, LETTERS), f"{minutes[name]} min"]
        first = at[name].y + middle - LINE * (len(text) - 1) / 2 + 4
        rows = [(at[name].x + WIDTH / 2, first + LINE * k, line) for k, line in enumerate(text)]
        boxes.append((f"{name}.html", at[name].x, at[name].y, rows))
    return block(
        "needs.html",
        width=max(place.x for place in at.values()) + WIDTH + 1,
        height=max(place.y for place in at.values()) + HEIGHT + 1,
        box=(WIDTH, HEIGHT),
        lines=lines,
        boxes=boxes,
        description=_description(frames, needs),
    )


def _description(frames: Mapping[str, Frame], needs: Mapping[str, Sequence[str]]) -> str:
    """The picture in words."""
    said = [
        f"{frames[name].short} needs {' and '.join(frames[need].short for need in wanted)}."
        if wanted
        else f"{frames[name].short} needs no other chapter."
        for name, wanted in needs.items()
    ]
    return " ".join(said)
