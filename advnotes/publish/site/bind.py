"""Bind the executed notebooks into a web site with Jupyter Book, which here never executes anything."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

from advnotes.publish.chapters import build_folder, site_folder
from advnotes.publish.files import read_with_unix_line_ends
from advnotes.publish.site.downloads import contents, offer_ebooks, offer_notebooks
from advnotes.publish.site.jupyter_book import render, skeleton, tidy
from advnotes.publish.site.lean.make import make_lean
from advnotes.publish.site.llms import write_guide_for_programs
from advnotes.publish.site.moved import lead_on, moved
from advnotes.publish.site.pages import configure, stage

RENDERERS = ("pillow", "jupyter-book", "sphinx", "sphinx-book-theme", "pydata-sphinx-theme", "myst-nb")


def bind(root: Path, profile: str = "laptop") -> Path:
    """Render the book's pages with the outputs of a profile.

    The notebooks under ``_build/<profile>/book`` take the place of their sources; a chapter that was not
    executed is shown without outputs and says so. The text is that of the sources, as it is now. The site is built
    beside the old one and swapped with it at the end, so that an interrupted build changes nothing, and where no
    input has changed, nothing is built.

    Args:
        root: the top of the repository, where ``_config.yml`` and ``_toc.yml`` are.
        profile: ``smoke``, ``laptop`` or ``gpu``: whose outputs to show.

    Returns:
        ``index.html`` of the site: in ``_build/html`` for the laptop profile, else in ``_build/<profile>/html``.

    Raises:
        ValueError: where ``_toc.yml`` names a page that is not there, ``book/moved.yml`` leads to none, a figure has
            no alt text, or a cell holds two figures with different ones.
        RuntimeError: where Jupyter Book warns, fails, or leaves a page out; the message holds what it said.
    """
    root = root.resolve()
    work = build_folder(root, profile)
    site = site_folder(root, profile)
    aside = site.with_name("html.old")
    if aside.exists() and not site.exists():  # interrupted between the two renames below
        aside.rename(site)

    files, config, toc = stage(root, profile), configure(root, profile), root / "_toc.yml"
    addresses = moved(root)
    others = {"_config.yml": config, "_toc.yml": read_with_unix_line_ends(toc), "place": str(work).encode()}
    inputs = fingerprint(root, files | others | {"moved": json.dumps(addresses).encode()})
    stamp = site / ".stamp"
    if stamp.is_file() and stamp.read_text() == inputs + contents(site):
        return site / "index.html"

    # Where only words have changed since the last rendering, only their pages are rendered again.
    structure = fingerprint(root, {name: skeleton(name, page) for name, page in files.items()} | others)
    raw = render(work, files, config, toc, structure)
    new = work / "html.new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(raw, new)
    tidy(new)
    make_lean(new, work / "pictures")
    lead_on(new, addresses)
    offer_notebooks(new, root)
    write_guide_for_programs(new, root, config)
    offer_ebooks(new, root, work / "ebook")
    (new / ".stamp").write_text(inputs + contents(new))
    shutil.rmtree(aside, ignore_errors=True)
    if site.exists():
        site.rename(aside)
    new.rename(site)
    shutil.rmtree(aside, ignore_errors=True)
    return site / "index.html"


def fingerprint(root: Path, files: dict[str, bytes]) -> str:
    """A hash of everything that the site is made from: pages, docstrings, and the programs that render them."""
    parts = {name: hashlib.sha256(page).hexdigest() for name, page in files.items()}
    for path in sorted((root / "advnotes").rglob("*.py*")):
        if path.suffix in {".py", ".pyi"}:
            parts[path.relative_to(root).as_posix()] = hashlib.sha256(
                read_with_unix_line_ends(path)
            ).hexdigest()
    parts.update({package: version(package) for package in RENDERERS})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
