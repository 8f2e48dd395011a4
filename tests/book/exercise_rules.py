"""The claim beside its figure, the question before its solution, and solutions that open with their answer."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from advnotes.publish.site.predict import FOLD, asks, read_prediction
from tests.book.frame_rules import Cell, tags

FEWEST_WORDS = 4  # of a sentence that says why


def claim_faults(block: Mapping[str, Any], cells: Sequence[Cell]) -> list[str]:
    """What is wrong with the claim that a chapter's metadata names, a sentence each."""
    claim, beside = block.get("claim", ""), block.get("beside", "")
    found = []
    stating = [cell for cell in cells if cell["cell_type"] == "code" and f'id="{claim}"' in cell["source"]]
    if not claim or len(stating) != 1:
        found.append(f"expected one cell that states the claim {claim!r}, got {len(stating)}")
    if beside not in drawing(cells):
        found.append(f"expected a cell {beside!r} that draws the claim's figure")
    return found


def drawing(cells: Sequence[Cell]) -> list[str]:
    """The ids of the cells that show a figure, by themselves or by a function that a cell defines."""
    code = {cell["id"]: _parsed(cell["source"]) for cell in cells if cell["cell_type"] == "code"}
    functions = [node for tree in code.values() for node in tree.body if isinstance(node, ast.FunctionDef)]
    drawers = {"plots.show"} | {node.name for node in functions if "plots.show" in _called(node)}
    return [id for id, tree in code.items() if any(drawers & set(_called(node)) for node in _run(tree))]


def _parsed(source: str) -> ast.Module:
    """A cell's code; that of a cell with magics, which draws nothing, is empty."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def _run(tree: ast.Module) -> Iterator[ast.stmt]:
    """What a cell does when it runs: all but the functions and classes that it defines."""
    return (node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef))


def _called(node: ast.AST) -> list[str]:
    return [ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)]


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
