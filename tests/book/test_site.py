"""The files of the site, read without a browser: links, pictures, buttons, downloads, the landing page's code."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup

import advnotes
from advnotes.publish.chapters import Chapter, chapters
from advnotes.publish.site.downloads import EPUB, PDF

ROOT = Path(__file__).parents[2]
CHAPTERS = chapters(ROOT)
PAGES = sorted(path.stem for path in (ROOT / "book").glob("*.md"))


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")


@cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(element["id"] for element in soup(path).find_all(id=True)) | {"", "top"}


def pages(site: Path) -> list[Path]:
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.relative_to(site).parts]


def test_every_page_of_the_book_is_in_the_site(site: Path) -> None:
    wanted = {f"book/{name}.html" for name in PAGES + [chapter.name for chapter in CHAPTERS]}
    assert wanted <= {path.relative_to(site).as_posix() for path in pages(site)}


def test_the_table_of_contents_lists_every_page() -> None:
    listed = set(re.findall(r"book/\S+", (ROOT / "_toc.yml").read_text(encoding="utf8")))
    sources = {path.relative_to(ROOT).with_suffix("") for path in (ROOT / "book").rglob("*.ipynb")}
    written = {source.as_posix() for source in sources if ".ipynb_checkpoints" not in source.parts}
    assert listed == written | {f"book/{name}" for name in PAGES}


def test_no_link_inside_the_site_is_broken(site: Path) -> None:
    broken = set()
    for page in pages(site):
        for element in soup(page).find_all(["a", "link", "img", "script", "source", "iframe"]):
            link = element.get("href") or element.get("src")
            parts = urlsplit(link or "")
            if not link or parts.scheme in {"http", "https", "mailto", "data"} or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            there = target.is_relative_to(site) and target.is_file()
            if there and target.suffix == ".html":
                there = unquote(parts.fragment) in anchors(target)
            if not there:
                broken.add(f"{page.relative_to(site)}: {link}")
    assert sorted(broken) == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = {
        f"{page.relative_to(site)}: {element.get('src') or element.get('href')}"
        for page in pages(site)
        for element in soup(page).select(
            "script[src], img[src], iframe[src], link[rel~=stylesheet], link[rel~=icon]"
        )
        if re.match(r"(https?:)?//", element.get("src") or element.get("href"))
    }
    assert loaded == set()


def test_every_picture_in_a_text_says_what_it_shows(site: Path) -> None:
    pictures = [(page, image) for page in pages(site) for image in soup(page).select("article img")]
    assert len(pictures) > len(CHAPTERS)
    silent = [
        f"{page.relative_to(site)}: {image['src']}"
        for page, image in pictures
        if len(image.get("alt", "")) < 15
        or image["alt"].endswith(".png")
        or (
            "described in its caption" in image["alt"]
            and len(image.find_parent("figure").figcaption.text) < 15
        )
    ]
    assert silent == []


def test_a_figure_to_slide_through_has_a_number_and_a_caption_and_is_shown_once(site: Path) -> None:
    drawn = {c.name: sum("sliders.show(" in cell["source"] for cell in c.cells) for c in CHAPTERS}
    assert sum(drawn.values()) >= 5
    for name, count in drawn.items():
        sliders = soup(site / f"book/{name}.html").select(".advnotes-slider")
        assert len(sliders) == count, name
        for slider in sliders:
            figure = slider.find_parent("figure")
            assert re.match(r"Figure \d+\. \w.{15}", figure.figcaption.text.strip()), name
            assert figure.find_all("img") == slider.find_all("img"), name  # without the still for print


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_opens_in_colab_at_the_release(site: Path, chapter: Chapter) -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    place = config["repository"]["url"].removeprefix("https://github.com/")
    repository = f"https://colab.research.google.com/github/{place}/blob"
    links = [a["href"] for a in soup(site / f"book/{chapter.name}.html").select("a.advnotes-colab")]
    assert links == [f"{repository}/v{advnotes_version()}/book/{chapter.name}.ipynb"]
    assert f"{place}@v{advnotes_version()}" in "".join(cell["source"] for cell in chapter.cells[:3])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_the_download_of_a_chapter_is_the_repositorys_notebook(site: Path, chapter: Chapter) -> None:
    page = site / f"book/{chapter.name}.html"
    (link,) = {a["href"] for a in soup(page).select("a.btn-download-source-button")}
    notebook = json.loads((page.parent / link).read_text(encoding="utf8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert not any(cell["outputs"] for cell in code)


def test_the_site_without_pdf_and_epub_is_small(site: Path) -> None:
    """40 MB can be read with a slow line, and carried away: 28 with 33 chapters, and each adds half of one."""
    files = [path for path in site.rglob("*") if path.is_file() and path.name not in (PDF, EPUB)]
    assert sum(path.stat().st_size for path in files) < 40e6


def test_each_page_is_small_with_the_pictures_that_it_shows(site: Path) -> None:
    sizes = {}
    for page in pages(site):
        shown = {image["src"] for image in soup(page).select("img[src]")}
        linked = {page.parent / unquote(src) for src in shown if not src.startswith("data:")}
        sizes[page.relative_to(site).as_posix()] = sum(path.stat().st_size for path in {page, *linked})
    assert {name: size for name, size in sizes.items() if size > 2e6} == {}


def test_figures_are_packed_and_no_file_lies_there_for_nobody(site: Path) -> None:
    files = {path.name for path in (site / "_images").iterdir()}
    shown = {
        Path(urlsplit(image["src"]).path).name
        for page in pages(site)
        for image in soup(page).select("img[src]")
        if "/_images/" in image["src"]
    }
    assert files == shown
    assert {Path(name).suffix for name in files} <= {".webp", ".svg"}


def test_a_listing_of_source_has_a_title_a_search_and_ways_back_but_not_all_contents(site: Path) -> None:
    listings = [path for path in pages(site) if path.relative_to(site).parts[0] == "_modules"]
    assert len(listings) > 100
    for path in listings:
        page = soup(path)
        title = page.select_one("article h1")
        assert title, path
        assert title.get_text(strip=True), path
        assert page.select("form.bd-search input[name=q]"), path
        led = {
            (path.parent / unquote(a["href"])).resolve() for a in page.select(".bd-sidebar-primary a[href]")
        }
        assert led == {site / f"book/{name}.html" for name in ("intro", "start-here", "api")}, path
        assert page.select("article .highlight pre") or path.name == "index.html"


def test_the_guide_for_programs_leads_to_pages_that_are_there(site: Path) -> None:
    address = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))["html"]["baseurl"]
    text = (site / "llms.txt").read_text(encoding="utf8")
    names = re.findall(rf"{re.escape(address)}([\w/.-]+\.(?:html|ipynb))", text)
    assert len(names) > len(CHAPTERS) + 5
    assert [name for name in names if not (site / name).is_file()] == []


def test_the_scorecard_is_filled_in(site: Path) -> None:
    card = soup(site / "book/scorecard.html")
    linked = {a["href"] for a in card.select("#scorecard a.internal")}
    assert linked >= {f"{chapter.name}.html" for chapter in CHAPTERS}
    rows = card.select(".advnotes-scorecard tbody tr")
    assert len(rows) >= 3 * len(CHAPTERS)
    for row in rows:  # each leads to the claim's place on its chapter's page
        page, anchor = row.select_one("td:nth-child(2) a")["href"].split("#")
        assert anchor in anchors(site / "book" / page)


def test_the_api_page_has_every_public_name(site: Path) -> None:
    documented = {anchor.rsplit(".")[-1] for anchor in anchors(site / "book/api.html")}
    assert set(advnotes.__all__) - documented == set()


def test_the_references_are_complete() -> None:
    entries = re.findall(
        r"@\w+\{([^,]+),\n(.*?)\n\}", (ROOT / "book/references.bib").read_text("utf8"), re.DOTALL
    )
    keys = [key for key, _ in entries]
    assert len(keys) == len(set(keys)) > 12
    for key, fields in entries:
        assert {"title", "author", "year"} <= set(re.findall(r"^  (\w+) = ", fields, re.MULTILINE)), key


def test_the_code_of_the_landing_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "book/intro.md").read_text(encoding="utf8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code, found = re.subn(r"size=\d+", "size=32", code)
    assert found == 1
    exec(code, {})
    natural, robust = (
        float(share) for share in re.findall(r"^([\d.]+)%", capsys.readouterr().out, re.MULTILINE)
    )
    assert natural < 20 < 70 < robust


def advnotes_version() -> str:
    """The version that the configuration, the package and the citation must agree on."""
    branch: str = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))["repository"]["branch"]
    return branch.removeprefix("v")
