"""Make the PDF or the EPUB of a profile's site, where it was not yet made of these pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from advnotes.files import write_whole
from advnotes.publish.chapters import build_folder, site_folder
from advnotes.publish.site.downloads import EPUB, PDF, offer_ebooks, pages_of, stamp
from advnotes.publish.site.ebook.epub import make_epub
from advnotes.publish.site.ebook.pdf import make_pdf
from advnotes.publish.site.ebook.volume import Volume, assemble

MAKERS: dict[str, Callable[[Volume, Path], bytes]] = {PDF: make_pdf, EPUB: make_epub}


def make_ebook(root: Path, profile: str, name: str) -> Path:
    """Make a file of the site as it was bound, and put it there, linked from the first page.

    Args:
        root: the top of the repository.
        profile: whose site.
        name: ``advnotes.pdf`` or ``advnotes.epub``.

    Returns:
        The file in the site.

    Raises:
        ValueError: where the site was not bound, or a package is missing.
        RuntimeError: where Chromium cannot be started, or a file of the site is missing.
    """
    site, folder = site_folder(root, profile), build_folder(root, profile) / "ebook"
    if not (site / "index.html").is_file():
        raise ValueError(
            f"expected the site in {site}, got none: `advnotes book --profile {profile}` makes it"
        )
    made, now = folder / name, pages_of(site)
    if not (made.is_file() and stamp(made).is_file() and stamp(made).read_text() == now):
        folder.mkdir(parents=True, exist_ok=True)
        stamp(made).unlink(missing_ok=True)
        document = folder / f"{name}.html"
        content = MAKERS[name](assemble(root, profile), document)
        document.unlink()
        write_whole(made, lambda unfinished: unfinished.write_bytes(content))
        stamp(made).write_text(now)
    offer_ebooks(site, root, folder)
    return site / name
