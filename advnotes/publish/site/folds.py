"""Folded code on a page: cells in a row make one fold, and its name says what is in it."""

from __future__ import annotations

import copy
from typing import Any

#: The first that fits: a tag, or a piece of the code, and the words for it.
TAGS = {"solution": "the solution", "tell": "where these numbers come from", "parameters": "the parameters"}
CODE = {"plots.show(": "how it is drawn", "sliders.show(": "how it is drawn", "claim(": "how it is judged"}
OTHER = "the code"
#: The first cells of a chapter, up to the line that says on what it runs.
CODE["find_spec("] = "the set-up"


def join_folds(notebook: Any) -> None:
    """Put folded cells in a row into one fold where they hold the same kind of code, or are a chapter's first cells.

    What shows something ends a fold. The last cell keeps its name and what it shows; the code of those before it stands
    above its own.
    """
    cells: list[Any] = []
    for cell in notebook.cells:
        if cells and _joinable(cells[-1], cell):
            before = cells.pop()
            cell = copy.deepcopy(cell)
            cell.source = f"{before.source}\n\n\n{cell.source}"
            if cell.metadata.tags != before.metadata.tags:
                cell.metadata.tags = ["hide-input"]
        cells.append(cell)
    notebook.cells = cells


def _joinable(before: Any, cell: Any) -> bool:
    """Whether two cells are folded, the first shows nothing, and what they hold has one name."""
    if not all(
        one.cell_type == "code" and "hide-input" in one.metadata.get("tags", []) for one in (before, cell)
    ):
        return False
    first, second = (content(one.metadata.tags, one.source) for one in (before, cell))
    started = first == CODE["find_spec("] and second in (CODE["find_spec("], TAGS["parameters"], OTHER)
    return not before.outputs and (started or first == second)


def name_folds(notebook: Any) -> None:
    """Give each folded cell of code the words that open and close it."""
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and {"hide-input", "hide-cell"} & set(tags):
            words = content(tags, cell.source)
            options = cell.metadata.setdefault("mystnb", {})
            options["code_prompt_show"], options["code_prompt_hide"] = f"Show {words}", f"Hide {words}"


def content(tags: list[str], source: str) -> str:
    """What a folded cell holds."""
    fitting = [words for tag, words in TAGS.items() if tag in tags]
    fitting += [words for piece, words in CODE.items() if piece in source]
    return fitting[0] if fitting else OTHER
