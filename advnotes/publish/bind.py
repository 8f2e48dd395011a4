"""Bind the executed notebooks into a web site with Jupyter Book, which here never executes anything."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import yaml

from advnotes.publish.chapters import LAPTOP, build, chapters, pages
from advnotes.publish.failures import failure
from advnotes.publish.lines import content
from advnotes.publish.run import plan
from advnotes.publish.score import scorecard
from advnotes.publish.scorecard import judged_claims, markdown

SCORECARD = re.compile(r"<!-- scorecard: begin -->.*<!-- scorecard: end -->", re.DOTALL)
FONT_AHEAD = re.compile(rb'<link rel="preload" as="font"[^>]*>\s*')
LANDING = re.compile(r"(?<=\{figure\} images/landing\.png\n:alt: )[^\n]*")
BANNERS = {
    "smoke": "Smoke profile: every chapter at toy size, to test the machinery. Its numbers mean nothing.",
    LAPTOP: "",
}
RENDERERS = ("jupyter-book", "sphinx", "sphinx-book-theme", "pydata-sphinx-theme", "myst-nb")
# Of the 24 MB that sphinx-mathjax-offline copies, what tex-chtml.js can ask for.
MATHJAX = ("tex-chtml.js", "a11y", "input/tex/extensions", "output/chtml/fonts/woff-v2", "sre")


def bind(root: Path, profile: str = "laptop") -> Path:
    """Render the book's pages with the outputs of a profile.

    The notebooks under ``_build/<profile>/book`` take the place of their sources; a chapter that was not
    executed is shown without outputs and says so. The site is built beside the old one and swapped with it at the
    end, so that an interrupted build changes nothing, and nothing is built where no input has changed.

    Args:
        root: the top of the repository, where ``_config.yml`` and ``_toc.yml`` are.
        profile: ``smoke``, ``laptop`` or ``gpu``: whose outputs to show.

    Returns:
        ``index.html`` of the site: in ``_build/html`` for the laptop profile, else in ``_build/<profile>/html``.

    Raises:
        ValueError: where ``_toc.yml`` names a page that is not there, a figure has no alt text, or a cell holds
            two figures with different ones.
        RuntimeError: where Jupyter Book warns, fails, or leaves a page out; the message holds what it said.
    """
    root = root.resolve()
    work = build(root, profile)
    site = root / "_build" / "html" if profile == LAPTOP else work / "html"
    aside = site.with_name("html.old")
    if aside.exists() and not site.exists():  # interrupted between the two renames below
        aside.rename(site)

    files = stage(root, profile)
    config = configure(root, profile)
    inputs = fingerprint(root, {**files, "_config.yml": config, "_toc.yml": content(root / "_toc.yml")})
    stamp = site / ".stamp"
    if stamp.is_file() and stamp.read_text() == inputs + contents(site):
        return site / "index.html"

    folder = work / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    for name, page in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page)
    settings = work / "_config.yml"
    settings.write_bytes(config)

    output = work / "site"
    shutil.rmtree(output, ignore_errors=True)
    render(folder, settings, root / "_toc.yml", output)
    new = output / "_build" / "html"
    check_whole(new, root)
    tidy(new)
    (new / ".stamp").write_text(inputs + contents(new))
    shutil.rmtree(aside, ignore_errors=True)
    if site.exists():
        site.rename(aside)
    new.rename(site)
    shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(output)
    return site / "index.html"


def stage(root: Path, profile: str) -> dict[str, bytes]:
    """The tree that Jupyter Book reads, laid out as the repository: path to content."""
    book = root / "book"
    shown = [book / "references.bib", *book.glob("*.md")]
    shown += [path for folder in ("_static", "_templates", "images") for path in (book / folder).rglob("*")]
    files = {path.relative_to(root).as_posix(): content(path) for path in sorted(shown) if path.is_file()}

    scored = scorecard(root, profile)
    landings: dict[str, tuple[bytes, str]] = {}
    for chapter in chapters(root):
        executed = chapter.executed(profile)
        failed = failure(chapter, profile)
        # A chapter that fails keeps the copy before it, which may be of other code.
        current = executed.is_file() and (failed is None or not plan([chapter], profile)[0].reason)
        notebook = nbformat.read(executed if current else chapter.source, as_version=4)
        if current:
            judged_claims(notebook, [row for row in scored.rows if row.chapter == chapter])
        if failed is not None:
            note = nbformat.v4.new_markdown_cell(failed.words(profile, shown=current), id="failed")
            notebook.cells.insert(1, note)
        elif not current:
            notebook.cells.insert(1, not_executed(profile))
        if current and (landing := describe_figures(notebook, chapter.name)):
            landings[chapter.name] = landing
        files[chapter.source.relative_to(root).as_posix()] = nbformat.writes(notebook).encode()

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
    """Move each figure's alt text to where MyST-NB looks for it; return the landing page's picture, if here."""
    landing = None
    for cell in notebook.cells:
        figures = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        alts = {output.metadata.get("image/png", {}).get("alt", "").strip() for output in figures}
        if "" in alts or len(alts) > 1:
            raise ValueError(
                f"{name}, cell {cell.get('id')}: expected one alt text for the figures of a cell, got "
                f"{sorted(alts)}: draw one figure a cell and show it with plots.show(figure, alt='...')"
            )
        for alt in alts:
            cell.metadata.setdefault("mystnb", {}).setdefault("image", {})["alt"] = alt
            if "landing" in cell.metadata.get("tags", []):
                landing = b64decode(figures[0].data["image/png"]), alt
    return landing


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
    """``_config.yml`` with the banner of the profile."""
    config = copy.deepcopy(yaml.safe_load((root / "_config.yml").read_text(encoding="utf8")))
    config["html"]["announcement"] = BANNERS.get(profile, f"Outputs of the {profile} profile.")
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()


def render(source: Path, config: Path, toc: Path, output: Path) -> None:
    """Run Jupyter Book; a warning is an error."""
    jupyter_book = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(source),
    ]
    options = [
        "--config",
        str(config),
        "--toc",
        str(toc),
        "--path-output",
        str(output),
        "-W",
        "--keep-going",
        "-q",
    ]
    environment = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}
    done = subprocess.run(
        jupyter_book + options, capture_output=True, text=True, encoding="utf8", env=environment
    )
    if done.returncode != 0:
        raise RuntimeError(f"jupyter-book could not build {source}:\n{done.stderr}\n{done.stdout}".rstrip())


def check_whole(site: Path, root: Path) -> None:
    """Every page of ``_toc.yml`` must be in the site before a stamp says that it is whole."""
    missing = [page for page in pages(root) if not (site / f"{page}.html").is_file()]
    if missing:
        raise RuntimeError(
            f"jupyter-book left out {', '.join(missing)} and did not say why; the old site is kept"
        )


def tidy(site: Path) -> None:
    """Drop what no page asks for or can have, and make the redirect at the top a page of its own.

    No page asks for most of MathJax. The fonts that pydata-sphinx-theme 0.15 (Python 3.10) tells a browser to load
    ahead are refused to a page read from the disk, with an error each; the style sheet brings them all the same.
    """
    mathjax = site / "_static" / "mathjax"
    kept = [mathjax / name for name in MATHJAX]
    for path in sorted(mathjax.rglob("*")):
        if path.is_file() and not any(path == keep or keep in path.parents for keep in kept):
            path.unlink()
    for path in site.rglob("*.html"):
        page = path.read_bytes()
        if (lean := FONT_AHEAD.sub(b"", page)) != page:
            path.write_bytes(lean)
    index = site / "index.html"
    first = re.search(r"url=([^\"]+)", index.read_text(encoding="utf8"))
    if first is None:
        raise RuntimeError(f"{index}: expected jupyter-book's redirect to the first page, got something else")
    index.write_text(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Adversarial training, played as '
        f'games</title>\n<meta http-equiv="refresh" content="0; url={first[1]}">\n</head>\n'
        f'<body><main><h1><a href="{first[1]}">Adversarial training, played as games</a></h1></main></body>\n</html>\n',
        encoding="utf8",
    )


def fingerprint(root: Path, files: dict[str, bytes]) -> str:
    """A hash of everything that the site is made from: pages, docstrings, and the programs that render them."""
    parts = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for path in sorted((root / "advnotes").rglob("*.py*")):
        if path.suffix in {".py", ".pyi"}:
            parts[path.relative_to(root).as_posix()] = hashlib.sha256(content(path)).hexdigest()
    parts.update({package: version(package) for package in RENDERERS})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def contents(site: Path) -> str:
    """A hash of the pages of a site: tells one that ``jupyter-book build .`` has written over from ours."""
    digest = hashlib.sha256()
    for path in sorted(site.rglob("*.html")):
        digest.update(path.relative_to(site).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
