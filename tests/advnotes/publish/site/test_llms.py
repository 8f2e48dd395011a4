"""``llms.txt``: every page once, with a line of its own."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from advnotes.publish.chapters import pages, parts
from advnotes.publish.site.llms import guide, plain
from tests.advnotes.publish.site.ebook_site import CONFIG, TOC

ROOT = Path(__file__).parents[4]


def test_it_has_the_form_that_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "book/attacks").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text(TOC)
    header = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n\n"
    (tmp_path / "book/intro.md").write_text(
        f"{header}# A *book*\n\n:::{{note}}\nNo.\n:::\n\nIt is [short](x.md). It ends.\n"
    )
    (tmp_path / "book/attacks/one.md").write_text(
        "# One\n\n```python\nno\n```\n\nOf {term}`balls <ball>`\nand more. Not this.\n"
    )
    (tmp_path / "book/attacks/two.md").write_text("# Two\n\n- no\n\nA word.\n")
    assert guide(tmp_path, yaml.safe_load(CONFIG)).splitlines() == [
        "# A *book*",
        "",
        "> It is short. It ends.",
        "",
        "The source of a page, Markdown or a notebook without outputs, has the same name under `_sources/`, such as "
        "https://example.org/book/_sources/. The numbers that a chapter measured are on its page only.",
        "",
        "## Attacks & more",
        "",
        "- [One](https://example.org/book/book/attacks/one.html): Of balls and more.",
        "- [Two](https://example.org/book/book/attacks/two.html): A word.",
    ]


def test_every_page_of_the_book_has_a_line() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    text = guide(ROOT, config)
    found = re.findall(
        rf"^- \[.+?\]\({re.escape(config['html']['baseurl'])}(\S+)\.html\): (.+)$", text, re.MULTILINE
    )
    assert [name for name, _ in found] == pages(ROOT)[1:]
    assert re.findall("^## (.+)$", text, re.MULTILINE) == [caption for caption, _ in parts(ROOT) if caption]
    assert [name for name, said in found if len(said) < 20 or said[-1] not in ".?!"] == []
    assert "{" not in text


def test_words_without_their_links() -> None:
    assert (
        plain("See [this *page*](a.md),\n{doc}`b` and {term}`the word <word>`.")
        == "See this *page*, b and the word."
    )
