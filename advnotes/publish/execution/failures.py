"""Failures of chapters, kept on disk so that their pages can tell of them; the next success removes them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from advnotes.publish.chapters import Chapter, build_folder
from advnotes.publish.execution.printed_text import cut
from advnotes.publish.execution.worker import Result
from advnotes.publish.files import write

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """In which cell (counted from 1, where it is known) a chapter failed at a profile, and the error's last line."""

    cell: int | None
    error: str

    def words(self, profile: str, *, shown: bool) -> str:
        """A note for the chapter's page, in Markdown; ``shown``: the page has outputs of an earlier execution."""
        where = f" in cell {self.cell}" if self.cell else ""
        outputs = (
            "The outputs below are those of an earlier execution of the same code."
            if shown
            else "It is shown without outputs."
        )
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", self.error)), default=0))
        return (
            f":::{{warning}}\nThe last execution of this chapter at the {profile} profile failed{where}. {outputs}\n\n"
            f"{fence}text\n{self.error}\n{fence}\n:::"
        )


def _file(chapter: Chapter, profile: str) -> Path:
    return build_folder(chapter.root, profile) / "failed" / f"{chapter.name}.json"


def remember(chapter: Chapter, profile: str, result: Result) -> None:
    """Write down that the chapter failed, or forget that it once did."""
    path = _file(chapter, profile)
    if result.notebook is not None:
        path.unlink(missing_ok=True)
        return
    lines = _COLOUR.sub("", result.error or "").strip().splitlines() or ["without a word"]
    write(path, json.dumps({"cell": result.cell, "error": cut(lines[-1].strip(), 500)}) + "\n")


def failure(chapter: Chapter, profile: str) -> Failure | None:
    """What is remembered of the chapter's last execution, where it failed."""
    try:
        return Failure(**json.loads(_file(chapter, profile).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
