"""Old addresses lead to where their pages are now."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from advnotes.publish.site.moved import lead_on, moved

ROOT = Path(__file__).parents[4]


def write(root: Path, lines: str) -> Path:
    (root / "book").mkdir(parents=True)
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nchapters:\n- file: book/attacks/new\n- file: book/map\n"
    )
    (root / "book/moved.yml").write_text(lines)
    return root


def test_the_books_own_list_is_in_order() -> None:
    moved(ROOT)


def test_a_book_without_a_list_has_no_old_addresses(tmp_path: Path) -> None:
    (write(tmp_path, "") / "book/moved.yml").unlink()
    assert moved(tmp_path) == {}


@pytest.mark.parametrize(
    ("old", "new", "link"),
    [
        ("attacks/old", "attacks/new", "new.html"),
        ("games/old", "attacks/new", "../attacks/new.html"),
        ("old", "attacks/new#a-heading", "attacks/new.html#a-heading"),
        ("attacks/old", "map", "../map.html"),
    ],
)
def test_a_page_at_the_old_address_leads_to_the_new_one(
    tmp_path: Path, old: str, new: str, link: str
) -> None:
    site = tmp_path / "html"
    lead_on(site, moved(write(tmp_path / "clone", f"{old}: {new}\n")))
    page = site / f"book/{old}.html"
    soup = BeautifulSoup(page.read_text(encoding="utf8"), "html.parser")
    assert [a["href"] for a in soup.select("a")] == [link]
    assert soup.select_one("meta[http-equiv=refresh]")["content"] == f"0; url={link}"
    # Without a heading of its own, the new address keeps the one that was asked for.
    assert [script.text for script in soup.select("script")] == (
        [] if "#" in new else [f'location.replace("{link}" + location.hash)']
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("- attacks/old\n", "expected lines such as `attacks/old: attacks/new`"),
        ("attacks/old: 3\n", "expected lines such as `attacks/old: attacks/new`"),
        ("attacks/new: map\n", "attacks/new is a page of _toc.yml"),
        ("attacks/old: attacks/gone\n", "leads to attacks/gone, which is no page of _toc.yml"),
    ],
)
def test_a_list_that_leads_nowhere_is_refused(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        moved(write(tmp_path, lines))
