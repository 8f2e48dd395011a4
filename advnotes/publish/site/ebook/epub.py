"""The book as an EPUB 3: one file a page, with formulas as MathML."""

from __future__ import annotations

import base64
import hashlib
import io
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.dom import minidom

from advnotes.publish.site.ebook.browser import opened
from advnotes.publish.site.ebook.volume import Volume
from advnotes.publish.site.lean.pictures import as_png
from advnotes.publish.templating import TEMPLATES

#: The pages as XML, which Chromium writes rightly whatever the HTML was, and the formulas as MathML in place of glyphs.
PAGES = """() => {
    for (const formula of MathJax.startup.document.math) {
        const math = new DOMParser().parseFromString(MathJax.startup.toMML(formula.root), "text/xml").documentElement;
        math.setAttribute("alttext", formula.math.trim());
        formula.typesetRoot.replaceWith(math);
    }
    for (const part of document.querySelectorAll("h1.part")) part.remove();
    return Object.fromEntries([...document.querySelectorAll("section.page, section.imprint")].map(
        page => [page.id, new XMLSerializer().serializeToString(page)]));
}"""
COVER = "body {margin: 0} .title-page {width: 800px; height: 1200px; box-sizing: border-box; padding: 150px 60px 0}"
CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""
#: What HTML allows and a checker of EPUB does not, or what says nothing there.
UNWANTED = ("role", "translate", "border", "align", "valign")
TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".webp": "image/webp"}


@dataclass
class Files:
    """What goes into the EPUB: the text of its pages, in order, and pictures by their new name."""

    title: str
    texts: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def types(self) -> dict[str, str]:
        """Media types of the pictures."""
        return {name: TYPES[Path(name).suffix] for name in self.pictures}


def make_epub(book: Volume, document: Path) -> bytes:
    """Make the EPUB.

    Args:
        book: the pages.
        document: where the HTML is kept that Chromium reads.

    Raises:
        RuntimeError: where Chromium cannot be started, or a file is missing.
    """
    document.write_text(book.html(), encoding="utf8")
    with opened(document) as browser:
        pages: dict[str, str] = browser.evaluate(PAGES)
        browser.add_style_tag(content=COVER)
        cover = browser.locator(".title-page").screenshot()
    files = lay_out(pages, {page.id: page.title for page in book.pages()}, book.title)
    return pack(book, files, cover)


def lay_out(pages: Mapping[str, str], titles: Mapping[str, str], title: str) -> Files:
    """Cut the document into files: links lead from file to file, and pictures lie beside them.

    Args:
        pages: anchor -> text of each page, as XML.
        titles: anchor -> title of the pages that have one of their own.
        title: the book's.

    Raises:
        ValueError: where a link leads nowhere.
    """
    files = Files(title)
    trees = {name: minidom.parseString(text) for name, text in pages.items()}
    home = {
        element.getAttribute("id"): name
        for name, tree in trees.items()
        for element in tree.getElementsByTagName("*")
        if element.hasAttribute("id")
    }
    for name, tree in trees.items():
        for element in tree.getElementsByTagName("*"):
            _make_valid(element)
            link = element.getAttribute("href")
            if link.startswith("#"):
                if link[1:] not in home:
                    raise ValueError(f"{name}: a link leads to {link}, and nothing has that name")
                where = home[link[1:]]
                element.setAttribute("href", f"{where}.xhtml" + ("" if link[1:] == where else link))
            if element.tagName == "img":
                picture, content = _picture(element.getAttribute("src"))
                files.pictures[picture] = content
                element.setAttribute("src", picture)
        found = {kind: tree.getElementsByTagName(tag) for kind, tag in (("mathml", "math"), ("svg", "svg"))}
        files.properties[name] = " ".join(kind for kind, elements in found.items() if elements)
        body = "".join(node.toxml() for node in tree.childNodes)
        page = TEMPLATES.get_template("ebook/page.xml")
        files.texts[name] = page.render(title=titles.get(name, title), body=body)
    return files


def _picture(source: str) -> tuple[str, bytes]:
    """The name in the EPUB, and the content, of a picture that is a file or stands in the page itself."""
    if source.startswith("data:"):
        kind, _, data = source.partition(";base64,")
        content = base64.b64decode(data)
        return f"images/{hashlib.sha256(content).hexdigest()}.{kind.rpartition('/')[2]}", content
    path = Path(url2pathname(urlsplit(source).path))
    content = path.read_bytes()
    if png := as_png(content):  # figures: many readers of EPUB do not know the site's WebP
        return f"images/{path.stem}.png", png
    return f"images/{path.name}", content


def _make_valid(element: minidom.Element) -> None:
    for name in list(element.attributes.keys()):
        empty = name != "alt" and not element.getAttribute(name)
        if empty or name in UNWANTED or name.startswith("data-mjx"):
            element.removeAttribute(name)


def pack(book: Volume, files: Files, cover: bytes) -> bytes:
    """Put everything into one file, in the order that the format asks for."""
    facts = {
        "book": book,
        "files": files,
        "identifier": uuid.uuid5(uuid.NAMESPACE_URL, f"{book.address}{book.version}").urn,
        "modified": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "mimetype", "application/epub+zip", zipfile.ZIP_STORED
        )  # first, and readable as it lies there
        archive.writestr("META-INF/container.xml", CONTAINER)
        for name in ("package.opf", "nav.xhtml", "cover.xhtml"):
            template = TEMPLATES.get_template(f"ebook/{Path(name).stem}.xml")
            archive.writestr(f"book/{name}", template.render(facts))
        archive.writestr("book/style.css", book.style())
        archive.writestr("book/cover.png", cover)
        for name, text in files.texts.items():
            archive.writestr(f"book/{name}.xhtml", text)
        for name, content in files.pictures.items():
            archive.writestr(f"book/{name}", content, zipfile.ZIP_STORED)  # compressed by itself
    return packed.getvalue()
