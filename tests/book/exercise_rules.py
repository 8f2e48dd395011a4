"""The claim beside its figure, the question before its solution, and solutions that open with their answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from advnotes.publish.site.predict import FOLD, asks, read_prediction
from tests.book.frame_rules import Cell, draws, tags

FEWEST_WORDS = 4  # of a sentence that says why


def claim_faults(block: Mapping[str, Any], cells: Sequence[Cell]) -> list[str]:
    """What is wrong with the claim that a chapter's metadata names, a sentence each."""
    claim, beside = block.get("claim", ""), block.get("beside", "")
    found = []
    stating = [cell for cell in cells if cell["cell_type"] == "code" and f'id="{claim}"' in cell["source"]]
    if not claim or len(stating) != 1:
        found.append(f"expected one cell that states the claim {claim!r}, got {len(stating)}")
    if not any(cell["id"] == beside and draws(cell) for cell in cells):
        found.append(f"expected a cell {beside!r} that draws the claim's figure")
    return found


def exercise_faults(cells: Sequence[Cell]) -> list[str]:
    """What is wrong with a chapter's exercises, a sentence each."""
    found = []
    questions = [cell["source"] for cell in cells if asks(cell)]
    if len(questions) != 1:
        found.append(f"expected one cell tagged 'predict', got {len(questions)}")
    for question in questions:
        found += _question_faults(question)
    before: Cell | None = None
    for cell in cells:
        if "solution" in tags(cell) and not (before and "solution" in tags(before)):
            answered = before is not None and before["cell_type"] == "markdown" and _answers(before["source"])
            if not answered and not _comment(cell["source"]):
                found.append(f"expected a solution that opens with its answer, got {cell['source'][:40]!r}")
        before = cell
    return found


def _question_faults(source: str) -> list[str]:
    found, read = [], read_prediction(source)
    if ". Predict.**" not in source.split("\n")[0]:
        found.append("expected a question that begins with '**1. Predict.**', in a cell of its own")
    if any(line.startswith("#") for line in source.splitlines()):
        found.append("expected no heading in the cell tagged 'predict'")
    if not read.whole:
        found.append(
            f"expected options A, B, C and an answer for each, got {read.options} and {read.answers}"
        )
    fold = FOLD.search(source)
    for paragraph in fold["body"].strip().split("\n\n") if fold else []:
        if not _sentence(paragraph):
            found.append(f"expected a sentence that says why, got {paragraph!r}")
    return found


def _answers(text: str) -> bool:
    """Whether a text ends in a fold that opens with a sentence."""
    folds = [fold for fold in FOLD.finditer(text) if not text[fold.end() :].strip()]
    return bool(folds) and folds[0]["body"].strip()[:1] not in {"", "`", ":"}


def _comment(code: str) -> bool:
    """Whether code opens with a comment that is a sentence."""
    lines = code.lstrip().splitlines()
    opening = " ".join(line.removeprefix("#").strip() for line in lines[: _first_without(lines)])
    return _sentence(opening)


def _first_without(lines: Sequence[str]) -> int:
    return next((k for k, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _sentence(text: str) -> bool:
    return len(text.split()) >= FEWEST_WORDS and text.rstrip().endswith((".", ")", "?", ":"))
