"""All pages of the site in one document: parts, pages, and links that lead from one to the other inside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml
from bs4 import Tag
from pygments.formatters import HtmlFormatter

from advnotes.publish.chapters import parts, site_folder
from advnotes.publish.site.ebook.article import make_fit_for_a_book, read_article
from advnotes.publish.templating import TEMPLATES

WIDGETS = re.compile(r"^const WIDGETS = \{(.*?)^\};", re.DOTALL | re.MULTILINE)
WIDGET = re.compile(r'^  "([\w-]+)": \{', re.MULTILINE)
REFERENCES = ("aria-labelledby", "aria-describedby")


@dataclass(frozen=True)
class Page:
    """One page of the book: its name in ``_toc.yml``, its title, and its text. ``id`` is its anchor."""

    name: str
    title: str
    body: Tag

    @property
    def id(self) -> str:
        """The anchor of the page; those inside it begin with it."""
        return page_id(self.name)

    @property
    def sections(self) -> list[tuple[str, str]]:
        """Anchor and title of each section of the second level."""
        found = ((heading.parent, heading.get_text()) for heading in self.body.find_all("h2"))
        return [(str(section["id"]), title) for section, title in found if section and section.get("id")]


@dataclass(frozen=True)
class Part:
    """Pages under one caption; the first page of the book has none."""

    caption: str
    pages: list[Page]

    @property
    def id(self) -> str:
        """The anchor of the part's caption."""
        return "part-" + re.sub(r"\W+", "-", self.caption).lower()


@dataclass(frozen=True)
class Volume:
    """The book as one document, with what stands on its first pages."""

    title: str
    author: str
    version: str
    address: str
    licence: str
    note: str
    code_style: str
    site: Path
    parts: list[Part]

    def pages(self) -> Iterator[Page]:
        """All pages in the book's order."""
        for part in self.parts:
            yield from part.pages

    @property
    def picture(self) -> Tag | None:
        """The picture of the cover: that of the landing page."""
        found = next(self.pages()).body.find("img")
        return found if isinstance(found, Tag) else None

    def html(self) -> str:
        """The document, for a browser on this machine: what it loads lies in the site."""
        template = TEMPLATES.get_template("ebook/volume.html")
        return template.render(book=self, style=self.style())

    def style(self) -> str:
        """The style that PDF and EPUB have in common."""
        code: str = HtmlFormatter(style=self.code_style).get_style_defs(".highlight")
        return TEMPLATES.get_template("ebook/volume.css").render() + "\n" + code


def page_id(name: str) -> str:
    """The anchor of a page, from its name in ``_toc.yml``."""
    return name.removeprefix("book/").replace("/", "-")


def assemble(root: Path, profile: str) -> Volume:
    """The book of a profile's site, as it was bound."""
    site = site_folder(root, profile)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf8"))
    address = config["html"]["baseurl"]
    widgets = widget_classes(site)
    found, note = [], ""
    for caption, names in parts(root):
        pages = []
        for name in names:
            html = (site / f"{name}.html").read_text(encoding="utf8")
            note = note or announcement(html)
            body = read_article(html)
            make_fit_for_a_book(body, widgets, f"{address}{name}.html")
            heading = body.find("h1")
            pages.append(Page(name, heading.get_text() if heading else name, body))
        found.append(Part(caption, pages))
    volume = Volume(
        title=config["title"],
        author=config["author"],
        version=config["repository"]["branch"].removeprefix("v"),
        address=address,
        licence=config["html"]["extra_footer"],
        note=note,
        code_style=config["sphinx"]["config"]["html_theme_options"]["pygments_light_style"],
        site=site,
        parts=found,
    )
    tie_together(volume)
    return volume


def announcement(html: str) -> str:
    """The words that stand above a page of a profile that is not to be taken at its numbers."""
    found = re.search(r'class="bd-header-announcement__content">(.*?)</div>', html, re.DOTALL)
    return re.sub(r"<[^>]+>", "", found[1]).strip() if found else ""


def widget_classes(site: Path) -> list[str]:
    """The classes of the places that a program of the site fills, from the list that loads these programs."""
    script = (site / "_static/advnotes.js").read_text(encoding="utf8")
    block = WIDGETS.search(script)
    if block is None:
        raise ValueError("expected `const WIDGETS = {...};` in book/_static/advnotes.js, got none")
    return WIDGET.findall(block[1])


def tie_together(volume: Volume) -> None:
    """Give every anchor a name of its own in the whole book, and let links and pictures follow.

    A link to a page that is not in the book, such as a listing, leads to the site in the network. One to a place that
    a book does not have leads to the beginning of its page.
    """
    pages = {f"{page.name}.html": page for page in volume.pages()}
    anchors = {name: _rename_anchors(page) for name, page in pages.items()}
    for name, page in pages.items():
        for link in page.body.find_all("a", href=True):
            target = urljoin(name, str(link["href"]))
            path, anchor = unquote(urlsplit(target).path), unquote(urlsplit(target).fragment)
            if urlsplit(target).scheme:
                continue
            if path in pages:
                link["href"] = f"#{anchors[path].get(anchor, pages[path].id)}"
            else:
                link["href"] = volume.address + target
        for image in page.body.find_all("img", src=lambda source: not str(source).startswith("data:")):
            image["src"] = (volume.site / urljoin(name, unquote(str(image["src"])))).as_uri()


def _rename_anchors(page: Page) -> dict[str, str]:
    """Prefix the anchors of a page with its own; old ones and new ones. Of two equal ones the first stays."""
    renamed: dict[str, str] = {}
    for element in page.body.find_all(id=True):
        old = str(element["id"])
        if old in renamed:
            del element["id"]
        else:
            element["id"] = renamed[old] = f"{page.id}--{old}"
    for attribute in REFERENCES:
        for element in page.body.find_all(True, {attribute: True}):
            words = str(element[attribute]).split()
            element[attribute] = " ".join(renamed.get(word, word) for word in words)
    return renamed
