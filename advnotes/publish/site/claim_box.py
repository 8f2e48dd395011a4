"""The claim of a chapter, in a box under the figure that shows it.

The notebook's metadata says which claim it is, and in which cell its figure is drawn: ``claim`` and ``beside`` under
``advnotes``. In the source the claim stands in its cell like the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nbformat

from advnotes.claim_verdicts import EDGE, FAILS, UNJUDGED
from advnotes.publish.scorecard.collect import Row
from advnotes.publish.site.claim_tables import stored
from advnotes.publish.site.frames import Frame
from advnotes.publish.templating import block

BOX = "the-claim"
MARK = (
    f'<span class="chosen">The claim of this chapter, <a href="#{BOX}">beside its figure</a></span>\n</div>'
)


def show_the_claim(notebook: Any, frame: Frame | None, rows: Sequence[Row]) -> None:
    """Put a chapter's claim under its figure, and mark it in the table of claims.

    A row that stands by itself in the figure's own section gives way to the box, which would say the same again.
    Nothing is done where the execution that is shown has no such claim or no such cell, as a stale one may have.
    """
    row = next((row for row in rows if frame and row.claim.id == frame.claim), None)
    places = [k for k, cell in enumerate(notebook.cells) if frame and cell.get("id") == frame.beside]
    if row is None or not places:
        return
    name, link = BOX, row.claim.anchor
    for k, cell in enumerate(notebook.cells):
        claims = [output for output in cell.get("outputs", []) if stored(output)]
        for output in claims:
            if stored(output)["id"] == row.claim.id:
                if len(claims) == 1 and places[0] <= k < _end_of_section(notebook.cells, places[0]):
                    cell.outputs.remove(output)
                    name, link = row.claim.anchor, "claims"
                else:
                    shown = output.data["text/html"].rstrip()
                    output.data["text/html"] = shown.removesuffix("</div>") + MARK
    notebook.cells.insert(places[0] + 1, nbformat.v4.new_markdown_cell(box(row, name, link), id=BOX))


def _end_of_section(cells: Sequence[Any], start: int) -> int:
    """The place of the first text after a cell that has a heading."""
    texts = ((k, cell.source) for k, cell in enumerate(cells) if k > start and cell.cell_type == "markdown")
    found = (k for k, text in texts if any(line.startswith("## ") for line in text.splitlines()))
    return next(found, len(cells))


def box(row: Row, name: str, link: str) -> str:
    """A claim as a box: what the paper says, the bound, what was measured on this page, and the verdict over all runs.

    Args:
        row: the claim with all its runs.
        name: the box's anchor.
        link: the anchor that it leads to: the claim's row among the others, or where they begin.
    """
    claim, here = row.claim, row.here or row.claim
    word = "machine" if len(row.runs) == 1 else "machines"
    facts = [
        ("Paper", f"{claim.paper} [{claim.where}]" if claim.where else claim.paper),
        ("Bound", f"{claim.bound.text(claim.format)} ({claim.bound.by}, {claim.bound.on})"),
        ("Here", here.here),
    ]
    note = "The smoke profile only shows that the code runs." if claim.profile == "smoke" else ""
    if row.verdict != UNJUDGED:
        facts.append(
            ("In all", f"mean {claim.show(row.found.mean)} over {len(row.runs)} {word}: {row.verdict}")
        )
    if row.verdict in (EDGE, FAILS):
        note = claim.reason or ""
    return block(
        "claim.html",
        name=name,
        link=link,
        verdict=row.verdict,
        statement=claim.statement,
        facts=facts,
        note=note,
    )
