"""The PDF and the EPUB of some pages of the site, made by Chromium and read again."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pikepdf
import pytest
from bs4 import BeautifulSoup

from advnotes.publish.chapters import parts
from advnotes.publish.site.ebook import volume
from advnotes.publish.site.ebook.epub import make_epub
from advnotes.publish.site.ebook.pdf import make_pdf
from advnotes.publish.site.ebook.volume import Volume, assemble

ROOT = Path(__file__).parents[2]
SOME = ("book/intro", "book/start-here", "book/attacks/fgsm", "book/games/one-idea", "book/bibliography")
X, M = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/1998/Math/MathML}"


def some_pages(root: Path) -> list[tuple[str, list[str]]]:
    kept = [(caption, [name for name in names if name in SOME]) for caption, names in parts(root)]
    return [(caption, names) for caption, names in kept if names]


@pytest.fixture(scope="module")
def make(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., bytes]]:
    """Make a book of some pages. In a thread of its own: playwright is at work in this one already."""
    document = tmp_path_factory.mktemp("ebook") / "book.html"
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as thread:
        patch.setattr(volume, "parts", some_pages)
        patch.setattr(volume, "site_folder", lambda root, profile: site)
        yield lambda maker: thread.submit(lambda: maker(assemble(ROOT, "smoke"), document)).result()


@pytest.fixture(scope="module")
def printed(make: Callable[..., bytes]) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(io.BytesIO(make(make_pdf))) as pdf:
        yield pdf


@pytest.fixture(scope="module")
def packed(make: Callable[..., bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(make(make_epub)))


@pytest.fixture(scope="module")
def texts(packed: zipfile.ZipFile) -> dict[str, ElementTree.Element]:
    """The EPUB's pages, each read as XML."""
    return {
        name: ElementTree.fromstring(packed.read(name))
        for name in packed.namelist()
        if name.endswith(".xhtml")
    }


def articles(site: Path) -> list[Any]:
    """The pages' texts as they are in the site."""
    pages = [(site / f"{name}.html").read_text(encoding="utf8") for name in SOME]
    return [BeautifulSoup(page, "html.parser").article for page in pages]


def pictures(site: Path) -> set[str]:
    return {Path(image["src"]).name for article in articles(site) for image in article.find_all("img")}


def formulas(site: Path) -> int:
    """Those that a book keeps: not the ones in the words that stand where only the site can play."""
    found = [formula for article in articles(site) for formula in article.select("span.math, div.math")]
    return len([formula for formula in found if not formula.find_parent(class_="advnotes-two-players")])


def outline(items: Any, depth: int = 0) -> Iterator[tuple[int, str]]:
    for item in items:
        yield depth, str(item.title)
        yield from outline(item.children, depth + 1)


def test_the_pdf_has_bookmarks_for_parts_chapters_and_sections(printed: pikepdf.Pdf, site: Path) -> None:
    with printed.open_outline() as found:
        marks = list(outline(found.root))
    for article in articles(site)[1:]:
        assert (1, article.h1.get_text().removesuffix("#")) in marks
    assert [title for depth, title in marks if depth == 0] == [
        "Contents",
        "Adversarial training, played as games",
        *(caption for caption, _ in some_pages(ROOT) if caption),
    ]
    assert (2, "Exercises") in marks
    assert (2, "Solutions") in marks


def test_each_picture_of_the_site_is_in_the_pdf_on_one_page(printed: pikepdf.Pdf, site: Path) -> None:
    seen: Counter[tuple[int, int]] = Counter()
    for page in printed.pages:
        seen.update({image.objgen for image in page.get_images().values()})
    assert len(seen) == len(pictures(site))
    assert sorted(seen.values())[-2:] == [
        1,
        2,
    ]  # the cover shows one again; one that is cut would be on two as well


def test_each_link_inside_the_pdf_leads_to_a_page(printed: pikepdf.Pdf) -> None:
    pages = {page.objgen for page in printed.pages}
    places: Any = printed.Root.Dests
    assert {place[0].objgen for place in (places[name] for name in places)} <= pages
    inside = outside = 0
    for page in printed.pages:
        for link in page.get("/Annots", []):
            if "/Dest" in link:
                assert str(link.Dest) in places
                inside += 1
            else:
                assert str(link.A.URI).startswith(("https://", "http://"))
                outside += 1
    assert inside > 50
    assert outside > 20


def test_each_formula_of_the_pdf_is_described_and_set(printed: pikepdf.Pdf, site: Path) -> None:
    elements = [item for item in printed.objects if isinstance(item, pikepdf.Dictionary)]
    said = [str(item.Alt) for item in elements if item.get("/S") == "/Figure" and "/Alt" in item]
    assert len(said) >= formulas(site)
    assert any(r"\epsilon\,\operatorname{sign}\nabla_x L" in words for words in said)
    fonts = {str(name) for item in elements if (name := item.get("/FontName") or item.get("/BaseFont"))}
    assert fonts  # text, and no picture of it


def test_the_pages_of_the_epub_hold_all_pictures_and_formulas(
    packed: zipfile.ZipFile, texts: dict[str, ElementTree.Element], site: Path
) -> None:
    named = set(packed.namelist())
    images = [image for text in texts.values() for image in text.iter(f"{X}img")]
    assert {posixpath.join("book", str(image.get("src"))) for image in images} <= named
    shown = {Path(str(image.get("src"))) for image in images}
    assert {path.stem for path in shown} == {*(Path(name).stem for name in pictures(site)), "cover"}
    assert {path.stem for path in shown if path.suffix == ".webp"} == {
        "photograph"
    }  # many programs do not know it
    assert all(len(image.get("alt") or "") >= 15 for image in images)
    maths = [math for text in texts.values() for math in text.iter(f"{M}math")]
    assert len(maths) == formulas(site)
    signs = [math for math in maths if r"\epsilon\,\operatorname{sign}\nabla_x L" in str(math.get("alttext"))]
    assert signs[0].get("display") == "block"
    assert "sign" in "".join(signs[0].itertext())


def test_each_link_inside_the_epub_leads_to_an_element(texts: dict[str, ElementTree.Element]) -> None:
    anchors = {name: {element.get("id") for element in text.iter()} | {""} for name, text in texts.items()}
    inside = 0
    for name, text in texts.items():
        for link in text.iter(f"{X}a"):
            address = str(link.get("href"))
            if not address.startswith(("http", "mailto:")):
                path, _, anchor = address.partition("#")
                assert anchor in anchors[posixpath.join("book", path)], f"{name}: {address}"
                inside += 1
    assert inside > 50


def test_the_contents_of_the_epub_are_those_of_the_book(
    texts: dict[str, ElementTree.Element], site: Path
) -> None:
    titles = ["".join(link.itertext()) for link in texts["book/nav.xhtml"].iter(f"{X}a")]
    for article in articles(site):
        assert article.h1.get_text().removesuffix("#") in titles
    assert "Solutions" in titles


def test_a_missing_picture_is_told(make: Callable[..., bytes]) -> None:
    def without_one(book: Volume, document: Path) -> bytes:
        image = book.picture
        assert image is not None
        image["src"] = f"{image['src']}.gone.png"
        return make_epub(book, document)

    with pytest.raises(RuntimeError, match=r"could not load .*gone\.png"):
        make(without_one)
