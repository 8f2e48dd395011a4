"""Questions that a reader answers before the solution is opened: on the page their options are buttons.

In the source such an exercise is plain Markdown in one cell tagged ``predict``: a question, a list of three options,
and a fold that opens with the right one and says a sentence of each. ``book/_static/predict`` makes the buttons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TAG = "predict"
FOLD = re.compile(r"^:::\{dropdown\} Show the solution\n(?P<body>.*?)^:::$", re.DOTALL | re.MULTILINE)
OPTION = re.compile(r"^- \*\*(?P<letter>[A-Z])\.\*\* (?P<text>\S.*)$", re.MULTILINE)
ANSWER = re.compile(r"^\*\*(?P<letter>[A-Z])\.\*\* (?P<text>\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Prediction:
    """What a cell tagged ``predict`` asks: the letters of its options, and of its answers, the right one first."""

    options: Sequence[str]
    answers: Sequence[str]

    @property
    def whole(self) -> bool:
        """Whether there are three options, and for each an answer."""
        return list(self.options) == ["A", "B", "C"] and sorted(self.answers) == ["A", "B", "C"]


def read_prediction(source: str) -> Prediction:
    """The options and answers in a cell's text."""
    fold = FOLD.search(source)
    question = source[: fold.start()] if fold else source
    answers = ANSWER.findall(fold["body"]) if fold else []
    return Prediction([letter for letter, _ in OPTION.findall(question)], [letter for letter, _ in answers])


def asks(cell: Mapping[str, Any]) -> bool:
    """Whether a cell is such an exercise."""
    return TAG in cell["metadata"].get("tags", [])


def mark_predictions(notebook: Any) -> None:
    """Put each such exercise into an element of its own, where the page's script finds it."""
    for cell in notebook.cells:
        if asks(cell) and read_prediction(cell.source).whole:
            cell.source = f"::::::{{div}} advnotes-predict\n{cell.source}\n::::::"
