"""Frames of chapters: read from metadata, with minutes that are computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from advnotes.publish.chapters import Chapter, chapters, select
from advnotes.publish.site.frames import (
    LINES,
    WORDS,
    add_header,
    frames,
    minutes_of_reading,
    read_frame,
    seconds_of_running,
    to_five,
)

WORD = "word "


def block(*needs: str, **others: Any) -> dict[str, Any]:
    own = {"short": "One", "learn": "to add", "needs": list(needs), "notions": ["gradient"], "difficulty": 2}
    return own | others


def framed(book: Any, name: str, metadata: dict[str, Any], title: str = "# Title") -> Chapter:
    path = book.add(name, "x = 1")
    notebook = json.loads(path.read_text())
    notebook["metadata"]["advnotes"] = metadata
    notebook["cells"][0]["source"] = title
    path.write_text(json.dumps(notebook))
    (chapter,) = select(book.root, [name])
    return chapter


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source}


def test_a_frame_is_what_the_metadata_says(book: Any) -> None:
    frame = read_frame(framed(book, "a/one", block("a/zero")))
    assert frame is not None
    assert (frame.learn, frame.needs, frame.difficulty) == ("to add", ("a/zero",), 2)


def test_a_chapter_without_metadata_has_no_frame(book: Any) -> None:
    book.add("a/one", "x = 1")
    assert frames(book.root) == {}


@pytest.mark.parametrize(
    "wrong", [{"difficulty": 4}, {"difficulty": "2"}, {"lern": "to add"}, {"needs": None, "x": 1}]
)
def test_a_frame_that_is_not_whole_is_refused(book: Any, wrong: dict[str, Any]) -> None:
    chapter = framed(book, "a/one", block(**wrong))
    with pytest.raises(ValueError, match=r"a/one: expected difficulty, learn, needs, notions, short"):
        read_frame(chapter)


def test_a_need_that_is_no_chapter_is_refused(book: Any) -> None:
    framed(book, "a/one", block("a/two"))
    with pytest.raises(ValueError, match=r"a/one needs a/two, which is no chapter with a frame"):
        frames(book.root)


def test_chapters_that_need_each_other_are_refused(book: Any) -> None:
    for name, need in (("a/one", "a/two"), ("a/two", "a/three"), ("a/three", "a/one")):
        framed(book, name, block(need))
    with pytest.raises(ValueError, match="in a circle: a/"):
        frames(book.root)


@pytest.mark.parametrize(
    ("cells", "minutes"),
    [
        ([text(WORD * 3 * WORDS)], 3),
        ([text("# Title\n\n" + WORD * (2 * WORDS - 1))], 2),
        ([text(f"{WORD * 2 * WORDS}\n\n:::{{dropdown}} Tried\n{WORD * 9 * WORDS}\n:::\n")], 2),
        ([text(f"{WORD * WORDS}\n```python\n" + "x = 1\n\n" * LINES + "```\n")], 2),
        ([text(f"{WORD * WORDS}\n```{{bibliography}}\n" + ":filter: x\n" * 9 * LINES + "```\n")], 1),
        ([text("```{glossary}\nword\n  " + WORD * 2 * WORDS + "\n```\n")], 2),
        ([code("x = 1\n" * 3 * LINES)], 3),
        ([code("x = 1\n" * 3 * LINES, "hide-input"), code("x = 1\n" * LINES)], 1),
        ([code("x = 1\n" * 3 * LINES, "hide-cell", "solution"), code("x = 1\n" * LINES)], 1),
        ([code(f'tell(f"{WORD * 2 * WORDS} {{x}}")\nprint("{WORD * 9 * WORDS}")', "hide-input", "tell")], 2),
        ([text(WORD)], 1),
    ],
)
def test_minutes_are_those_of_what_is_not_folded(cells: list[dict[str, Any]], minutes: int) -> None:
    assert minutes_of_reading(cells) == minutes


def test_seconds_are_those_of_the_last_run_that_imitated_no_processor(tmp_path: Path) -> None:
    def measured(file: str, profile: str, imitated: str, **runs: tuple[str, float]) -> None:
        kept = {
            "schema": 1,
            "machine": file,
            "profile": profile,
            "environment": {"imitated": imitated},
            "chapters": {n: {"recorded": day, "seconds": s, "claims": []} for n, (day, s) in runs.items()},
        }
        folder = tmp_path / "book" / "measured"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{file}.json").write_text(json.dumps(kept))

    measured("a", "laptop", "", one=("2026-01-01", 10.0), two=("2026-01-01", 20.0))
    measured("b", "laptop", "", one=("2026-01-02", 40.0), two=("2026-01-01", 30.0))
    measured("c", "laptop", "AVX2=1", one=("2026-01-03", 900.0))
    measured("d", "gpu", "", one=("2026-01-04", 1.0))
    assert seconds_of_running(tmp_path) == {"one": 40.0, "two": 20.0}


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, 5), (43.9, 45), (112.0, 110), (113.0, 115)])
def test_seconds_are_shown_to_five(seconds: float, shown: int) -> None:
    assert to_five(seconds) == shown


def test_the_header_stands_under_the_line_below_the_title(book: Any) -> None:
    framed(book, "b/zero", block(short="Zero", needs=[]))
    title = "# Title\n*Doe 2014 · laptop 40 s, GPU\nnot timed*\n\nThe first *words* of all."
    chapter = framed(book, "a/one", block("b/zero"), title)
    notebook = nbformat.reads(chapter.text, as_version=4)
    add_header(notebook, chapter, frames(book.root), 93.0)
    assert notebook.cells[0].source == (
        "# Title\n*Doe 2014 · laptop 95 s, GPU\nnot timed*\n\n"
        ":::{div} advnotes-frame\n**You will learn** to add.\n\n"
        "**You need** [Zero](../b/zero.ipynb), {term}`gradient`.\n\n"
        "Reading 1 min · running 95 s · difficulty 2 of 3\n:::\n\nThe first *words* of all."
    )


def test_a_chapter_that_needs_no_other_and_was_never_recorded(book: Any) -> None:
    chapter = framed(book, "a/one", block(), "# Title\n\n*Doe · laptop 40 s*")
    notebook = nbformat.reads(chapter.text, as_version=4)
    add_header(notebook, chapter, frames(book.root), None)
    shown = notebook.cells[0].source
    assert "laptop 40 s" in shown
    assert "[the basics](../start-here.md), {term}`gradient`." in shown
    assert "running" not in shown


def test_nothing_is_added_without_a_frame(book: Any) -> None:
    book.add("a/one", "x = 1")
    (chapter,) = chapters(book.root)
    notebook = nbformat.reads(chapter.text, as_version=4)
    add_header(notebook, chapter, {}, 5.0)
    assert nbformat.writes(notebook) == nbformat.writes(nbformat.reads(chapter.text, as_version=4))
