"""The frame of a chapter: what a reader finds at the same place in each, and how much code stays in sight."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
DRAWING = ("plots.show(", "sliders.show(")
MOST_LINES, MOST_IN_A_CELL, BEFORE_THE_PICTURE, REMEMBERED = 200, 15, 2, 5

Cell = Mapping[str, Any]


def tags(cell: Cell) -> set[str]:
    return set(cell["metadata"].get("tags", []))


def visible(cell: Cell) -> bool:
    return cell["cell_type"] == "code" and not FOLDED & tags(cell)


def lines(cell: Cell) -> int:
    return sum(bool(line.strip()) for line in cell["source"].splitlines())


def draws(cell: Cell) -> bool:
    return cell["cell_type"] == "code" and any(call in cell["source"] for call in DRAWING)


def faults(cells: Sequence[Cell]) -> list[str]:
    """What a chapter's frame lacks, a sentence each."""
    found = []
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    heads = [cell["source"].lstrip().splitlines()[0] if cell["source"].strip() else "" for cell in cells]
    remembered = [k for k, cell in enumerate(cells) if "remember" in tags(cell)]
    if len(remembered) != 1 or heads[remembered[0]] != "## What to remember":
        found.append("expected one cell tagged 'remember' that begins with '## What to remember'")
    else:
        points = [line for line in cells[remembered[0]]["source"].splitlines() if line.startswith("- ")]
        if not 3 <= len(points) <= REMEMBERED:
            found.append(f"expected 3 to {REMEMBERED} points to remember, got {len(points)}")
        if "## Claims" in heads and heads.index("## Claims") < remembered[0]:
            found.append("expected 'What to remember' before 'Claims'")
    in_sight = sum(lines(cell) for cell in code if visible(cell))
    if in_sight > MOST_LINES:
        found.append(f"expected at most {MOST_LINES} lines of code in sight, got {in_sight}")
    found += [
        f"expected at most {MOST_IN_A_CELL} lines in a cell in sight, got {lines(cell)}: {cell['source'][:40]!r}"
        for cell in code
        if visible(cell) and lines(cell) > MOST_IN_A_CELL
    ]
    drawn = [k for k, cell in enumerate(code) if draws(cell)]
    before = sum(visible(cell) for cell in code[: drawn[0]]) if drawn else 0
    if not drawn or before > BEFORE_THE_PICTURE:
        found.append(
            f"expected a picture after at most {BEFORE_THE_PICTURE} cells of code in sight, got {before}"
        )
    calls = [
        *(("draws", call) for call in DRAWING),
        ("states claims", "claim("),
        ("tells sentences", "tell("),
    ]
    for kind, piece in calls:
        found += [
            f"expected a cell that {kind} to be folded, got one in sight: {cell['source'][:40]!r}"
            for cell in code
            if visible(cell) and any(line.startswith(piece) for line in cell["source"].splitlines())
        ]
    for one, other in pairwise(cells):
        if all(visible(cell) and "claim(" in cell["source"] for cell in (one, other)):
            found.append("expected no two cells with claims in a row in sight")
    return found
