"""What a reader takes away from the site: each chapter's notebook, and the whole book as PDF and EPUB if made."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from advnotes.publish.chapters import chapters, pages

PDF, EPUB = "advnotes.pdf", "advnotes.epub"
NAMES = {PDF: "PDF", EPUB: "EPUB"}
#: Where the landing page has room for the links, in its source and in the site.
PLACE = re.compile(r"<!-- downloads: begin -->.*?<!-- downloads: end -->", re.DOTALL)
MADE_OF = (Path(__file__).with_name("ebook"), Path(__file__).parents[1] / "templates" / "ebook")


def offer_notebooks(site: Path, root: Path) -> None:
    """Let each chapter's download be the repository's notebook: it runs anywhere, and the page has its outputs.

    With outputs every picture would lie in the site twice.
    """
    for chapter in chapters(root):
        (site / f"_sources/book/{chapter.name}.ipynb").write_text(chapter.text, encoding="utf8", newline="\n")


def offer_ebooks(site: Path, root: Path, folder: Path) -> None:
    """Put into the site the PDF and the EPUB that were made of just these pages, and link them from the first page.

    Raises:
        ValueError: where the first page has no place for the links.
    """
    first = site / f"{pages(root)[0]}.html"
    page = first.read_text(encoding="utf8")
    current = pages_of(site)
    found = []
    for name, kind in NAMES.items():
        made, there = folder / name, site / name
        if made.is_file() and stamp(made).is_file() and stamp(made).read_text() == current:
            shutil.copyfile(made, there)
            found.append(f'<a href="../{name}">{kind}</a> ({made.stat().st_size / 1e6:.0f} MB)')
        else:
            there.unlink(missing_ok=True)
    line = (
        f'<p class="advnotes-downloads">The whole book in one file: {", ".join(found)}.</p>' if found else ""
    )
    filled, places = PLACE.subn(f"<!-- downloads: begin -->{line}<!-- downloads: end -->", page)
    if found and not places:
        raise ValueError(
            f"expected '<!-- downloads: begin --><!-- downloads: end -->' in {pages(root)[0]}.md, the book's first "
            f"page, got none: there the links to {' and '.join(NAMES)} stand"
        )
    if filled != page:
        first.write_text(filled, encoding="utf8", newline="\n")


def stamp(made: Path) -> Path:
    """The file that says which pages a PDF or an EPUB was made of."""
    return made.with_name(f".{made.name}.stamp")


def pages_of(site: Path) -> str:
    """A hash of what a PDF or an EPUB is made of: the site's pages, and the modules and templates that make it."""
    digest = hashlib.sha256(contents(site).encode())
    for folder in MADE_OF:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            digest.update(path.name.encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def contents(site: Path) -> str:
    """A hash of the pages of a site but for the links to PDF and EPUB: ``jupyter-book build .`` writes over them."""
    digest = hashlib.sha256()
    for path in sorted(site.rglob("*.html")):
        page = PLACE.sub("", path.read_text(encoding="utf8"))
        digest.update(path.relative_to(site).as_posix().encode() + page.encode())
    return digest.hexdigest()
