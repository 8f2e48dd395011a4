"""The EPUB's and the PDF's files, without a browser: what Chromium returns is written here by hand."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pikepdf
import pytest
from PIL import Image

from advnotes.publish.site.ebook import epub, pdf
from advnotes.publish.site.ebook.volume import Volume, assemble
from tests.advnotes.publish.site.ebook_site import DATA, PIXEL, write_site

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
MATH = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML" alttext="x"><mi data-mjx-variant="-tex">x</mi></math>'
)


@pytest.fixture
def book(tmp_path: Path) -> Volume:
    write_site(tmp_path)
    return assemble(tmp_path, "laptop")


@pytest.fixture
def pages(book: Volume) -> dict[str, str]:
    """As XMLSerializer writes them."""
    picture = (book.site / "_images/a.png").as_uri()
    return {
        "imprint": f'<section {XHTML} id="imprint"><p>CC BY.</p></section>',
        "intro": f'<section {XHTML} id="intro"><p role="note" id="intro--a">{MATH}</p>'
        f'<a href="#attacks-one">one</a> <a href="#attacks-one--b">b</a></section>',
        "attacks-one": f'<section {XHTML} id="attacks-one"><p id="attacks-one--b" title="">B</p>'
        f'<a href="#intro--a">back</a><img src="{picture}" alt=""/><img src="{DATA}" alt="A still"/></section>',
        "attacks-two": f'<section {XHTML} id="attacks-two"><svg xmlns="http://www.w3.org/2000/svg"/></section>',
    }


def test_links_lead_from_file_to_file_and_pictures_come_along(pages: dict[str, str]) -> None:
    files = epub.lay_out(pages, {"intro": "A & B"}, "The book")
    assert 'href="attacks-one.xhtml"' in files.texts["intro"]
    assert 'href="attacks-one.xhtml#attacks-one--b"' in files.texts["intro"]
    assert 'href="intro.xhtml#intro--a"' in files.texts["attacks-one"]
    assert '<img src="images/a.png" alt=""/>' in files.texts["attacks-one"]
    assert "<title>A &amp; B</title>" in files.texts["intro"]
    assert "<title>The book</title>" in files.texts["attacks-two"]
    assert list(files.types().values()) == ["image/png", "image/png"]
    assert set(files.pictures.values()) == {PIXEL}
    assert "data:" not in files.texts["attacks-one"]
    assert files.properties == {"imprint": "", "intro": "mathml", "attacks-one": "", "attacks-two": "svg"}
    for attribute in ("role=", "title=", "data-mjx"):
        assert attribute not in "".join(files.texts.values()).replace("<title", "")


def test_a_figure_that_the_site_has_packed_goes_in_as_png(book: Volume, pages: dict[str, str]) -> None:
    pixels = Image.new("RGBA", (40, 30), (255, 255, 255, 0))
    pixels.putpixel((3, 4), (31, 119, 180, 90))
    figure, photograph = (book.site / f"_images/{name}.webp" for name in ("figure", "photograph"))
    pixels.save(figure, lossless=True, exact=True)
    Image.new("RGB", (40, 30), (200, 100, 50)).save(photograph, quality=80)
    pages["intro"] = (
        f'<section {XHTML} id="intro"><p id="intro--a"><img src="{figure.as_uri()}" alt=""/>'
        f'<img src="{photograph.as_uri()}" alt=""/></p></section>'
    )
    files = epub.lay_out(pages, {}, "The book")
    assert {"images/figure.png", "images/photograph.webp"} <= set(files.pictures)
    assert '<img src="images/figure.png" alt=""/>' in files.texts["intro"]
    shown = Image.open(io.BytesIO(files.pictures["images/figure.png"]))
    assert (shown.format, shown.convert("RGBA").tobytes()) == ("PNG", pixels.tobytes())


def test_a_link_that_leads_nowhere_is_refused(pages: dict[str, str]) -> None:
    pages["intro"] = f'<section {XHTML} id="intro"><a href="#attacks-three">three</a></section>'
    with pytest.raises(ValueError, match="intro: a link leads to #attacks-three"):
        epub.lay_out(pages, {}, "The book")


def test_the_epub_has_every_file_that_it_names_and_each_is_xml(book: Volume, pages: dict[str, str]) -> None:
    packed = epub.pack(book, epub.lay_out(pages, {}, book.title), PIXEL)
    archive = zipfile.ZipFile(io.BytesIO(packed))
    first = archive.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert packed[30:58] == b"mimetypeapplication/epub+zip"
    trees = {
        name: ElementTree.fromstring(archive.read(name))
        for name in archive.namelist()
        if name.endswith((".xhtml", ".opf", ".xml"))
    }
    package = trees["book/package.opf"]
    namespace = "{http://www.idpf.org/2007/opf}"
    items = {item.get("id"): f"book/{item.get('href')}" for item in package.iter(f"{namespace}item")}
    assert len(set(items.values())) == len(items)
    assert {*items.values(), "book/package.opf", "META-INF/container.xml", "mimetype"} == set(
        archive.namelist()
    )
    spine = [items[item.get("idref")] for item in package.iter(f"{namespace}itemref")]
    assert [Path(name).stem for name in spine[:4]] == ["cover", "imprint", "nav", "intro"]
    assert archive.read("book/images/a.png") == PIXEL
    links = [link.get("href") for link in trees["book/nav.xhtml"].iter("{http://www.w3.org/1999/xhtml}a")]
    assert links[:3] == ["intro.xhtml", "attacks-one.xhtml", "attacks-one.xhtml#attacks-one--claims"]
    assert links[-1] == "attacks-two.xhtml"
    assert "Attacks &amp; more" in archive.read("book/nav.xhtml").decode()


def test_the_same_book_keeps_its_identity_and_another_version_gets_its_own(
    book: Volume, pages: dict[str, str]
) -> None:
    def identity(book: Volume) -> str:
        archive = zipfile.ZipFile(io.BytesIO(epub.pack(book, epub.lay_out(pages, {}, book.title), PIXEL)))
        package = ElementTree.fromstring(archive.read("book/package.opf"))
        return str(package.findtext(".//{http://purl.org/dc/elements/1.1/}identifier"))

    assert identity(book).startswith("urn:uuid:")
    assert identity(book) == identity(book)
    assert identity(book) != identity(Volume(**{**vars(book), "version": "2.0.0"}))


def printed() -> bytes:
    """Three sheets, and two places that links lead to, as Chromium names them."""
    made, out = pikepdf.new(), io.BytesIO()
    for _ in range(3):
        made.add_blank_page()
    places = {
        f"/{name}": [made.pages[page].obj, pikepdf.Name.XYZ, 0, 0, 0]
        for name, page in (("a", 0), ("b--c", 2))
    }
    made.Root.Dests = pikepdf.Dictionary(places)
    made.save(out)
    return out.getvalue()


def test_the_numbers_of_pages_are_read_from_what_was_printed(book: Volume) -> None:
    assert pdf.page_numbers(printed()) == {"a": 1, "b--c": 3}
    packed = pdf.pack(printed(), book)
    assert pdf.page_numbers(packed) == {"a": 1, "b--c": 3}
    with pikepdf.open(io.BytesIO(packed)) as opened:
        assert str(opened.docinfo["/Author"]) == "Its author"
