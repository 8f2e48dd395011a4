"""``llms.txt``: what the site has, for programs that read it on somebody's behalf (llmstxt.org proposes the format).

There is no ``llms-full.txt``: the text and code of all chapters are 0.7 MB, more than such a program reads at once.
Instead the file says where the source of each page lies.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from advnotes.publish.chapters import Chapter, chapters, parts
from advnotes.publish.site.frames import read_frame

HEADER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,}).*?^(?P=fence)[ ]*$", re.DOTALL | re.MULTILINE)
#: The first paragraph that is a text: no heading, list, comment, or image.
PARAGRAPH = re.compile(r"^(?![#<!\[|(-])\S.*(?:\n\S.*)*", re.MULTILINE)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|\{[\w:]+\}`([^`<]*?)(?: ?<[^`]*>)?`")


def write_guide_for_programs(site: Path, root: Path, config: bytes) -> None:
    """Write ``llms.txt`` into the site."""
    (site / "llms.txt").write_text(guide(root, yaml.safe_load(config)), encoding="utf8", newline="\n")


def guide(root: Path, config: dict[str, Any]) -> str:
    """The title, a summary, and for each part of the book its pages with a line each."""
    address = config["html"]["baseurl"]
    known = {f"book/{chapter.name}": chapter for chapter in chapters(root)}
    (_, (first, *_)), *others = parts(root)
    title, summary = of_page(root, first, whole=True)
    lines = [f"# {title}", "", f"> {summary}", "", _where_the_sources_are(address, list(known))]
    for caption, names in others:
        lines += ["", f"## {caption or 'Pages'}", ""]
        for name in names:
            title, said = of_chapter(known[name]) if name in known else of_page(root, name)
            lines.append(f"- [{title}]({address}{name}.html): {said}")
    return "\n".join(lines) + "\n"


def _where_the_sources_are(address: str, notebooks: list[str]) -> str:
    example = f"{address}_sources/{notebooks[0]}.ipynb" if notebooks else f"{address}_sources/"
    return (
        "The source of a page, Markdown or a notebook without outputs, has the same name under `_sources/`, such as "
        f"{example}. The numbers that a chapter measured are on its page only."
    )


def of_chapter(chapter: Chapter) -> tuple[str, str]:
    """A chapter's title, and what one learns in it."""
    frame = read_frame(chapter)
    return plain(chapter.title), f"You learn {plain(frame.learn)}." if frame else "A chapter with its claims."


def of_page(root: Path, name: str, whole: bool = False) -> tuple[str, str]:
    """A page's title, and its first sentence or its whole first paragraph."""
    text = FENCE.sub("", HEADER.sub("", (root / f"{name}.md").read_text(encoding="utf8")))
    title, paragraph = TITLE.search(text), PARAGRAPH.search(text)
    said = plain(paragraph[0]) if paragraph else ""
    return plain(title[1]) if title else name, said if whole else re.split(r"(?<=[.?!]) ", said)[0]


def plain(text: str) -> str:
    """Words without links, roles and line breaks."""
    return " ".join(LINK.sub(lambda found: found[1] or found[2] or "", text).split())
