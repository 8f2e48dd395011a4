"""Every chapter has a claim beside its figure, a question to predict, and solutions that answer."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from advnotes.publish.chapters import Chapter, chapters
from tests.book.exercise_rules import claim_faults, exercise_faults
from tests.book.test_frame import code, text

CHAPTERS = chapters(Path(__file__).resolve().parents[2])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_has_one_claim_that_stands_beside_its_figure(chapter: Chapter) -> None:
    assert claim_faults(json.loads(chapter.text)["metadata"]["advnotes"], chapter.cells) == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_chapter_asks_and_its_solutions_answer(chapter: Chapter) -> None:
    assert exercise_faults(chapter.cells) == []


BLOCK = {"claim": "it-works", "beside": "figure"}
CLAIMED = [
    code("plots.show(figure, alt='a')", "hide-input") | {"id": "figure"},
    code("def show(figure):\n    plots.show(figure, alt='a')", "hide-input") | {"id": "helper"},
    code("show(figure)", "hide-input") | {"id": "by-helper"},
    code('claim("It works", id="it-works")', "hide-input") | {"id": "claims"},
]
ASKED = [
    text("## Exercises"),
    text(
        "**1. Predict.** How many?\n\n- **A.** One.\n- **B.** Two.\n- **C.** Three.\n\n"
        ":::{dropdown} Show the solution\n**B.** There are two of them.\n\n"
        "**A.** There is one more.\n\n**C.** One is counted twice.\n:::",
        "predict",
    ),
    code("count()", "hide-cell", "solution"),
    text("**2. Break.** And then?"),
    code("# Then there are none left.\ncount(0)", "hide-cell", "solution"),
    code("draw()", "hide-cell", "solution"),
]


def test_what_is_whole_has_no_fault() -> None:
    assert claim_faults(BLOCK, CLAIMED) == []
    assert claim_faults(BLOCK | {"beside": "by-helper"}, CLAIMED) == []
    assert exercise_faults(ASKED) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claim": "it-does-not"}, "one cell that states the claim 'it-does-not', got 0"),
        ({"claim": ""}, "one cell that states the claim ''"),
        ({"beside": "claims"}, "a cell 'claims' that draws"),
        ({"beside": "gone"}, "a cell 'gone' that draws"),
        ({"beside": "helper"}, "a cell 'helper' that draws"),
    ],
)
def test_a_claim_without_its_figure_is_seen(change: dict[str, str], said: str) -> None:
    assert any(said in fault for fault in claim_faults(BLOCK | change, CLAIMED))


def edited(k: int, old: str, new: str) -> list[dict[str, Any]]:
    cells = copy.deepcopy(ASKED)
    assert old in cells[k]["source"]
    cells[k]["source"] = cells[k]["source"].replace(old, new)
    return cells


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (ASKED[:1] + ASKED[3:], "one cell tagged 'predict', got 0"),
        ([*ASKED, ASKED[1]], "one cell tagged 'predict', got 2"),
        (edited(1, "- **C.** Three.\n", ""), "options A, B, C"),
        (edited(1, "**A.** There is one more.\n\n", ""), "an answer for each"),
        (edited(1, "There is one more.", "No."), "a sentence that says why"),
        (edited(1, "Predict.", "Guess."), "begins with '**1. Predict.**'"),
        (edited(1, "- **A.**", "## Options\n- **A.**"), "no heading"),
        (edited(1, "Show the solution", "Show the answer"), "opens with its answer, got 'count()'"),
        (edited(4, "# Then there are none left.\n", ""), "opens with its answer, got 'count(0)'"),
        (edited(4, "# Then there are none left.", "# none"), "opens with its answer"),
    ],
)
def test_an_exercise_that_does_not_ask_or_answer_is_seen(cells: list[dict[str, Any]], said: str) -> None:
    found = exercise_faults(cells)
    assert any(said in fault for fault in found), found
