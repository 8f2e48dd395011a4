"""A solution in one fold: the sentence that answers, and under it the code that shows it."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_design.dropdown import dropdown_main


class OneFold(SphinxPostTransform):
    """Moves the code of a solution into the fold of the answer above it, where there is one.

    It runs after myst-nb has made a fold of the code, and sphinx-design one of the answer.
    """

    default_priority = 250
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Called by Sphinx, once for each page."""
        for cell in list(self.document.findall(nodes.container)):
            if "tag_solution" in cell["classes"] and (answer := _answer_above(cell)) is not None:
                folds = [child for child in cell.children if isinstance(child, HideCodeCellNode)]
                for fold in folds:
                    cell.replace(fold, fold.children)
                cell.parent.remove(cell)
                answer.children[-1] += cell


def _answer_above(cell: nodes.Element) -> nodes.Element | None:
    """The fold that ends just above a cell, perhaps as the last part of a box."""
    above = cell.parent.index(cell) - 1
    found = cell.parent[above] if above >= 0 else None
    if isinstance(found, nodes.container) and "advnotes-predict" in found["classes"]:
        found = found.children[-1]
    return found if isinstance(found, dropdown_main) else None
