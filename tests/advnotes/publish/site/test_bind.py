"""Binding, on a book of one chapter with the real book's configuration."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from advnotes.publish.chapters import chapters
from advnotes.publish.execution.failures import remember
from advnotes.publish.execution.worker import Result
from advnotes.publish.site import bind as bind_module
from advnotes.publish.site import jupyter_book, pages
from advnotes.publish.site.bind import bind
from advnotes.publish.site.jupyter_book import skeleton
from advnotes.publish.site.pages import configure, describe_figures, stage
from advnotes.publish.staleness.sources import Sources

ROOT = Path(__file__).parents[4]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ALT = "A single pixel, *which* says at $5 <b> [that]: the_adversary_has won `it`."
TOC = """format: jb-book
root: book/intro
chapters:
- file: book/part/one
- file: book/how-to-read
- file: book/scorecard
"""


def figure(alt: str | None = ALT) -> Any:
    described = {} if alt is None else {"image/png": {"alt": alt}}
    return nbformat.v4.new_output(
        "display_data", {"image/png": PIXEL, "text/plain": "figure"}, metadata=described
    )


def chapter(*outputs: Any, tags: tuple[str, ...] = ()) -> Any:
    code = nbformat.v4.new_code_cell(
        "draw()", id="draw", metadata={"tags": list(tags)}, outputs=list(outputs)
    )
    code.execution_count = 1 if outputs else None
    settings = nbformat.v4.new_code_cell('profile = "laptop"', id="set", metadata={"tags": ["parameters"]})
    cells = [nbformat.v4.new_markdown_cell("# One\n\nA chapter.", id="title"), settings, code]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def write_book(root: Path) -> None:
    """Sources of a small book, and its chapter as executed at the laptop profile."""
    for name in ("_config.yml", "constraints.txt", "book/references.bib", "book/scorecard.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name in ("_static", "_templates", "images"):
        shutil.copytree(ROOT / "book" / name, root / "book" / name)
    (root / "_toc.yml").write_text(TOC)
    (root / "book/intro.md").write_text(
        "# Book\n\n```{figure} images/landing.png\n:alt: Nothing yet, truly.\n```\n"
    )
    for folder in ("book/part", "book/profiles", "_build/laptop/book/part"):
        (root / folder).mkdir(parents=True)
    (root / "book/how-to-read.md").write_text(
        "# How to read\n\n## Claims and verdicts\n\nThey are told apart.\n"
    )
    (root / "book/profiles/smoke.yml").write_text("{}")
    (root / "book/moved.yml").write_text("part/old: part/one\n")
    nbformat.write(chapter(tags=("landing",)), root / "book/part/one.ipynb")
    nbformat.write(chapter(figure(), tags=("landing",)), root / "_build/laptop/book/part/one.ipynb")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("book")
    write_book(root)
    assert bind(root) == root / "_build/html/index.html"
    return root


@pytest.fixture
def no_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the site was rendered again")

    monkeypatch.setattr(bind_module, "render", refuse)


def page(root: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((root / "_build/html" / name).read_text(encoding="utf8"), "html.parser")


def test_a_figure_has_a_number_and_says_in_its_caption_what_it_shows(book: Path) -> None:
    (drawn,) = page(book, "book/part/one.html").select("article figure")
    assert drawn.find("figcaption").get_text().strip().removesuffix("#") == f"Figure 1. {ALT}"
    assert drawn.find("img")["alt"] == "Figure 1, described in its caption"


def test_the_landing_page_shows_the_tagged_figure(book: Path) -> None:
    (image,) = page(book, "book/intro.html").select("article img")
    assert image["alt"] == ALT
    shown = Image.open(book / "_build/html/book" / image["src"]).convert("RGBA")
    assert image["src"].endswith(".webp")
    assert shown.tobytes() == Image.open(io.BytesIO(base64.b64decode(PIXEL))).convert("RGBA").tobytes()
    assert "Nothing yet" in (book / "book/intro.md").read_text()


def test_the_download_is_the_notebook_without_outputs(book: Path) -> None:
    offered = (book / "_build/html/_sources/book/part/one.ipynb").read_text(encoding="utf8")
    assert offered == (book / "book/part/one.ipynb").read_text(encoding="utf8")
    assert not json.loads(offered)["cells"][2]["outputs"]


def test_programs_find_every_page(book: Path) -> None:
    text = (book / "_build/html/llms.txt").read_text(encoding="utf8")
    pages = ("book/part/one", "book/how-to-read", "book/scorecard")
    assert [name for name in pages if f"/{name}.html): " not in text] == []


def test_index_leads_to_the_first_page(book: Path) -> None:
    (link,) = page(book, "index.html").select("a")
    assert link["href"] == "book/intro.html"


def test_an_old_address_leads_to_the_new_one(book: Path) -> None:
    (link,) = page(book, "book/part/old.html").select("a")
    assert link["href"] == "one.html"


def test_only_what_pages_use_of_mathjax_is_kept(book: Path) -> None:
    mathjax = book / "_build/html/_static/mathjax"
    assert (mathjax / "tex-chtml.js").is_file()
    assert list((mathjax / "output/chtml/fonts/woff-v2").glob("*.woff"))
    assert sum(path.stat().st_size for path in mathjax.rglob("*") if path.is_file()) < 4_000_000
    assert {path.name for path in (mathjax / "sre").rglob("*.json")} == {
        "base.json",
        "en.json",
        "nemeth.json",
    }


def test_no_source_map_is_kept(book: Path) -> None:
    assert (book / "_build/html/_static/styles").is_dir()
    assert not list((book / "_build/html").rglob("*.map"))


def test_nothing_is_rendered_where_nothing_changed(book: Path, no_rendering: None) -> None:
    assert bind(book).is_file()


def test_a_stop_between_the_two_renames_is_mended(book: Path, no_rendering: None) -> None:
    (book / "_build/html").rename(book / "_build/html.old")
    assert bind(book).is_file()
    assert not (book / "_build/html.old").exists()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_change_of_words_renders_their_page_alone_and_gives_what_a_clean_build_gives(
    tmp_path: Path,
) -> None:
    write_book(tmp_path)
    bind(tmp_path)
    source, raw = tmp_path / "book/part/one.ipynb", tmp_path / "_build/laptop/site/_build/html/book"
    before = (raw / "how-to-read.html").stat().st_mtime_ns
    source.write_text(source.read_text().replace("A chapter.", "A chapter in other words."))
    bind(tmp_path)
    one = page(tmp_path, "book/part/one.html").select_one("article")
    assert "in other words" in one.text
    assert one.select("img")  # with the outputs that it had
    assert (raw / "how-to-read.html").stat().st_mtime_ns == before
    site = tmp_path / "_build/html"
    quick = files(site)

    (tmp_path / "_build/laptop/site/.structure").unlink()
    shutil.rmtree(site)
    bind(tmp_path)
    assert (raw / "how-to-read.html").stat().st_mtime_ns != before
    clean = files(site)
    assert quick.keys() == clean.keys()
    assert [name for name in clean if quick[name] != clean[name]] == []

    # A title stands on other pages, too: all of them are rendered.
    source.write_text(source.read_text().replace("# One", "# Another one"))
    bind(tmp_path)
    assert "Another one" in page(tmp_path, "book/how-to-read.html").text


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("Some words.", "Other *words*, and $x$.", True),
        ("# Title\n\nWords.", "# Title\n\nMore words.\n\nAnd more.", True),
        (":::{note}\nWords.\n:::", ":::{note}\nOther words.\n:::", True),
        ("# Title", "# Other title", False),
        ("Title\n===", "Other\n===", False),
        ("Words.", "Words {cite:p}`key`.", False),
        ("[](a.md)", "[](b.md)", False),
        ("(a)=\nx", "(b)=\nx", False),
        ("$$x$$ (a)", "$$x$$ (b)", False),
        ("```{glossary}\nword\n  its meaning\n```", "```{glossary}\nother\n  its meaning\n```", False),
        ("x", "x[^1]", False),
    ],
)
def test_only_words_can_be_rendered_alone(before: str, after: str, same: bool) -> None:
    def whole(text: str) -> tuple[bytes, bytes]:
        cells = [nbformat.v4.new_markdown_cell(text, id="x"), nbformat.v4.new_code_cell("y", id="y")]
        notebook = nbformat.v4.new_notebook(cells=cells)
        return skeleton("a.md", text.encode()), skeleton("a.ipynb", nbformat.writes(notebook).encode())

    assert [one == other for one, other in zip(whole(before), whole(after), strict=True)] == [same, same]


def test_outputs_are_more_than_words() -> None:
    bare, full = (nbformat.writes(chapter(*outputs)).encode() for outputs in ([], [figure()]))
    assert skeleton("a.ipynb", bare) != skeleton("a.ipynb", full)
    assert skeleton("a.bib", b"x") == b"x"


def test_a_failed_build_leaves_the_old_site_whole(book: Path) -> None:
    intro = book / "book/intro.md"
    text, before = intro.read_text(), bind_module.contents(book / "_build/html")
    intro.write_text(text + "\n[](no-such-page.md)\n")
    with pytest.raises(RuntimeError, match="no-such-page"):
        bind(book)
    intro.write_text(text)
    assert bind_module.contents(book / "_build/html") == before


def test_jupyter_book_alone_says_that_outputs_are_missing_and_bind_puts_them_back(book: Path) -> None:
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "."]
    subprocess.run([*command, "-W", "--keep-going"], cwd=book, check=True, capture_output=True)
    bare = page(book, "book/part/one.html")
    assert "make book" in bare.select_one(".bd-header-announcement").text
    assert not bare.select("article img")
    bind(book)
    filled = page(book, "book/part/one.html")
    assert filled.select_one(".bd-header-announcement") is None
    assert filled.select("article img")


def test_a_chapter_that_was_not_executed_says_so(tmp_path: Path) -> None:
    write_book(tmp_path)
    notebook = json.loads(stage(tmp_path, "smoke")["book/part/one.ipynb"])
    assert "not been executed at the smoke profile" in "".join(notebook["cells"][1]["source"])


@pytest.mark.parametrize(
    "outputs", [[figure(None)], [figure(""), figure()], [figure(), figure("Another sentence.")]]
)
def test_a_figure_without_its_own_alt_text_is_refused(outputs: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"part/one, cell draw: expected one alt text"):
        describe_figures(chapter(*outputs), "part/one")


def test_a_missing_place_on_a_page_is_reported(tmp_path: Path) -> None:
    write_book(tmp_path)
    (tmp_path / "book/scorecard.md").write_text("# Scorecard\n")
    with pytest.raises(ValueError, match=r"scorecard\.md: expected one place"):
        stage(tmp_path, "laptop")


def test_a_chapter_that_failed_says_so_and_shows_outputs_of_the_same_code_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_book(tmp_path)
    (one,) = chapters(tmp_path)
    reason = ""
    monkeypatch.setattr(pages, "plan", lambda *_: [SimpleNamespace(reason=reason)])
    remember(one, "laptop", Result(one.name, error="Traceback\n\x1b[31mValueError: a ``` b\x1b[0m", cell=3))

    def staged() -> Any:
        return json.loads(stage(tmp_path, "laptop")["book/part/one.ipynb"])["cells"]

    page = staged()
    words = "".join(page[1]["source"])
    assert "failed in cell 3. The outputs below are those of an earlier execution of the same code" in words
    assert "````text\nValueError: a ``` b\n````" in words
    assert page[3]["outputs"]
    reason = "changed: notebook"
    page = staged()
    assert "shown without outputs" in "".join(page[1]["source"])
    assert not any(cell.get("outputs") for cell in page)
    remember(one, "laptop", Result(one.name, notebook="{}"))
    assert all(cell["id"] != "failed" for cell in staged())


def test_a_page_that_was_left_out_is_told_and_the_old_site_stays(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bind_module.contents(book / "_build/html")

    def careless(source: Path, config: Path, toc: Path, output: Path) -> None:
        shutil.copytree(book / "_build/html", output / "_build/html", dirs_exist_ok=True)
        (output / "_build/html/book/how-to-read.html").unlink()

    monkeypatch.setattr(jupyter_book, "_jupyter_book", careless)
    with (book / "book/how-to-read.md").open("a") as page:
        page.write("\nMore.\n")
    with pytest.raises(RuntimeError, match="left out book/how-to-read and"):
        bind(book)
    assert bind_module.contents(book / "_build/html") == before


def test_a_checkout_with_other_line_ends_gives_the_same_pages(tmp_path: Path) -> None:
    """As Git makes it on Windows where nobody has told it otherwise."""
    write_book(tmp_path / "lf")
    shutil.copy(ROOT / "book/intro.md", tmp_path / "lf/book/intro.md")  # with the landing page's figure
    shutil.copytree(tmp_path / "lf", tmp_path / "crlf")
    changed = 0
    for path in (tmp_path / "crlf").rglob("*"):
        if path.is_file() and b"\0" not in (data := path.read_bytes()) and "_build" not in path.parts:
            path.write_bytes(data.replace(b"\n", b"\r\n"))
            changed += 1
    assert changed > 10
    assert stage(tmp_path / "crlf", "laptop") == stage(tmp_path / "lf", "laptop")
    assert configure(tmp_path / "crlf", "laptop") == configure(tmp_path / "lf", "laptop")
    # The package's files.
    (tmp_path / "lf/advnotes").mkdir()
    (tmp_path / "crlf/advnotes").mkdir()
    (tmp_path / "lf/advnotes/x.py").write_bytes(b"x = 1\n")
    (tmp_path / "crlf/advnotes/x.py").write_bytes(b"x = 1\r\n")
    (tmp_path / "lf/advnotes/x.json").write_bytes(b"{}\n")
    (tmp_path / "crlf/advnotes/x.json").write_bytes(b"{}\r\n")
    assert bind_module.fingerprint(tmp_path / "crlf", {}) == bind_module.fingerprint(tmp_path / "lf", {})
    sources = [Sources(tmp_path / end / "advnotes") for end in ("crlf", "lf")]
    for name in ("x.py", "x.json"):
        assert sources[0].hash(name) == sources[1].hash(name) != ""


def test_the_landing_page_has_one_figure(tmp_path: Path) -> None:
    write_book(tmp_path)
    (tmp_path / "_toc.yml").write_text(
        TOC.replace("- file: book/how", "- file: book/part/two\n- file: book/how")
    )
    for folder in ("book/part", "_build/laptop/book/part"):
        shutil.copy(tmp_path / folder / "one.ipynb", tmp_path / folder / "two.ipynb")
    with pytest.raises(ValueError, match="'landing' in the book, got one in each of part/one, part/two"):
        stage(tmp_path, "laptop")


def test_the_books_landing_figure_is_drawn_once() -> None:
    notebooks = [nbformat.read(path, as_version=4) for path in sorted((ROOT / "book").rglob("*.ipynb"))]
    cells = [cell for notebook in notebooks for cell in notebook.cells]
    assert len([cell for cell in cells if "landing" in cell.metadata.get("tags", [])]) == 1
