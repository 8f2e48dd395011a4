"""What is shown in a notebook, and what is printed elsewhere."""

import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from advnotes.notebook import in_notebook, show, tell


def test_outside_a_notebook_a_sentence_and_a_thing_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    tell("Two steps leave $3$ of them.")
    show({"a": 1})
    assert capsys.readouterr().out == "Two steps leave $3$ of them.\n{'a': 1}\n"


def test_ipython_that_is_only_imported_is_no_notebook() -> None:
    code = "import IPython; from advnotes.notebook import in_notebook; print(in_notebook())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
    assert not in_notebook()


def test_in_a_notebook_a_sentence_is_markdown_and_a_thing_shows_itself() -> None:
    code = """
from advnotes.notebook import in_notebook, show, tell
class Bold:
    def _repr_html_(self):
        return "<b>bold</b>"
assert in_notebook()
tell("A *sentence*.")
show(Bold())
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    sentence, thing = notebook.cells[0].outputs
    assert sentence.data["text/markdown"] == "A *sentence*."
    assert thing.data["text/html"] == "<b>bold</b>"


@pytest.mark.parametrize("nothing", ["", "  \n"])
def test_a_sentence_without_words_is_refused(nothing: str) -> None:
    with pytest.raises(ValueError, match="expected a sentence, got"):
        tell(nothing)
