"""What a fold is called."""

from typing import Any

import nbformat
import pytest

from advnotes.publish.site.folds import name_folds


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
