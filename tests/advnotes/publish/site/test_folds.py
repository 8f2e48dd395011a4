"""What is in a fold, and what it is called."""

from typing import Any

import nbformat
import pytest

from advnotes.publish.site.folds import join_folds, name_folds


def named(source: str, *tags: str, kind: str = "code") -> Any:
    new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    notebook = nbformat.v4.new_notebook(cells=[new(source, metadata={"tags": list(tags)})])
    name_folds(notebook)
    return notebook.cells[0].metadata.get("mystnb", {})


@pytest.mark.parametrize(
    ("source", "tags", "words"),
    [
        ("plots.show(figure, alt='x')", ["hide-input"], "how it is drawn"),
        ("sliders.show(frames, labels, name='λ', alt='x')", ["hide-input"], "how it is drawn"),
        ("claim('x', id='y')", ["hide-input"], "how it is judged"),
        ("tell('x')", ["hide-input", "tell"], "where these numbers come from"),
        ("tell('x'); claim('y')", ["hide-input", "tell"], "where these numbers come from"),
        ("x = 1", ["hide-cell", "solution"], "the solution"),
        ("profile = 'laptop'", ["hide-input", "parameters"], "the parameters"),
        ("importlib.util.find_spec('advnotes')", ["hide-input"], "the set-up"),
        ("x = 1", ["hide-input"], "the code"),
    ],
)
def test_a_fold_says_what_is_in_it(source: str, tags: list[str], words: str) -> None:
    assert named(source, *tags) == {"code_prompt_show": f"Show {words}", "code_prompt_hide": f"Hide {words}"}


def test_what_is_not_folded_and_what_is_no_code_has_no_such_words() -> None:
    assert named("plots.show(figure)") == {}
    assert named("text", "hide-cell", kind="markdown") == {}


def cell(source: str, *tags: str, shows: bool = False) -> Any:
    outputs = [nbformat.v4.new_output("stream", text="seen")] if shows else []
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}, outputs=outputs, id=source[0])


HIDDEN = "hide-input"


@pytest.mark.parametrize(
    ("cells", "joined"),
    [
        ([cell("a", HIDDEN), cell("b", HIDDEN)], ["a\n\n\nb"]),
        ([cell("a", HIDDEN), cell("b", HIDDEN, shows=True), cell("c", HIDDEN)], ["a\n\n\nb", "c"]),
        ([cell("a", HIDDEN), cell("b"), cell("c", HIDDEN)], ["a", "b", "c"]),
        ([cell("a", HIDDEN), cell("b", "hide-cell", "solution")], ["a", "b"]),
        ([cell("a"), cell("b", HIDDEN)], ["a", "b"]),
        ([cell("a", HIDDEN), cell("plots.show()", HIDDEN, shows=True)], ["a", "plots.show()"]),
        ([cell("a", HIDDEN), cell("b", HIDDEN, "tell", shows=True)], ["a", "b"]),
        ([cell("a", HIDDEN), cell("b", HIDDEN), cell("c", HIDDEN, shows=True)], ["a\n\n\nb\n\n\nc"]),
    ],
)
def test_folded_cells_of_one_kind_in_a_row_are_one_fold_up_to_the_first_that_shows_something(
    cells: list[Any], joined: list[str]
) -> None:
    notebook = nbformat.v4.new_notebook(cells=cells)
    join_folds(notebook)
    assert [one.source for one in notebook.cells] == joined
    shown = [one for one in cells if one.outputs]
    assert [(one.id, one.metadata.tags, one.outputs) for one in notebook.cells if one.outputs] == [
        (one.id, one.metadata.tags, one.outputs) for one in shown
    ]


def test_a_text_between_two_folds_keeps_them_apart() -> None:
    text = nbformat.v4.new_markdown_cell("words")
    notebook = nbformat.v4.new_notebook(cells=[cell("a", "hide-input"), text, cell("b", "hide-input")])
    join_folds(notebook)
    assert [one.source for one in notebook.cells] == ["a", "words", "b"]


def test_the_first_cells_of_a_chapter_are_its_set_up() -> None:
    start = [
        cell("find_spec('advnotes')", "hide-input"),
        cell("profile = 'laptop'", "hide-input", "parameters"),
    ]
    notebook = nbformat.v4.new_notebook(cells=[*start, cell("import torch", "hide-input", shows=True)])
    join_folds(notebook)
    name_folds(notebook)
    (one,) = notebook.cells
    assert one.metadata.mystnb["code_prompt_show"] == "Show the set-up"
