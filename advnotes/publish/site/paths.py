"""The page *Start here* as it is bound: with minutes beside its links, and with the picture of what needs what.

The paths themselves, their words and their links, are written in the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from advnotes.publish.chapters import chapters
from advnotes.publish.site.frames import frames, minutes_of_reading, seconds_of_running
from advnotes.publish.site.picture import picture

PATHS = re.compile(r"(?<=<!-- paths: begin -->\n).*(?=<!-- paths: end -->)", re.DOTALL)
PICTURE = re.compile(r"<!-- picture: begin -->.*<!-- picture: end -->", re.DOTALL)
SECTION = re.compile(r"^### (?P<name>.+)\n(?P<body>(?:(?!^### ).*\n?)*)", re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\((?P<page>[\w/-]+)\.(?:ipynb|md)\)")
TOTAL, ALL = "<!-- minutes -->", "<!-- minutes of all chapters -->"


@dataclass(frozen=True)
class Minutes:
    """What a page, or several of them, take: minutes of reading and seconds of running."""

    reading: int
    running: float = 0.0

    def __add__(self, other: Minutes) -> Minutes:
        return Minutes(self.reading + other.reading, self.running + other.running)

    def __str__(self) -> str:
        if not self.running:
            return f"{clock(self.reading)} of reading"
        return f"{clock(self.reading)} of reading and {clock(max(1, round(self.running / 60)))} of running"


def clock(minutes: int) -> str:
    """Minutes for people: ``50 min``, ``1 h 35 min``."""
    hours, rest = divmod(minutes, 60)
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (rest, "min")) if count)


def minutes_of_pages(root: Path) -> dict[str, Minutes]:
    """Page, as it is linked from a page in ``book/`` -> what it takes; chapters first, in the book's order."""
    running = seconds_of_running(root)
    found = {
        chapter.name: Minutes(minutes_of_reading(chapter.cells), running.get(chapter.name, 0.0))
        for chapter in chapters(root)
    }
    for path in sorted((root / "book").glob("*.md")):
        text = {"cell_type": "markdown", "source": path.read_text(encoding="utf-8")}
        found[path.stem] = Minutes(minutes_of_reading([text]))
    return found


def with_minutes(page: str, minutes: Mapping[str, Minutes], all_chapters: Minutes) -> str:
    """The page with the minutes beside the links of its paths, and with the total of each path."""

    def beside(link: re.Match[str]) -> str:
        return f"{link[0]} ({clock(minutes[link['page']].reading)})"

    def section(found: re.Match[str]) -> str:
        steps = [minutes[link["page"]] for link in LINK.finditer(found["body"])]
        total = f"*{sum(steps[1:], steps[0])}.*"
        return f"### {found['name']}\n{LINK.sub(beside, found['body']).replace(TOTAL, total)}"

    page = PATHS.sub(lambda block: SECTION.sub(section, block[0]), page)
    return page.replace(ALL, f"*{all_chapters}.*")


def start_page(page: str, root: Path) -> str:
    """The page *Start here* with its minutes and its picture."""
    minutes, known = minutes_of_pages(root), frames(root)
    total = sum((minutes[chapter.name] for chapter in chapters(root)), Minutes(0))
    drawn = picture(known, {name: minutes[name].reading for name in known})
    return PICTURE.sub(lambda _: drawn, with_minutes(page, minutes, total))
