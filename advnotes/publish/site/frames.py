"""The frame of a chapter: what one learns in it, what it needs, how long it takes and how hard it is.

The words stand in the notebook's metadata, under ``advnotes``; the times are computed from the notebook and from the
runs recorded in ``book/measured``. A chapter without such metadata is shown without a frame.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from advnotes.environment import imitates
from advnotes.publish.chapters import LAPTOP, Chapter, chapters
from advnotes.publish.scorecard.measured import machines

KEY = "advnotes"
WORDS, LINES = 180, 20  # of prose, and of code, that a reader takes in within a minute
FOLDED = {"hide-cell", "hide-input", "remove-cell", "remove-input"}
#: A fold with its text, a directive without words of its own, and a block of code in a text.
FOLD = re.compile(r"^(?P<fence>:{3,})\{dropdown\}.*?^(?P=fence)[ ]*$", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<kind>.*?)$(?P<body>.*?)^(?P=fence)[ ]*$", re.DOTALL | re.MULTILINE)
#: The line of papers, run time and hardware under a title.
DETAILS = re.compile(r"^\*[^*].*?\*$", re.DOTALL | re.MULTILINE)
TYPED_TIME = re.compile(r"(?<=laptop )\d+(?= s\b)")


@dataclass(frozen=True)
class Frame:
    """A chapter's own words about itself.

    ``short`` is its name in a picture, ``learn`` what "You will learn" goes on with, ``needs`` the chapters that have
    to be read before it, ``notions`` the words of the glossary that it takes for granted, ``difficulty`` 1 to 3,
    ``claim`` the id of what it is about, and ``beside`` the id of the cell whose figure shows that.
    """

    short: str
    learn: str
    needs: tuple[str, ...]
    notions: tuple[str, ...]
    difficulty: int
    claim: str = ""
    beside: str = ""


def read_frame(chapter: Chapter) -> Frame | None:
    """The frame in a notebook's metadata, or None where there is none.

    Raises:
        ValueError: where it is not whole.
    """
    block: Any = json.loads(chapter.text)["metadata"].get(KEY)
    if block is None:
        return None
    names = {field.name for field in fields(Frame)}
    needed = {field.name for field in fields(Frame) if field.default is MISSING}
    whole = isinstance(block, dict) and needed <= set(block) <= names
    if not whole or block["difficulty"] not in (1, 2, 3):
        raise ValueError(
            f"{chapter.name}: expected {', '.join(sorted(needed))}, and perhaps beside and claim, under {KEY!r} in the "
            f"notebook's metadata, with a difficulty of 1 to 3, got {block!r}; another chapter shows how it is written"
        )
    return Frame(**block | {"needs": tuple(block["needs"]), "notions": tuple(block["notions"])})


def frames(root: Path) -> dict[str, Frame]:
    """Chapter -> frame, in the book's order.

    Raises:
        ValueError: where a chapter needs one that has no frame, or itself by way of others.
    """
    found = {chapter.name: frame for chapter in chapters(root) if (frame := read_frame(chapter))}
    for name, frame in found.items():
        if unknown := [need for need in frame.needs if need not in found]:
            raise ValueError(
                f"{name} needs {unknown[0]}, which is no chapter with a frame: mend its metadata"
            )
    try:
        TopologicalSorter({name: frame.needs for name, frame in found.items()}).prepare()
    except CycleError as error:
        raise ValueError(f"chapters need each other in a circle: {' -> '.join(error.args[1])}") from error
    return found


def minutes_of_reading(cells: Iterable[Mapping[str, Any]]) -> int:
    """How long one reads: the prose outside folds, sentences made by ``tell``, and the code that is not folded."""
    words = lines = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            told = " ".join(_told(cell["source"]))
            words += _words(told)
            lines += 0 if FOLDED & set(cell["metadata"].get("tags", [])) else _lines(cell["source"])
        else:
            text = FOLD.sub("", cell["source"])
            lines += sum(_lines(block["body"]) for block in BLOCK.finditer(text) if "{" not in block["kind"])
            text = BLOCK.sub(lambda block: block["body"] if "{glossary}" in block["kind"] else "", text)
            words += _words(text)
    return max(1, round(words / WORDS + lines / LINES))


def _words(text: str) -> int:
    return sum(any(sign.isalnum() for sign in word) for word in text.split())


def _lines(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())


def _told(code: str) -> list[str]:
    """The constant parts of the sentences that a cell makes."""
    if "tell(" not in code:
        return []
    calls = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    tells = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "tell")
    texts = (node for call in tells for node in ast.walk(call) if isinstance(node, ast.Constant))
    return [text.value for text in texts if isinstance(text.value, str)]


def seconds_of_running(root: Path) -> dict[str, float]:
    """Chapter -> seconds of its last recorded run at the laptop profile, of several on one day the shortest.

    Runs with the instructions of an older processor do not count: that processor was imitated, and slow.
    """
    found: dict[str, tuple[str, float]] = {}
    for one in machines(root, LAPTOP):
        if not imitates(one.environment):
            for name, kept in one.chapters.items():
                run = str(kept["recorded"]), -float(kept["seconds"])
                found[name] = max(run, found.get(name, run))
    return {name: -seconds for name, (_, seconds) in found.items()}


def to_five(seconds: float) -> int:
    """Seconds as they are shown: to five, since they differ by more from run to run."""
    return max(5, 5 * round(seconds / 5))


def add_header(notebook: Any, chapter: Chapter, known: Mapping[str, Frame], seconds: float | None) -> None:
    """Put a chapter's frame under its title, and the recorded time into the line above it."""
    frame = known.get(chapter.name)
    opening = notebook.cells[0]
    details = DETAILS.search(opening.source)
    if frame is None or details is None:
        return
    line = details[0]
    if seconds is not None:
        line = TYPED_TIME.sub(str(to_five(seconds)), line)
    shown = header(chapter, frame, known, seconds)
    before, after = opening.source[: details.start()], opening.source[details.end() :]
    opening.source = f"{before}{line}\n\n{shown}{after}"


def header(chapter: Chapter, frame: Frame, known: Mapping[str, Frame], seconds: float | None) -> str:
    """A chapter's frame in Markdown."""
    here = posixpath.dirname(chapter.name)
    order = list(known)  # the book's: by subject, so that a chapter may need one of a later part
    needs = [
        f"[{known[need].short}]({posixpath.relpath(need, here)}.ipynb)"
        + (" (further on)" if order.index(need) > order.index(chapter.name) else "")
        for need in frame.needs
    ]
    if not needs:
        needs = [f"[the basics]({posixpath.relpath('start-here', here)}.md)"]
    needs += [f"{{term}}`{notion}`" for notion in frame.notions]
    running = "" if seconds is None else f"running {to_five(seconds)} s · "
    return (
        f":::{{div}} advnotes-frame\n**You will learn** {frame.learn}.\n\n**You need** {', '.join(needs)}.\n\n"
        f"Reading {minutes_of_reading(chapter.cells)} min · {running}difficulty {frame.difficulty} of 3\n:::"
    )
