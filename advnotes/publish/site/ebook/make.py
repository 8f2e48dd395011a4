"""Make the PDF or the EPUB of a profile's site, where it was not yet made of these pages."""

from __future__ import annotations

from pathlib import Path

from advnotes.files import write_whole
from advnotes.publish.chapters import build_folder, site_folder
from advnotes.publish.site.downloads import EPUB, PDF, offer_ebooks, pages_of, stamp
from advnotes.publish.site.ebook.epub import make_epub
from advnotes.publish.site.ebook.pdf import make_pdf
from advnotes.publish.site.ebook.volume import assemble

MAKERS = {PDF: make_pdf, EPUB: make_epub}


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
    made, book = folder / name, assemble(root, profile)
    now = pages_of(site)
    if not (made.is_file() and stamp(made).is_file() and stamp(made).read_text() == now):
        folder.mkdir(parents=True, exist_ok=True)
        stamp(made).unlink(missing_ok=True)
        document = folder / f"{name}.html"
        content = MAKERS[name](book, document)
        document.unlink()
        write_whole(made, lambda unfinished: unfinished.write_bytes(content))
        stamp(made).write_text(now)
    offer_ebooks(site, root, folder)
    return site / name
