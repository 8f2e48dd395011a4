"""Claims in a row are one table and one fold; the claim of a chapter stands in a box beside its figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from advnotes.claim_bounds import at_least
from advnotes.claims import MIME, Claim
from advnotes.environment import environment
from advnotes.publish.chapters import Chapter
from advnotes.publish.scorecard.collect import Row
from advnotes.publish.site.claim_box import show_the_claim
from advnotes.publish.site.claim_tables import join_claims
from advnotes.publish.site.frames import Frame

v4 = nbformat.v4
RUN = environment()


def stated(id: str, statement: str, kind: str = "paper", profile: str = "laptop", low: float = 0.5) -> Claim:
    return Claim(
        id=id,
        kind=kind,
        statement=statement,
        paper="0.7",
        number=0.7,
        where="table 1" if kind == "paper" else "",
        measured=(0.8, 0.9),
        seeds=(0, 1),
        n=None,
        format="{:.2f}",
        bound=at_least(low, by="book", on="2026-11-21"),
        reason="It is harder here." if low > 0.9 else None,
        profile=profile,
        environment=RUN,
    )


def code(name: str, *claims: Claim, tags: tuple[str, ...] = ("hide-input",)) -> Any:
    outputs = [
        v4.new_output("display_data", data={MIME: one.record(), "text/html": one.html(one.verdict)})
        for one in claims
    ]
    return v4.new_code_cell(f"# {name}", id=name, metadata={"tags": list(tags)}, outputs=outputs)


def text(source: str) -> Any:
    return v4.new_markdown_cell(source)


def indented(notebook: Any) -> list[bool]:
    rows = [output.data["text/html"] for cell in notebook.cells for output in cell.get("outputs", [])]
    return ["advnotes-control" in row for row in rows]


A, B = stated("a", "It holds"), stated("b", "so does this")


def test_claims_in_a_row_are_one_cell() -> None:
    helper, later = code("helper"), code("later")
    notebook = v4.new_notebook(cells=[text("## Claims"), helper, code("one", A), code("two", B), later])
    join_claims(notebook)
    assert [cell.source for cell in notebook.cells] == [
        "## Claims",
        "# helper\n\n\n# one\n\n\n# two",
        "# later",
    ]
    assert [output.data[MIME]["id"] for output in notebook.cells[1].outputs] == ["a", "b"]
    assert notebook.cells[1].id == "one"
    nbformat.validate(notebook)


@pytest.mark.parametrize(
    "between", [text("A sentence."), code("told", tags=("hide-input", "tell")), code("seen", tags=())]
)
def test_what_stands_between_claims_stays_there(between: Any) -> None:
    notebook = v4.new_notebook(cells=[code("one", A), between, code("two", B)])
    join_claims(notebook)
    assert [cell.source for cell in notebook.cells] == ["# one", between.source, "# two"]


def test_a_cell_with_another_output_is_not_joined() -> None:
    drawing = code("drawing", B)
    drawing.outputs.append(v4.new_output("display_data", data={"image/png": "", "text/plain": ""}))
    notebook = v4.new_notebook(cells=[code("one", A), drawing])
    join_claims(notebook)
    assert len(notebook.cells) == 2


@pytest.mark.parametrize(
    ("kinds", "statements", "expected"),
    [
        (("paper", "control"), ("It works", "and noise does not work"), [False, True]),
        (("paper", "control"), ("It works", "Noise does not: error"), [False, True]),
        (("paper", "control"), ("It works", "Something else is the case"), [False, False]),
        (
            ("paper", "control", "control"),
            ("It works", "Another matter", "and more of it"),
            [False, False, False],
        ),
        (("paper", "control", "paper"), ("It works", "noise does not", "so does this"), [False, True, False]),
        (("identity", "control"), ("It is equal", "and so is this"), [False, False]),
    ],
)
def test_a_control_stands_under_what_it_goes_on_with(
    kinds: Any, statements: Any, expected: list[bool]
) -> None:
    claims = [
        stated(f"c{k}", words, kind) for k, (kind, words) in enumerate(zip(kinds, statements, strict=True))
    ]
    notebook = v4.new_notebook(cells=[code("one", *claims)])
    join_claims(notebook)
    assert indented(notebook) == expected


FRAME = Frame("One", "to add", (), (), 1, claim="a", beside="figure")


def page(*claims: Claim, further: tuple[Claim, ...] = ()) -> Any:
    """A figure with claims in its own section, and more at the end."""
    cells = [
        text("# Title"),
        code("figure"),
        text("Words."),
        code("own", *claims),
        text("## Claims"),
        code("all", *further),
    ]
    return v4.new_notebook(cells=cells)


def shown(notebook: Any, claim: Claim, frame: Frame | None = FRAME, *others: Claim) -> list[str]:
    """The pages' texts after the claim has been put beside its figure."""
    row = Row(Chapter("a/one", Path()), claim, claim, list(others), [])
    show_the_claim(notebook, frame, [row])
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_the_claim_stands_under_its_figure_and_is_marked_in_the_table() -> None:
    notebook = page(further=(A, B))
    box = shown(notebook, A, FRAME, stated("a", "It holds"))[1]
    assert notebook.cells[2].source == box
    for words in (
        "It holds",
        "0.7 [table 1]",
        "≥ 0.50 (book, 2026-11-21)",
        "0.80, 0.90 (seeds 0, 1, mean 0.85)",
        'href="#claim-a"',
    ):
        assert words in box
    assert 'data-verdict="holds"' in box
    assert "mean 0.85 over 1 machine: holds" in box
    marked, other = (output.data["text/html"] for output in notebook.cells[-1].outputs)
    assert 'href="#the-claim"' in marked
    assert marked.endswith("</div>")
    assert "the-claim" not in other


def test_a_row_by_itself_in_the_figures_section_gives_way_to_the_box() -> None:
    notebook = page(A, further=(B,))
    box = shown(notebook, A)[1]
    assert notebook.cells[4].outputs == []
    assert 'id="claim-a"' in box
    assert 'href="#claims"' in box


def test_a_row_with_others_stays_where_it_is() -> None:
    notebook = page(A, B)
    assert 'id="the-claim"' in shown(notebook, A)[1]
    assert len(notebook.cells[4].outputs) == 2


def test_what_did_not_reproduce_says_so_with_its_reason() -> None:
    claim = stated("a", "It holds", low=0.95)
    box = shown(page(further=(claim,)), claim)[1]
    assert 'data-verdict="not reproduced"' in box
    assert "It is harder here." in box


def test_smoke_is_not_judged_in_the_box() -> None:
    claim = stated("a", "It holds", profile="smoke")
    box = shown(page(further=(claim,)), claim)[1]
    assert "only shows that the code runs" in box
    assert "holds" not in box.replace("It holds", "")


@pytest.mark.parametrize(
    "frame", [None, Frame("One", "to add", (), (), 1), Frame("One", "to add", (), (), 1, "a", "gone")]
)
def test_without_its_place_or_its_claim_there_is_no_box(frame: Frame | None) -> None:
    assert shown(page(further=(A,)), A, frame) == ["# Title", "Words.", "## Claims"]
