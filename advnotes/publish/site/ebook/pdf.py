"""The book as a PDF, printed by Chromium, with a table of contents, bookmarks, and page numbers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from advnotes.publish.site.ebook.browser import opened
from advnotes.publish.site.ebook.volume import Volume
from advnotes.publish.templating import TEMPLATES

DEEPEST = 6
NUMBERS = """numbers => { for (const place of document.querySelectorAll(".on-page"))
    place.textContent = numbers[decodeURIComponent(place.previousElementSibling.hash.slice(1))] ?? "000"; }"""


def make_pdf(book: Volume, document: Path) -> bytes:
    """Print the book.

    Chromium cannot say on which page a link's target is. So the book is printed, the numbers are read from what came
    out and written beside the links, and it is printed again.

    Args:
        book: the pages; their headings go down one level, below those of their parts.
        document: where the HTML is kept that is printed.

    Raises:
        RuntimeError: where Chromium cannot be started, or a file is missing.
    """
    for part in book.parts:
        if part.caption:
            for page in part.pages:
                lower_headings(page.body)
    style = TEMPLATES.get_template("ebook/paper.css").render(book=book)
    document.write_text(book.html().replace("</head>", f"<style>{style}</style>\n</head>"), encoding="utf8")
    with opened(document) as browser:
        numbers: dict[str, int] = {}
        for _ in range(4):
            browser.evaluate(NUMBERS, numbers)
            printed = browser.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
            shown, numbers = numbers, page_numbers(printed)
            if shown == numbers:
                return pack(printed, book)
    raise RuntimeError("the page numbers in the PDF's table of contents change from printing to printing")


def lower_headings(body: Any) -> None:
    """Put each heading one level lower."""
    for level in range(DEEPEST - 1, 0, -1):
        for heading in body.find_all(f"h{level}"):
            heading.name = f"h{level + 1}"


def page_numbers(printed: bytes) -> dict[str, int]:
    """Anchor -> number of its page, for the anchors that a link leads to."""
    import pikepdf

    with pikepdf.open(io.BytesIO(printed)) as pdf:
        numbers = {page.objgen: number for number, page in enumerate(pdf.pages, start=1)}
        places: Any = pdf.Root.get("/Dests", {})
        return {name.removeprefix("/"): numbers[place[0].objgen] for name, place in places.items()}


def pack(printed: bytes, book: Volume) -> bytes:
    """The same PDF with its title and author, opened with its bookmarks, and at less than two thirds of the size.

    Chromium writes every piece of the description for screen readers by itself and uncompressed.
    """
    import pikepdf

    packed = io.BytesIO()
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        pdf.docinfo["/Author"] = book.author
        pdf.docinfo["/Creator"] = f"advnotes {book.version}"
        pdf.Root.PageMode = pikepdf.Name.UseOutlines
        pdf.save(packed, object_stream_mode=pikepdf.ObjectStreamMode.generate, compress_streams=True)
    return packed.getvalue()
