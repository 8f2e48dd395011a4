"""A question with three options is marked for the page's script; a half-written one stays text."""

import nbformat
import pytest

from advnotes.publish.site.predict import mark_predictions, read_prediction

WHOLE = """**1. Predict.** How many?

- **A.** One.
- **B.** Two, on
  two lines.
- **C.** Three.

:::{dropdown} Show the solution
**C.** Count them.

**A.** There are more.

**B.** There is one more.
:::"""


def marked(source: str, *tags: str) -> bool:
    cell = nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)})
    mark_predictions(nbformat.v4.new_notebook(cells=[cell]))
    inside: bool = source in cell.source and cell.source.startswith("::::::{div} advnotes-predict\n")
    assert inside or cell.source == source
    return inside


def test_a_question_is_marked() -> None:
    assert marked(WHOLE, "predict")
    assert not marked(WHOLE)


def test_the_right_option_is_the_first_of_the_answers() -> None:
    read = read_prediction(WHOLE)
    assert (read.options, read.answers) == (["A", "B", "C"], ["C", "A", "B"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- **C.** Three.\n", ""),
        ("**B.** There is one more.", "There is one more."),
        ("**B.** There is one more.", "**C.** There is one more."),
        ("**B.** There is one more.", "**B.**"),
        ("Show the solution", "Show it"),
        ("- **A.**", "- **D.**"),
    ],
)
def test_a_half_written_question_is_not(old: str, new: str) -> None:
    broken = WHOLE.replace(old, new)
    assert broken != WHOLE
    assert not read_prediction(broken).whole
    assert not marked(broken, "predict")
