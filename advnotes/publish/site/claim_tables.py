"""How a chapter's claims are shown: cells in a row as one table and one fold, controls under what they control."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from advnotes.claims import MIME

#: The beginning of a claim's row, and the same for a control that stands under a paper's claim.
ROW, UNDER = '<div class="advnotes-claim"', '<div class="advnotes-claim advnotes-control"'

#: A statement that goes on with the sentence above it: it begins small, or leaves out its verb ("A linear one is not").
GOES_ON = re.compile(r"[a-z]|.*\b(?:do|does|is|are) not *(?:$|[:(])")


def join_claims(notebook: Any) -> None:
    """Make one cell of folded cells in a row that only state claims, and indent the controls of each table.

    Cells before them that compute something for the claims and show nothing are in the same fold. A control stands
    under the paper's claim above it where its sentence goes on with that claim's.
    """
    cells: list[Any] = []
    for joinable, row in groupby(notebook.cells, _joinable):
        run = list(row)
        cells += list(_joined(run)) if joinable else run
    notebook.cells = cells
    for cell in cells:
        _indent(cell)


def stored(output: Any) -> Any:
    """The record of the claim that an output shows, or None."""
    return output.get("data", {}).get(MIME)


def _joinable(cell: Any) -> bool:
    """Whether a cell is folded and shows claims or nothing."""
    folded = cell.cell_type == "code" and cell.metadata.get("tags", []) == ["hide-input"]
    return folded and all(stored(output) for output in cell.outputs)


def _joined(run: list[Any]) -> Iterator[Any]:
    """One cell for a run up to its last claim, and the cells after it as they are."""
    last = max((k for k, cell in enumerate(run) if cell.outputs), default=-1)
    if last >= 0:
        first = next(cell for cell in run if cell.outputs)
        whole = copy.deepcopy(first)
        whole.source = "\n\n\n".join(cell.source for cell in run[: last + 1])
        whole.outputs = [output for cell in run[: last + 1] for output in cell.outputs]
        yield whole
    yield from run[last + 1 :]


def _indent(cell: Any) -> None:
    under = False
    for output in cell.get("outputs", []):
        if record := stored(output):
            control = record["kind"] == "control"
            goes_on = GOES_ON.match(record["statement"]) is not None
            under = record["kind"] == "paper" or (control and under and goes_on)
            if control and under:
                output.data["text/html"] = output.data["text/html"].replace(ROW, UNDER, 1)
