"""Every chapter has the frame that the book promises; the rules see what breaks it."""

import copy
from pathlib import Path
from typing import Any

import pytest

from advnotes.publish.chapters import Chapter, chapters
from tests.book.frame_rules import faults

CHAPTERS = chapters(Path(__file__).resolve().parents[2])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_has_its_frame(chapter: Chapter) -> None:
    assert faults(chapter.cells) == []


def code(source: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source}


def text(source: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {"tags": list(tags)}, "source": source}


WHOLE = [
    text("# Title"),
    code("import advnotes", "hide-input"),
    code("x = 1"),
    code("plots.show(figure, alt='a')", "hide-input"),
    text("## What to remember\n- one\n- two\n- three", "remember"),
    text("## Claims"),
    code("claim('a', id='a')", "hide-input"),
]


def test_a_whole_frame_has_no_fault() -> None:
    assert faults(WHOLE) == []


def without_tags(cells: list[dict[str, Any]], k: int) -> list[dict[str, Any]]:
    cells[k]["metadata"]["tags"] = []
    return cells


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda cells: cells[:4] + cells[5:], "one cell tagged 'remember'"),
        (lambda cells: [*cells, cells[4]], "one cell tagged 'remember'"),
        (lambda cells: [*cells[:4], *cells[5:], cells[4]], "before 'Claims'"),
        (
            lambda cells: [*cells[:4], text("## What to remember\n- one", "remember"), *cells[5:]],
            "3 to 5 points",
        ),
        (lambda cells: [*cells, *[code("a = 1\n" * 10)] * 20], "200 lines of code in sight, got 201"),
        (lambda cells: [*cells, code("a = 1\n" * 16)], "15 lines in a cell in sight, got 16"),
        (lambda cells: [*cells[:3], code("y = 1"), code("z = 1"), *cells[3:]], "a picture after at most 2"),
        (lambda cells: cells[:3] + cells[4:], "a picture after at most 2"),
        (lambda cells: without_tags(cells, 3), "a cell that draws to be folded"),
        (
            lambda cells: [*cells, code("sliders.show(frames, labels, name='λ', alt='a')")],
            "a cell that draws to be folded",
        ),
        (lambda cells: without_tags(cells, 6), "a cell that states claims to be folded"),
        (lambda cells: [*cells, code("tell('x')")], "a cell that tells sentences to be folded"),
        (
            lambda cells: [*cells, *[code("def f():\n    claim('x')")] * 2],
            "no two cells with claims in a row",
        ),
    ],
)
def test_what_breaks_the_frame_is_seen(broken: Any, said: str) -> None:
    found = faults(broken(copy.deepcopy(WHOLE)))
    assert any(said in fault for fault in found), found
