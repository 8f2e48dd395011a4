"""No result is typed by hand into a sentence: a test that finds them, and one that it can."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.book.typed_results import typed_results

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "book").glob("*/*.ipynb"))


def load(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_result_is_typed_into_a_sentence(path: Path) -> None:
    assert typed_results(load(path)) == []


@pytest.mark.parametrize(
    "planted",
    [
        "After two steps 4.7% of the digits are left.",
        "It errs on 32 digits of 100.",
        "On seed 1 it collapses.",
        "PGD gains twelve points over FGSM.",
        "Climbing is 0.5 nats behind.",
        "About three in a hundred are left.",
        "It holds on two of three seeds.",
        "| PGD | 84% |",
        "A third of the digits is left.",
        "It fools some twenty times as many.",
        "The paper has 89.4%, and ours is 97%.",
    ],
)
@pytest.mark.parametrize("path", NOTEBOOKS[:2], ids=lambda path: path.stem)
def test_a_planted_result_is_found(path: Path, planted: str) -> None:
    before, notebook = load(path), load(path)
    notebook.cells.append(nbformat.v4.new_markdown_cell(f"Here is what we saw. {planted} Go on."))
    assert len(typed_results(notebook)) == len(typed_results(before)) + 1


@pytest.mark.parametrize(
    "allowed",
    [
        "The paper has 89.4%.",
        "{cite:t}`madry2017` report 45.8% on CIFAR-10.",
        "The radius is $95\\%$ of the range.",
        "Each is measured on three seeds.",
        "Take 100 points of the moons.",
        ":::{dropdown} Tried beside this page\nWith twice the units 84% were left.\n:::",
    ],
)
def test_numbers_of_papers_formulas_and_settings_are_allowed(allowed: str) -> None:
    notebook = nbformat.v4.new_notebook()
    parameters = nbformat.v4.new_code_cell("seeds = [0, 1, 2]", metadata={"tags": ["parameters"]})
    notebook.cells = [
        parameters,
        nbformat.v4.new_code_cell("plots.show(f, 'x')"),
        nbformat.v4.new_markdown_cell(allowed),
    ]
    assert typed_results(notebook) == []
