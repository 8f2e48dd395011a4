"""The book's own frames, paths and words: whole, in order, and used."""

from __future__ import annotations

import json
import posixpath
import re
from functools import cache
from pathlib import Path

import pytest

from advnotes.publish.chapters import Chapter, chapters, pages
from advnotes.publish.site import paths
from advnotes.publish.site.frames import LINES, WORDS, frames
from advnotes.publish.site.glossary import USED, glossary_terms
from advnotes.publish.site.pages import stage
from advnotes.publish.site.paths import LINK, clock, minutes_of_pages

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = chapters(ROOT)
FRAMES = frames(ROOT)
TERMS = glossary_terms((ROOT / "book/glossary.md").read_text(encoding="utf8"))
START = (ROOT / "book/start-here.md").read_text(encoding="utf8")
#: The paths of the page: name -> pages, in the order in which they are read.
PATHS = {
    path["name"]: [link["page"] for link in LINK.finditer(path["body"])]
    for block in paths.PATHS.findall(START)
    for path in paths.SECTION.finditer(block)
}


@cache
def staged() -> dict[str, str]:
    """The pages as Jupyter Book is given them: path -> Markdown."""
    found = {}
    for path, page in stage(ROOT, "smoke").items():
        if path.endswith(".md"):
            found[path] = page.decode()
        elif path.endswith(".ipynb"):
            cells = json.loads(page)["cells"]
            found[path] = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return found


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_says_what_it_teaches_and_needs(chapter: Chapter) -> None:
    frame = FRAMES[chapter.name]
    assert re.match(r"(to|how|why|what|a|four) ", frame.learn)  # goes on from "You will learn"
    assert not frame.learn.endswith(".")
    assert 10 <= len(frame.learn.split()) <= 45
    assert 0 < len(frame.short) <= 24
    assert len(frame.notions) >= 1
    assert set(frame.notions) <= set(TERMS)


def test_no_two_chapters_have_one_name_in_the_picture() -> None:
    assert len({frame.short for frame in FRAMES.values()}) == len(CHAPTERS)


def test_what_a_chapter_needs_comes_before_it_in_the_contents_or_is_marked() -> None:
    order = [chapter.name for chapter in CHAPTERS]
    for name, frame in FRAMES.items():
        page = staged()[f"book/{name}.ipynb"]
        for need in frame.needs:
            later = order.index(need) > order.index(name)
            assert later == (
                f"{FRAMES[need].short}]({posixpath.relpath(need, name.split('/')[0])}.ipynb) (further on)"
                in page
            )
            assert not later or need.split("/")[0] != name.split("/")[0], (
                f"{name} needs {need} of its own part"
            )


def test_a_chapter_is_at_least_as_hard_as_what_it_needs_of_its_own_part() -> None:
    for name, frame in FRAMES.items():
        for need in frame.needs:
            if need.split("/")[0] == name.split("/")[0]:
                assert frame.difficulty >= FRAMES[need].difficulty, (name, need)


def test_every_chapter_has_its_frame_under_its_title() -> None:
    for chapter in CHAPTERS:
        page = staged()[f"book/{chapter.name}.ipynb"]
        title, details, frame = page.split("\n\n" if "\n\n*" in page[:200] else "\n", 2)
        assert title.startswith("# ")
        assert details.startswith("*")
        assert ":::{div} advnotes-frame\n**You will learn** " in frame[:300]


# Paths


def test_there_are_paths_for_every_kind_of_reader() -> None:
    assert list(PATHS) == [
        "One evening",
        "Attack and defend",
        "Where attack and defence end",
        "Generators",
        "From numbers to pictures and back",
        "Sharp pictures",
        "More data, and other ways to it",
        "A GAN that collapses",
        "What a discriminator knows",
        "Sequences and decisions",
        "Shift and fairness",
        "Few labels",
        "I have a model to test",
        "I have tables",
    ]
    assert all(3 <= len(path) <= 6 for path in PATHS.values())


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_path_leads_through_everything_that_its_chapters_need(path: list[str]) -> None:
    for step, name in enumerate(path):
        if name in FRAMES:
            assert set(FRAMES[name].needs) <= set(path[:step]), name


@pytest.mark.parametrize("name", ["I have a model to test", "I have tables"])
def test_a_path_into_the_package_begins_with_the_lines_of_code(name: str) -> None:
    assert PATHS[name][0] == "which"


