"""Today's prose with the outputs of the last execution."""

from typing import Any

import nbformat

from advnotes.publish.site.merge_outputs import merge_outputs

v4 = nbformat.v4


def source(*cells: Any) -> Any:
    return v4.new_notebook(
        cells=list(cells), metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )


def text(words: str, name: str) -> Any:
    return v4.new_markdown_cell(words, id=name)


def code(words: str, name: str, *tags: str, shown: str = "") -> Any:
    outputs = [v4.new_output("stream", name="stdout", text=shown)] if shown else []
    return v4.new_code_cell(
        words, id=name, metadata={"tags": list(tags)}, outputs=outputs, execution_count=1 if shown else None
    )


EXECUTED = source(
    text("# Old", "t"),
    code("size = 3", "p", "parameters", shown="p"),
    code("size = 1", "injected-parameters", "injected-parameters", "remove-cell", shown="i"),
    code("print(size)", "c", shown="1"),
)
EXECUTED.metadata.language_info = {"name": "python"}


def test_prose_is_the_sources_and_outputs_are_the_copys() -> None:
    now = source(
        text("# New", "t"),
        code("size = 3", "p", "parameters"),
        text("A sentence.", "more"),
        code("print(size)", "renamed", "hide-input"),
    )
    whole = merge_outputs(now, EXECUTED)
    shown = [
        (cell.source, "".join(output.text for output in cell.get("outputs", []))) for cell in whole.cells
    ]
    assert shown == [
        ("# New", ""),
        ("size = 3", "p"),
        ("size = 1", "i"),
        ("A sentence.", ""),
        ("print(size)", "1"),
    ]
    assert whole.cells[4].metadata.tags == ["hide-input"]
    assert whole.metadata.language_info.name == "python"
    assert not now.cells[1].outputs  # the source stays as it is
    nbformat.validate(whole)


def test_an_unchanged_source_gives_the_copy_to_the_byte() -> None:
    bare = source(text("# Old", "t"), code("size = 3", "p", "parameters"), code("print(size)", "c"))
    assert nbformat.writes(merge_outputs(bare, EXECUTED)) == nbformat.writes(EXECUTED)


def test_outputs_never_stand_under_other_code() -> None:
    now = source(text("# New", "t"), code("size = 3", "p", "parameters"), code("print(size + 1)", "c"))
    assert merge_outputs(now, EXECUTED) is EXECUTED


def test_outputs_stay_where_the_set_up_cell_asks_for_another_release() -> None:
    old, new = (
        code(f'%pip install "advnotes @ git+https://example.org/a@v{v}"', "s") for v in ("0.1", "0.2")
    )
    shown = code("print(1)", "c", shown="1")
    whole = merge_outputs(source(new, code("print(1)", "c")), source(old, shown))
    assert whole.cells[0].source == new.source
    assert whole.cells[1].outputs == shown.outputs
