"""The page says what the report holds, escapes what came from outside, and loads nothing."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest
import torch

from advnotes.evaluation import AttackResult, Example, Finding
from advnotes.evaluation.report.html import html_page
from advnotes.metrics.accuracy import Proportion
from tests.advnotes.evaluation.reports import EVIL, report

VOID = {"meta", "img", "line", "circle", "rect", "polyline", "polygon"}


class Reader(HTMLParser):
    """Tags that open and close as they should, what they are, and the text outside of the style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


def test_it_says_what_the_report_holds():
    text = Reader(html_page(report())).text
    for said in (
        "SmallNet (Conv2d, ReLU, Linear)",
        "50.0% [35.2%, 64.8%]",
        "40 samples",
        "every value of an input may change by at most 0.1, in a range from 0 to 1",
        "What this does not say",
        "Do not rely on this number",
        "Two samples occur twice.",
        "0123456789abcdef" * 4,
        "advnotes 0.1.0, torch 2.13.0, CPU",
        "Sample 3 is a 1: read as 1, and as 2 after Square",
        "Square(threat=Linf(eps=0.1), queries=5000)",
    ):
        assert said in text, said
    assert (
        text.index("zero gradients", text.index("Findings"))
        < text.index("batch dependence")
        < text.index("a note")
    )


def test_nothing_is_loaded_and_every_picture_has_words():
    reader = Reader(html_page(report()))
    for tag, attributes in reader.tags:
        assert tag not in {"script", "link", "iframe", "object", "base", "form"}
        for name, value in attributes.items():
            if name in {"src", "href", "srcset", "poster", "xlink:href"}:
                assert str(value).startswith("data:image/png;base64,")
            assert not name.startswith("on")
        if tag == "img":
            assert len(str(attributes["alt"])) > 10
        if tag == "svg":
            assert len(str(attributes["aria-label"])) > 20
    assert sum(tag == "svg" for tag, _ in reader.tags) == 2
    assert sum(tag == "img" for tag, _ in reader.tags) == 9
    assert "url(" not in html_page(report())
    assert "@import" not in html_page(report())


def test_strings_from_outside_are_escaped():
    evil = report(
        model=EVIL,
        model_hash=EVIL,
        data_hash=EVIL,
        curve_attack=EVIL,
        notes=(EVIL,),
        environment=EVIL,
        date=EVIL,
        attacks=(AttackResult(EVIL, 40, 20, 1.0, 40, 0, EVIL),),
        findings=(Finding(EVIL, "masking", EVIL, EVIL, EVIL),),
        examples=(Example(0, 0, 0, 1, EVIL, torch.zeros(1, 8, 8), torch.ones(1, 8, 8)),),
    )
    text = html_page(evil)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 14
    reader = Reader(text)
    assert EVIL in reader.text
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)


def test_it_says_when_nothing_was_found_and_when_nothing_was_looked_for():
    assert "The diagnosis found nothing" in html_page(report(findings=()))
    assert "Do not rely" not in html_page(report(findings=()))
    assert "was left out" in html_page(report(findings=(), diagnosed=False))


def test_nothing_withstood():
    text = html_page(report(fooled_by=(0,) * 40))
    assert "this number stands" in text
    assert "Do not rely" not in text


@pytest.mark.parametrize(("norm", "said"), [("L2", "Euclidean length"), ("L1", "sum to at most")])
def test_other_norms_and_radii_of_each_sample(norm, said):
    text = Reader(html_page(report(norm=norm, eps=tuple([0.5] * 20 + [1.5] * 20)))).text
    assert said in text
    assert "each sample's own, from 0.5 to 1.5" in text
    assert "as a multiple of each sample’s eps" in text


def test_colour_pictures_rows_of_features_and_little_to_show():
    x = torch.rand(3, 4, 4)
    for values in (x, x.flatten(), x[0]):
        shown = report(examples=(Example(0, 0, 0, 1, "PGD", values, values),))
        assert sum(tag == "img" for tag, _ in Reader(html_page(shown)).tags) == 3
    bare = Reader(html_page(report(curve=(), examples=(), attacks=(), notes=(), fooled_by=(-1,) * 40)))
    assert not any(tag == "img" for tag, _ in bare.tags)
    assert "100.0%" in bare.text


def test_of_many_classes_the_weakest_are_shown():
    labels = tuple(range(40))
    text = html_page(report(labels=labels, predictions=labels, classes=40))
    assert "The 20 weakest of 40 classes" in text
    assert ">class 38<" in text  # even ones were fooled
    assert ">class 39<" not in text


def test_the_interval_at_the_ends_is_drawn_inside_the_chart():
    made = report(curve=((0.0, Proportion(40, 40)), (0.1, Proportion(0, 40))))
    points = re.search(r'polygon points="([^"]+)"', html_page(made))
    assert points is not None
    heights = [float(pair.split(",")[1]) for pair in points[1].split()]
    assert min(heights) == 22
    assert max(heights) == 192


def test_save_writes_the_page(tmp_path):
    made = report()
    assert made.save(tmp_path / "report.html").read_text(encoding="utf-8") == html_page(made)
    again = type(made).from_json(made.to_json())
    assert html_page(dataclasses.replace(again, findings=made.findings)) == html_page(made)