def test_an_evening_is_an_evening() -> None:
    minutes = minutes_of_pages(ROOT)
    assert 45 <= sum(minutes[name].reading for name in PATHS["One evening"]) <= 180


def test_minutes_are_computed_and_nowhere_typed() -> None:
    assert not re.search(r"\d+ (min|h)\b", START)
    assert f"reads {WORDS} words or {LINES} lines of code in a minute" in START
    page = staged()["book/start-here.md"]
    minutes = minutes_of_pages(ROOT)
    for path in PATHS.values():
        for name in path:
            assert re.search(rf"\]\({name}\.(ipynb|md)\) \({clock(minutes[name].reading)}\)", page)
    assert page.count(" of reading and ") == len(PATHS) + 1  # and the whole book
    assert "<!-- minutes" not in page


def test_the_picture_leads_to_every_chapter() -> None:
    page = staged()["book/start-here.md"]
    assert re.findall(r'<a href="([^"]+)"><rect', page) == [f"{chapter.name}.html" for chapter in CHAPTERS]


def test_a_chapter_that_was_recorded_has_its_time_on_its_paths() -> None:
    recorded = minutes_of_pages(ROOT)
    assert all(recorded[chapter.name].running > 0 for chapter in CHAPTERS)


# Words


def test_the_glossary_has_forty_words_in_order_and_each_is_explained() -> None:
    page = (ROOT / "book/glossary.md").read_text(encoding="utf8")
    entries = re.split(r"\n\n", page.split("```{glossary}\n")[1].rstrip("`\n"))
    assert len(entries) >= 40
    for entry in entries:
        assert re.fullmatch(r"(?:\S.*\n)+  \S.*", entry), entry
        assert len(re.findall(r"[.!?](?:\s|$)", entry)) <= 3, entry
    names = [entry.splitlines()[0].lower() for entry in entries]
    assert names == sorted(names)


def test_every_word_of_the_glossary_leads_to_the_chapters_that_use_it() -> None:
    page = staged()["book/glossary.md"]
    entries = re.split(r"\n\n(?=\S)", page.split("```{glossary}\n")[1].rpartition("\n```")[0])
    names = {chapter.name for chapter in CHAPTERS}
    for entry in entries:
        (places,) = re.findall(r"^  In (.*)\.$", entry, re.MULTILINE)
        found = re.findall(r"\]\(([^)]*)\.ipynb\)", places)
        assert found, entry
        assert set(found) <= names, entry


def test_every_word_of_the_glossary_is_used_in_a_chapter() -> None:
    texts = "\n".join(staged()[f"book/{chapter.name}.ipynb"] for chapter in CHAPTERS)
    used = set(USED.findall(texts))
    assert [term for term in TERMS if term not in used] == []


def test_every_link_to_a_word_leads_to_the_glossary() -> None:
    used = {term for page in staged().values() for term in USED.findall(page)}
    assert used <= set(TERMS)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_word_is_linked_once_in_the_text_of_a_chapter(chapter: Chapter) -> None:
    text = staged()[f"book/{chapter.name}.ipynb"]
    frame = re.search(r"^:::\{div\} advnotes-frame\n.*?^:::$", text, re.DOTALL | re.MULTILINE)
    assert frame
    used = USED.findall(text.replace(frame[0], ""))
    assert len(used) >= 4
    assert len(used) == len(set(used))


# The pages beside the chapters


def test_every_page_that_is_linked_is_in_the_contents() -> None:
    listed = set(pages(ROOT))
    for name in ("start-here", "which", "glossary", "intro"):
        text = (ROOT / f"book/{name}.md").read_text(encoding="utf8")
        assert {f"book/{page}" for page in LINK.findall(text)} <= listed


def test_the_first_page_leads_to_the_start() -> None:
    assert "start-here.md" in (ROOT / "book/intro.md").read_text(encoding="utf8")


def test_every_subject_that_one_must_know_has_one_source() -> None:
    known = START.split("## What you must know")[1].split("## Paths")[0]
    subjects = re.split(r"^\*\*(?=PyTorch|Calculus|Linear algebra|Probability)", known, flags=re.MULTILINE)[
        1:
    ]
    assert len(subjects) == 4
    assert all(subject.count("](https://") == 1 for subject in subjects)
