"""What is put into the pages for a reader who looks for the way: frames, links to words, names of folds, paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from advnotes.publish.chapters import Chapter
from advnotes.publish.site.folds import join_folds, name_folds
from advnotes.publish.site.frames import add_header, frames, seconds_of_running
from advnotes.publish.site.glossary import glossary_terms, link_terms, list_places
from advnotes.publish.site.one_sheet import one_sheet
from advnotes.publish.site.paths import start_page
from advnotes.publish.site.predict import mark_predictions

GLOSSARY, START, SHEET = "book/glossary.md", "book/start-here.md", "book/one-sheet.md"


class Guide:
    """Made once for a book, from its notebooks and from the pages that it has.

    Without a page of words no word is linked, and without a page of paths, or of what to remember, none is filled in.

    Args:
        root: the top of the repository.
        pages: path -> content of the pages that are no notebooks.
    """

    def __init__(self, root: Path, pages: Mapping[str, bytes]) -> None:
        self.root = root
        self.filled = {START: start_page, SHEET: one_sheet}
        self.given = {name: pages[name].decode() for name in self.filled if name in pages}
        self.frames, self.seconds = frames(root), seconds_of_running(root)
        self.glossary = pages[GLOSSARY].decode() if GLOSSARY in pages else ""
        self.terms = glossary_terms(self.glossary) if self.glossary else []
        self.places: dict[str, list[str]] = {}

    def add_to(self, notebook: Any, chapter: Chapter) -> None:
        """Link a chapter's words, join and name its folds, mark its questions, and put its frame under its title."""
        join_folds(notebook)
        name_folds(notebook)
        if self.terms:
            frame = self.frames.get(chapter.name)
            link = f"[{frame.short if frame else chapter.title}]({chapter.name}.ipynb)"
            for term in link_terms(notebook, self.terms):
                self.places.setdefault(term, []).append(link)
        mark_predictions(notebook)
        add_header(notebook, chapter, self.frames, self.seconds.get(chapter.name))

    def pages(self) -> dict[str, bytes]:
        """The pages that are filled in: path -> content; after the chapters, whose words the glossary lists."""
        pages = {name: self.filled[name](page, self.root).encode() for name, page in self.given.items()}
        if self.glossary:
            pages[GLOSSARY] = list_places(self.glossary, self.places).encode()
        return pages
