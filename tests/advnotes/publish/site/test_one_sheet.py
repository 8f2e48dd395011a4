"""What to remember of each chapter, on one page."""

import json
from pathlib import Path
from typing import Any

import pytest

from advnotes.publish.site.one_sheet import one_sheet

PAGE = "# Sheet\n\n<!-- remember: begin -->\nnothing yet\n<!-- remember: end -->\n"


def cell(text: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {"tags": list(tags)}, "source": text}


def book(root: Path, **chapters: list[dict[str, Any]]) -> Path:
    (root / "book/part").mkdir(parents=True)
    (root / "book/intro.md").write_text("# Book\n")
    files = "".join(f"- file: book/part/{name}\n" for name in chapters)
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/intro\nchapters:\n{files}")
    for name, cells in chapters.items():
        (root / f"book/part/{name}.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))
    return root


def test_each_chapter_with_something_to_remember_has_its_part_in_the_books_order(tmp_path: Path) -> None:
    root = book(
        tmp_path,
        two=[cell("# Second"), cell("## What to remember\n\n- b", "remember")],
        none=[cell("# Nothing")],
        one=[cell("# First"), cell("## What to remember\n- a", "remember"), cell("- c")],
    )
    assert one_sheet(PAGE, root) == (
        "# Sheet\n\n## [Second](part/two.ipynb)\n\n- b\n\n## [First](part/one.ipynb)\n\n- a\n"
    )


def test_links_lead_where_they_led_from_the_chapter(tmp_path: Path) -> None:
    links = "[a](two.ipynb#x) [b](../other/c.ipynb) [d](https://a.org/b) [e](#f) [g](../map.md)"
    root = book(tmp_path, one=[cell("# First"), cell(links, "remember")])
    assert "[a](part/two.ipynb#x) [b](other/c.ipynb) [d](https://a.org/b) [e](#f) [g](map.md)" in one_sheet(
        PAGE, root
    )


def test_two_such_cells_and_a_page_without_a_place_are_refused(tmp_path: Path) -> None:
    root = book(tmp_path, one=[cell("- a", "remember"), cell("- b", "remember")])
    with pytest.raises(ValueError, match="part/one: expected one cell tagged 'remember', got 2"):
        one_sheet(PAGE, root)
    with pytest.raises(ValueError, match=r"one-sheet\.md: expected '<!-- remember: begin -->'"):
        one_sheet("# Sheet\n", root)
