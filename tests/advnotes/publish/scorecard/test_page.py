"""The page: every claim is in it, as text, with its runs."""

import json
import re
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup

from advnotes.publish.scorecard.collect import scorecard
from advnotes.publish.scorecard.measured import record
from advnotes.publish.scorecard.page import markdown, replace_verdicts
from tests.advnotes.publish.standins import XEON, claim, executed, fails


def tables(page: str) -> BeautifulSoup:
    return BeautifulSoup("\n".join(re.findall(r"<div.*?</div>", page, re.DOTALL)), "html.parser")


def test_without_claims_the_page_says_so(book: Any) -> None:
    book.add("a/one")
    assert "No claim has been measured" in markdown(scorecard(book.root))


def test_the_page_has_a_row_for_each_claim_and_a_dot_for_each_value(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x", environment=XEON))
    record(book.root, "laptop")
    executed(book, "a/one", claim("x"), fails("y", reason="a ReLU net, not maxout"))
    page = markdown(scorecard(book.root))
    assert page.startswith("- 2 claims of papers: 1 holds, 1 not reproduced")
    assert "1. Intel Xeon, AVX512, 1 thread; 2. AMD EPYC, AVX2, 1 thread" in page
    assert "\n## [Title of a/one](a/one.ipynb)\n" in page
    assert "a ReLU net, not maxout" in page.split("## What did not reproduce")[1]
    x, y = tables(page).select("tbody tr")
    assert (x["data-verdict"], y["data-verdict"]) == ("holds", "not reproduced")
    assert (len(x.select("circle")), len(y.select("circle"))) == (6, 3)
    assert x.a["href"] == "a/one.html#claim-x"
    assert "number reproduced" in x.text
    assert "book, 2026-11-21" in x.text


def test_dots_lie_in_the_drawing_in_the_order_and_at_the_distances_of_their_values(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x", measured=(0.9, 0.92, 0.98)))
    (drawing,) = tables(markdown(scorecard(book.root))).select("svg.advnotes-runs")
    first, second, third = (float(dot["cx"]) for dot in drawing.select("circle"))
    assert 0 < first < second < third < float(drawing["width"])
    assert (third - second) / (second - first) == pytest.approx(3, rel=0.05)


def test_statements_are_shown_as_they_are(book: Any) -> None:
    book.add("a/one")
    odd = "[see table 2] <script>alert(1)</script> $|x|$ *a_b* [/red]"
    executed(book, "a/one", fails("x", statement=odd, reason="<b>why</b>"))
    page = markdown(scorecard(book.root))
    assert tables(page).select_one("tbody a").text == odd
    assert "<script>" not in page
    assert "<b>" not in page
    from markdown_it import MarkdownIt

    shown = BeautifulSoup(MarkdownIt().render(page), "html.parser")
    assert any(odd in item.text for item in shown.select("li"))


def test_no_blank_line_ends_the_tables_html(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x"))
    page = markdown(scorecard(book.root))
    assert all(
        "\n\n" not in html for html in re.findall(r"<(?:div|fieldset).*?</(?:div|fieldset)>", page, re.DOTALL)
    )


def test_a_chapters_page_shows_the_verdict_over_all_machines(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", fails("x", environment=XEON))
    record(book.root, "laptop")
    executed(book, "a/one", claim("x"))
    card = scorecard(book.root)
    notebook = nbformat.from_dict(json.loads(card.rows[0].chapter.executed("laptop").read_text()))
    replace_verdicts(notebook, card.rows)
    row = BeautifulSoup(notebook.cells[1].outputs[0].data["text/html"], "html.parser").div
    assert row["data-verdict"] == "not reproduced"
    assert row["id"] == "claim-x"
    assert "By itself, the run on this page says: holds." in row.text
