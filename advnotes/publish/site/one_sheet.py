"""The page *The book on one sheet*: what to remember of each chapter, taken from its cell tagged ``remember``."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from advnotes.publish.chapters import Chapter, chapters

PLACE = re.compile(r"<!-- remember: begin -->.*<!-- remember: end -->", re.DOTALL)
#: A link to another page of the book, from a chapter's own folder.
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(?=[#)])")
HEADING = re.compile(r"^#+ [^\n]*\n+")


def one_sheet(page: str, root: Path) -> str:
    """The page with a part for each chapter that has something to remember, in the book's order.

    Raises:
        ValueError: where the page has no place for it.
    """
    if not PLACE.search(page):
        raise ValueError(
            "book/one-sheet.md: expected '<!-- remember: begin -->' and '<!-- remember: end -->', got none"
        )
    parts = [
        f"## [{chapter.title}]({chapter.name}.ipynb)\n\n{text}"
        for chapter in chapters(root)
        if (text := remembered(chapter))
    ]
    return PLACE.sub(lambda _: "\n\n".join(parts), page)


def remembered(chapter: Chapter) -> str:
    """What to remember of a chapter without its heading, with links as from ``book/``; "" where it has none."""
    found = [
        "".join(cell["source"]) for cell in chapter.cells if "remember" in cell["metadata"].get("tags", [])
    ]
    if len(found) > 1:
        raise ValueError(f"{chapter.name}: expected one cell tagged 'remember', got {len(found)}: join them")
    here = posixpath.dirname(chapter.name)
    text = HEADING.sub("", found[0]).strip() if found else ""
    return LINK.sub(lambda link: posixpath.normpath(posixpath.join(here, link[1])), text)
