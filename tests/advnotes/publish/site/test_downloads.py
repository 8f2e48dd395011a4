"""What the site offers to take away: notebooks, and PDF and EPUB only where they are of the site's own pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from advnotes.publish.chapters import pages
from advnotes.publish.site import downloads
from advnotes.publish.site.downloads import EPUB, PDF, PLACE, contents, offer_ebooks, pages_of, stamp
from advnotes.publish.site.ebook import make
from advnotes.publish.site.ebook.make import make_ebook
from tests.advnotes.publish.site.ebook_site import write_site

ROOT = Path(__file__).parents[4]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site(tmp_path)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-ins for the makers, and the titles of the books that they were given."""
    calls: list[str] = []

    def maker(book: make.Volume, document: Path) -> bytes:
        document.write_text(book.html())
        calls.append(book.title)
        return b"a whole book"

    monkeypatch.setattr(make, "MAKERS", {PDF: maker, EPUB: maker})
    return calls


def links(site: Path) -> list[str]:
    (place,) = PLACE.findall((site / "book/intro.html").read_text())
    return re.findall(r'href="([^"]+)"', place)


def test_a_site_without_files_has_no_links(site: Path, tmp_path: Path) -> None:
    before = (site / "book/intro.html").read_bytes()
    offer_ebooks(site, tmp_path, tmp_path / "none")
    assert (site / "book/intro.html").read_bytes() == before
    assert links(site) == []


def test_a_file_is_made_once_put_into_the_site_and_linked(
    site: Path, tmp_path: Path, made: list[str]
) -> None:
    before = contents(site)
    assert make_ebook(tmp_path, "laptop", PDF) == site / PDF
    assert (site / PDF).read_bytes() == b"a whole book"
    assert links(site) == [f"../{PDF}"]
    make_ebook(tmp_path, "laptop", EPUB)
    assert links(site) == [f"../{PDF}", f"../{EPUB}"]
    make_ebook(tmp_path, "laptop", PDF)
    assert len(made) == 2
    assert contents(site) == before  # so that the next binding finds the site as it was
    assert sorted(path.name for path in (tmp_path / "_build/laptop/ebook").iterdir()) == [
        f".{EPUB}.stamp",
        f".{PDF}.stamp",
        EPUB,
        PDF,
    ]


def test_a_file_of_other_pages_is_neither_kept_nor_linked(
    site: Path, tmp_path: Path, made: list[str]
) -> None:
    make_ebook(tmp_path, "laptop", PDF)
    page = site / "book/attacks/two.html"
    page.write_text(page.read_text().replace("Second", "Third"))
    offer_ebooks(site, tmp_path, tmp_path / "_build/laptop/ebook")
    assert links(site) == []
    assert not (site / PDF).exists()
    make_ebook(tmp_path, "laptop", PDF)
    assert len(made) == 2
    assert links(site) == [f"../{PDF}"]


def test_a_file_made_by_other_code_is_made_again(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pages_of(site)
    (tmp_path / "style.css").write_text("p { color: red }")
    monkeypatch.setattr(downloads, "MADE_OF", (*downloads.MADE_OF, tmp_path))
    assert pages_of(site) != before


def test_a_maker_that_fails_leaves_no_file_that_passes_for_current(
    site: Path, tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ebook(tmp_path, "laptop", PDF)
    page = site / "book/attacks/two.html"
    page.write_text(page.read_text().replace("Second", "Third"))

    def fails(*_: object) -> bytes:
        raise RuntimeError("no Chromium")

    monkeypatch.setattr(make, "MAKERS", {PDF: fails})
    with pytest.raises(RuntimeError, match="no Chromium"):
        make_ebook(tmp_path, "laptop", PDF)
    assert not stamp(tmp_path / "_build/laptop/ebook" / PDF).exists()


def test_a_first_page_without_a_place_is_refused(site: Path, tmp_path: Path, made: list[str]) -> None:
    page = site / "book/intro.html"
    page.write_text(PLACE.sub("", page.read_text()))
    with pytest.raises(ValueError, match=r"book/intro\.md, the book's first page, got none"):
        make_ebook(tmp_path, "laptop", PDF)


def test_a_site_that_was_not_bound_is_refused(tmp_path: Path, site: Path, made: list[str]) -> None:
    with pytest.raises(ValueError, match="expected the site"):
        make_ebook(tmp_path, "smoke", PDF)
    assert not (tmp_path / "_build/smoke").exists()


def test_the_book_has_a_place_for_the_links() -> None:
    first = (ROOT / f"{pages(ROOT)[0]}.md").read_text(encoding="utf8")
    assert len(PLACE.findall(first)) == 1
