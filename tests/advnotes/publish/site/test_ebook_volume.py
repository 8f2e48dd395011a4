"""The pages of a site as one document: what of a page is in it, and where its links lead."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

from advnotes.publish.site.ebook.article import LEFT_OUT, read_article
from advnotes.publish.site.ebook.pdf import lower_headings
from advnotes.publish.site.ebook.volume import Volume, assemble, widget_classes
from tests.advnotes.publish.site.ebook_site import DATA, write_site

ROOT = Path(__file__).parents[4]


@pytest.fixture
def book(tmp_path: Path) -> Volume:
    write_site(tmp_path)
    return assemble(tmp_path, "laptop")


@pytest.fixture
def one(book: Volume) -> Tag:
    return book.parts[1].pages[0].body


def test_the_parts_and_pages_are_those_of_the_table_of_contents(book: Volume) -> None:
    assert [(part.caption, [page.title for page in part.pages]) for part in book.parts] == [
        ("", ["A book"]),
        ("Attacks & more", ["One", "Two"]),
    ]
    assert (book.title, book.author, book.version, book.note) == ("A book", "Its author", "1.2.3", "A trial.")
    assert [page.id for page in book.pages()] == ["intro", "attacks-one", "attacks-two"]


def test_a_page_without_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="has the theme changed"):
        read_article("<body><main>A text</main></body>")


def test_code_that_draws_or_tells_is_left_out_and_other_folds_are_open(one: Tag) -> None:
    said = one.get_text()
    assert {"how it is drawn", "how it is judged", "where these numbers come from", "the set-up"} == LEFT_OUT
    assert "plots_show" not in said
    assert "tell_numbers" not in said
    assert "It is 3." in said
    assert "helper" in said
    assert "More of it." in said
    assert [title.get_text() for title in one.select(".fold-title")] == ["An aside"]
    assert [fold["lang"] for fold in one.select(".fold[lang]")] == ["zh"]
    assert not one.select("details, summary, .headerlink")


def test_solutions_stand_at_the_end_and_are_linked_both_ways(one: Tag) -> None:
    assert one.find_all("h2")[-1].get_text() == "Solutions"
    end = one.select_one("#attacks-one--all-solutions")
    assert end is not None
    assert [h3.get_text() for h3 in end.find_all("h3")] == ["Exercise 1", "Exercise 2"]
    assert [pre.get_text() for pre in end.find_all("pre")] == ["done", "done_first", "done_second"]
    assert "A, since so." in end.get_text()
    assert "Twice is so." in end.get_text()
    assert not end.select(".fold-title")
    forth = [link["href"] for link in one.select(".to-solution a")]
    assert forth == ["#attacks-one--solution-1", "#attacks-one--solution-2"]
    back = [link["href"] for link in end.select("h3 a")]
    assert [one.select_one(link).get_text() for link in back] == ["1. Predict.", "2."]


def test_what_only_the_site_can_show_is_named_with_its_address(one: Tag) -> None:
    (pointer,) = one.select(".on-the-site a")
    assert pointer["href"] == "https://example.org/book/book/attacks/one.html"
    assert "A lab stands here" not in one.get_text()


def test_a_question_with_options_can_be_read_without_its_buttons(one: Tag) -> None:
    (asked,) = one.select(".advnotes-predict")
    assert "Which?" in asked.get_text()
    assert "A." in asked.get_text()
    assert "since so" not in asked.get_text()


def test_a_figure_keeps_its_words_and_its_width(one: Tag) -> None:
    image = one.find("img")
    assert (image["alt"], image["width"]) == ("A figure", "792")
    assert image["src"].endswith("/_build/html/_images/a.png")
    assert "style" not in image.attrs
    assert image.parent.name == "figure"


def test_the_lines_of_a_signature_are_no_descriptions(book: Volume) -> None:
    (signature,) = book.parts[1].pages[1].body.select("dt.sig")
    assert signature.get_text() == "f(x,)"
    assert not signature.select("dl, dd")


def test_of_a_slider_the_stills_are_shown(one: Tag) -> None:
    (slider,) = one.select(".advnotes-slider")
    assert [(image["alt"], image["src"]) for image in slider.find_all("img")] == [
        ("λ 2: in the middle", DATA)
    ]
    assert slider.get_text(strip=True) == ""


def test_links_lead_to_places_in_the_book_and_all_else_to_the_site(book: Volume) -> None:
    links = [str(link["href"]) for page in book.pages() for link in page.body.find_all("a", href=True)]
    assert links[:3] == [
        "#attacks-one--claims",
        "https://example.org/book/_modules/x.html#f",
        "#intro--intro",
    ]
    assert "#attacks-two" in links  # an anchor that the page does not have
    assert "https://example.com/" in links
    document = BeautifulSoup(book.html(), "html.parser")
    anchors = [element["id"] for element in document.find_all(id=True)]
    assert len(anchors) == len(set(anchors))
    inside = {link["href"][1:] for link in document.find_all("a", href=True) if link["href"][0] == "#"}
    assert inside <= set(anchors)
    assert document.find("svg", attrs={"aria-labelledby": True})["aria-labelledby"] == "attacks-two--t"


def test_headings_stand_below_those_of_the_part() -> None:
    body = BeautifulSoup("<h1>1</h1><h2>2</h2><h6>6</h6>", "html.parser")
    lower_headings(body)
    assert str(body) == "<h2>1</h2><h3>2</h3><h6>6</h6>"


def test_every_widget_of_the_site_is_known(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    assert widget_classes(site) == ["advnotes-lab", "advnotes-predict"]
    script = (ROOT / "book/_static/advnotes.js").read_text(encoding="utf8")
    (site / "_static/advnotes.js").write_text(script, encoding="utf8")
    found = widget_classes(site)
    assert "advnotes-attack-lab" in found
    assert len(found) == script.count("scripts: [") > 1
    (site / "_static/advnotes.js").write_text("const OTHERS = {};")
    with pytest.raises(ValueError, match="const WIDGETS"):
        widget_classes(site)
