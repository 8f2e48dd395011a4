"""Today's prose with the outputs of the last execution: what is shown of an executed chapter."""

from __future__ import annotations

import copy
from typing import Any

from advnotes.publish.chapters import as_counted


def merge_outputs(source: Any, executed: Any) -> Any:
    """The source notebook with the executed copy's outputs, in new objects.

    Headings, text, titles and the tags that hide a cell are the source's; outputs, the injected parameters and the
    widgets' state are the copy's. Where the code has changed since the execution, outputs would stand under
    cells that did not make them: then the executed copy is returned as it is.
    """
    made = [cell for cell in executed.cells if cell.cell_type == "code" and not _injected(cell)]
    ours = [cell for cell in source.cells if cell.cell_type == "code"]
    if [as_counted(cell.source) for cell in made] != [as_counted(cell.source) for cell in ours]:
        return executed
    # The same code in the same order: so the nth cell made the nth outputs, whatever the cells are called by now.
    whole = copy.deepcopy(source)
    whole.metadata = {**copy.deepcopy(executed.metadata), **whole.metadata}
    if language := executed.metadata.get("language_info"):
        whole.metadata.language_info = copy.deepcopy(language)
    outputs = iter(made)
    for cell in whole.cells:
        if cell.cell_type == "code":
            from_there = next(outputs)
            cell.outputs = copy.deepcopy(from_there.outputs)
            cell.execution_count = from_there.execution_count
    for index, cell in enumerate(executed.cells):
        if _injected(cell):
            before = sum(other.cell_type == "code" for other in executed.cells[:index])
            whole.cells.insert(_after(whole.cells, before), copy.deepcopy(cell))
    return whole


def _injected(cell: Any) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", [])


def _after(cells: list[Any], number: int) -> int:
    """The place after so many code cells."""
    places = [index + 1 for index, cell in enumerate(cells) if cell.cell_type == "code"]
    return places[number - 1] if number else 0
