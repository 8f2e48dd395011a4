"""The picture of what needs what: layers, rows, lines, and words for those who do not see it."""

from itertools import pairwise

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from advnotes.publish.site.frames import Frame
from advnotes.publish.site.picture import HEIGHT, ROW, essential, layers, picture, places

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["a", "d"], "f": []}


@st.composite
def needs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Chapters, each of which may need any of those before it."""
    names = [f"c{k}" for k in range(draw(st.integers(1, 12)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:k]), unique=True)) if k else []
        for k, name in enumerate(names)
    }


def test_a_layer_is_one_behind_the_last_need() -> None:
    assert layers(DIAMOND) == {"a": 0, "b": 1, "c": 1, "d": 2, "e": 3, "f": 0}


def test_a_need_that_another_brings_along_is_left_out() -> None:
    assert essential(DIAMOND) == DIAMOND | {"e": ["d"]}


@given(needs())
def test_what_is_left_out_can_still_be_reached(wanted: dict[str, list[str]]) -> None:
    def reached(graph: dict[str, list[str]], name: str) -> set[str]:
        return {deep for need in graph[name] for deep in {need} | reached(graph, need)}

    kept = essential(wanted)
    assert all(reached(kept, name) == reached(wanted, name) for name in wanted)


@given(needs())
def test_no_two_boxes_meet_and_every_line_leads_to_the_right(wanted: dict[str, list[str]]) -> None:
    at = places(wanted)
    for name, own in wanted.items():
        assert all(at[need].layer < at[name].layer for need in own)
    for layer in {place.layer for place in at.values()}:
        rows = sorted(place.row for place in at.values() if place.layer == layer)
        assert all((below - above) * ROW > HEIGHT for above, below in pairwise(rows))
        heights = sorted(place.y for place in at.values() if place.layer == layer)
        assert all(below - above > HEIGHT for above, below in pairwise(heights))


def drawn() -> BeautifulSoup:
    frames = {name: Frame(f"Chapter <{name}>", "", tuple(wanted), (), 1) for name, wanted in DIAMOND.items()}
    html = picture(frames, dict.fromkeys(DIAMOND, 7))
    assert "\n\n" not in html  # which would end it on a Markdown page
    return BeautifulSoup(html, "html.parser")


def test_every_chapter_has_a_box_that_leads_to_it() -> None:
    boxes = drawn().select("svg a")
    assert [box["href"] for box in boxes] == [f"{name}.html" for name in DIAMOND]
    assert [line.text for line in boxes[0].select("text")] == ["Chapter <a>", "7 min"]


def test_there_is_a_line_for_each_need_dashed_where_it_is_a_second_one() -> None:
    paths = drawn().select("svg path")
    assert len(paths) == sum(map(len, essential(DIAMOND).values()))
    assert len([path for path in paths if path.get("class") == ["also"]]) == 1


def test_everything_lies_inside_the_picture() -> None:
    svg = drawn().svg
    *_, width, height = map(float, svg["viewbox"].split())
    for box in svg.select("rect"):
        assert 0 <= float(box["x"]) <= width - float(box["width"])
        assert 0 <= float(box["y"]) <= height - float(box["height"])


@pytest.mark.parametrize(
    "sentence", ["Chapter <d> needs Chapter <b> and Chapter <c>.", "Chapter <f> needs no other chapter."]
)
def test_the_picture_is_told_in_words(sentence: str) -> None:
    svg = drawn().svg
    assert svg["aria-describedby"] == svg.desc["id"]
    assert svg["aria-labelledby"] == svg.title["id"]
    assert sentence in svg.desc.text
