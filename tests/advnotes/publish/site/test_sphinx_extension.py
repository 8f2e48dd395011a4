"""What the Sphinx extension changes in the lists of sources and in figures."""

from typing import Any

from pybtex.database import Entry, Person
from pybtex.style.formatting.plain import Style
from sphinx.application import Sphinx

from advnotes.publish.site.sphinx_extension import formatted_once


def source(key: str, title: str) -> Entry:
    entry = Entry("misc", fields={"title": title, "year": "2014"}, persons={"author": [Person("A. Writer")]})
    entry.key = key
    return entry


def test_a_source_is_formatted_once_and_labelled_in_each_list() -> None:
    asked: list[str] = []
    plain = Style.format_entry

    def format_entry(style: Any, label: str, entry: Any, bib_data: Any = None) -> Any:
        asked.append(entry.key)
        return plain(style, label, entry, bib_data)

    once, style = formatted_once(format_entry), Style()
    first, other = source("one", "A first title"), source("two", "Another title")
    found = [once(style, label, entry) for label, entry in (("1", first), ("1", other), ("2", first))]
    assert asked == ["one", "two"]
    for (label, entry), formatted in zip((("1", first), ("1", other), ("2", first)), found, strict=True):
        alone = plain(style, label, entry)
        assert (formatted.key, formatted.label) == (entry.key, label)
        assert str(formatted.text) == str(alone.text)


def test_figures_have_no_numbers_whatever_the_configuration_says(tmp_path: Any) -> None:
    (tmp_path / "conf.py").write_text(
        "numfig = True\nbibtex_bibfiles = []\n"
        "extensions = ['sphinxcontrib.bibtex', 'advnotes.publish.site.sphinx_extension']\n"
    )
    (tmp_path / "index.rst").write_text("Title\n=====\n\n.. figure:: none.png\n\n   A caption\n")
    app = Sphinx(
        tmp_path, tmp_path, tmp_path / "out", tmp_path / "doctrees", "html", status=None, warning=None
    )
    app.build()
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf8")
    assert "A caption" in page
    assert "caption-number" not in page
