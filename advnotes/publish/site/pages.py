"""The pages that Jupyter Book reads, with the outputs of a profile."""

from __future__ import annotations

import copy
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import nbformat
import yaml

from advnotes.publish.chapters import LAPTOP, chapters
from advnotes.publish.execution.failures import failure
from advnotes.publish.files import read_with_unix_line_ends
from advnotes.publish.scorecard.collect import scorecard
from advnotes.publish.scorecard.page import markdown, replace_verdicts
from advnotes.publish.site.claim_box import show_the_claim
from advnotes.publish.site.claim_tables import join_claims
from advnotes.publish.site.guide import Guide
from advnotes.publish.site.merge_outputs import merge_outputs
from advnotes.publish.staleness.plan import plan

SCORECARD = re.compile(r"<!-- scorecard: begin -->.*<!-- scorecard: end -->", re.DOTALL)
LANDING = re.compile(r"(?<=\{figure\} images/landing\.png\n:alt: )[^\n]*")
BANNERS = {
    "smoke": "Smoke profile: every chapter at toy size, to test the machinery. Its numbers mean nothing.",
    LAPTOP: "",
}


def stage(root: Path, profile: str) -> dict[str, bytes]:
    """The tree that Jupyter Book reads, laid out as the repository: path to content."""
    book = root / "book"
    shown = [book / "references.bib", *book.glob("*.md")]
    shown += [path for folder in ("_static", "_templates", "images") for path in (book / folder).rglob("*")]
    files = {
        path.relative_to(root).as_posix(): read_with_unix_line_ends(path)
        for path in sorted(shown)
        if path.is_file()
    }

    scored, guide = scorecard(root, profile), Guide(root, files)
    landings: dict[str, tuple[bytes, str]] = {}
    for chapter in chapters(root):
        executed = chapter.executed(profile)
        notebook = nbformat.reads(chapter.text, as_version=4)
        failed = failure(chapter, profile)
        # A chapter that fails keeps the copy before it, which may be of other code.
        current = executed.is_file() and (failed is None or not plan([chapter], profile)[0].reason)
        if current:
            notebook = merge_outputs(notebook, nbformat.read(executed, as_version=4))
            # A copy that is stale is shown as it is: its claims may be of an older format, and are not scored.
            rows = [row for row in scored.rows if row.chapter == chapter]
            replace_verdicts(notebook, rows)
            join_claims(notebook)
            if landing := describe_figures(notebook, chapter.name):
                landings[chapter.name] = landing
        elif failed is None:
            notebook.cells.insert(1, not_executed(profile))
        if failed is not None:
            note = nbformat.v4.new_markdown_cell(failed.words(profile, shown=current), id="failed")
            notebook.cells.insert(1, note)
        guide.add_to(notebook, chapter)
        if current:
            show_the_claim(notebook, guide.frames.get(chapter.name), rows)
        files[chapter.source.relative_to(root).as_posix()] = nbformat.writes(notebook).encode()

    files |= guide.pages()
    card = "book/scorecard.md"
    files[card] = replace(SCORECARD, markdown(scored), files[card], card)
    if len(landings) > 1:
        raise ValueError(
            f"expected one cell tagged 'landing' in the book, got one in each of {', '.join(landings)}: the first page "
            "has a single picture, take the tag off the others"
        )
    for picture, alt in landings.values():
        files["book/images/landing.png"] = picture
        files["book/intro.md"] = replace(LANDING, alt, files["book/intro.md"], "book/intro.md")
    return files


def describe_figures(notebook: Any, name: str) -> tuple[bytes, str] | None:
    """Give each figure a number, and its alt text as its caption; return the landing page's picture, if here.

    The caption says to everybody what the picture shows, so that the picture's own alt text only points to it: a
    screen reader reads the sentence once.
    """
    landing, number = None, 0
    for cell in notebook.cells:
        figures = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        alts = {output.metadata.get("image/png", {}).get("alt", "").strip() for output in figures}
        if "" in alts or len(alts) > 1:
            raise ValueError(
                f"{name}, cell {cell.get('id')}: expected one alt text for the figures of a cell, got "
                f"{sorted(alts)}: draw one figure a cell and show it with plots.show(figure, alt='...')"
            )
        for alt in alts:
            number += 1
            shown = cell.metadata.setdefault("mystnb", {})
            shown.setdefault("image", {})["alt"] = f"Figure {number}, described in its caption"
            shown["figure"] = {"caption": f"**Figure {number}.** {_literally(alt)}"}
            if "landing" in cell.metadata.get("tags", []):
                landing = b64decode(figures[0].data["image/png"]), alt
    return landing


def _literally(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>$|#~])", r"\\\1", " ".join(text.split()))


def not_executed(profile: str) -> Any:
    """The cell that tells a reader why a chapter has no outputs."""
    command = "make book" if profile == LAPTOP else f"advnotes book --profile {profile}"
    text = (
        f":::{{note}}\nThis chapter has not been executed at the {profile} profile: `{command}` does it.\n:::"
    )
    return nbformat.v4.new_markdown_cell(text, id="not-executed")


def replace(pattern: re.Pattern[str], new: str, page: bytes, name: str) -> bytes:
    """Replace what the pattern finds, which must be there exactly once."""
    text, found = pattern.subn(lambda _: new, page.decode())
    if found != 1:
        raise ValueError(f"{name}: expected one place like {pattern.pattern!r}, got {found}: mend the page")
    return text.encode()


def configure(root: Path, profile: str) -> bytes:
    """``_config.yml`` with the banner of the profile, and with what makes renderings equal."""
    config = copy.deepcopy(yaml.safe_load((root / "_config.yml").read_text(encoding="utf8")))
    config["html"]["announcement"] = BANNERS.get(profile, f"Outputs of the {profile} profile.")
    config["sphinx"]["config"]["extensions"].append("advnotes.publish.site.sphinx_extension")
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()
