"""Links to the glossary: the first use of a word in a text, and never inside what is no sentence."""

import nbformat
import pytest

from advnotes.publish.site.glossary import glossary_terms, link_terms, list_places

TERMS = ["logit", "robust accuracy", "accuracy", "cross-entropy", "black box", "KL", "nat", "entropy"]


def linked(*texts: str) -> tuple[list[str], list[str]]:
    cells = [nbformat.v4.new_markdown_cell(text, id=f"c{k}") for k, text in enumerate(texts)]
    cells.insert(1, nbformat.v4.new_code_cell("logit = 1  # a logit", id="code"))
    notebook = nbformat.v4.new_notebook(cells=cells)
    found = link_terms(notebook, TERMS)
    assert notebook.cells[1].source == "logit = 1  # a logit"
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"], found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A logit is a number.", "A {term}`logit` is a number."),
        ("Logits are numbers.", "{term}`Logits <logit>` are numbers."),
        ("One logit, two logits.", "One {term}`logit`, two logits."),
        ("The robust\naccuracy of it.", "The {term}`robust accuracy` of it."),
        (
            "Its accuracy and its robust accuracy.",
            "Its {term}`accuracy` and its {term}`robust accuracy`.",
        ),
        ("A black-box attack.", "A {term}`black-box <black box>` attack."),
        ("Cross-entropy.", "{term}`Cross-entropy <cross-entropy>`."),
        ("*logit*: a number", "*{term}`logit`*: a number"),
        ("| logit | 3 |", "| {term}`logit` | 3 |"),
        ("about 9 nats", "about 9 {term}`nats <nat>`"),
        (":::{note}\nA logit.\n:::", ":::{note}\nA {term}`logit`.\n:::"),
    ],
)
def test_a_word_is_linked(before: str, after: str) -> None:
    (shown,), found = linked(before)
    assert shown == after
    assert len(found) == after.count("{term}")


@pytest.mark.parametrize(
    "text",
    [
        "# A logit",
        "Logically, nature and natural are other words; so is logit-like.",
        "`logit`, ``a logit``, $\\text{logit}$ and $$\nlogit\n$$",
        "[the logit](a.md), ![logit](b.png), [logit][x], <span title='logit'>, https://a.org/logit",
        "{cite:t}`logit` and {math}`logit`",
        "```python\nlogit = 1\n```",
        "~~~\nlogit\n~~~",
        "```{figure} a.png\n:alt: A logit.\n\nA logit.\n```",
        ":::{note} A logit\n:class: logit\n:::",
        "\\begin{align}\nlogit\n\\end{align}",
        "They cannot logit their way out.",
    ],
)
def test_what_is_no_use_of_a_word_stays_as_it_is(text: str) -> None:
    assert linked(text) == ([text], [])


def test_only_the_first_use_in_a_chapter_is_linked() -> None:
    shown, found = linked("# Logits\n\nNothing.", "A logit.", "A logit, and its KL.")
    assert shown == ["# Logits\n\nNothing.", "A {term}`logit`.", "A logit, and its {term}`KL`."]
    assert found == ["logit", "KL"]


def test_a_link_of_the_source_counts_as_the_first_use() -> None:
    shown, found = linked("A logit.", "Its {term}`own number <logit>`.")
    assert shown[0] == "A logit."
    assert found == ["logit"]


def test_the_terms_of_a_page() -> None:
    page = "# Words\n\n```{glossary}\nlogit\n  A number.\n\n  More of it.\n\nKL divergence\nKL\n  A distance.\n```\n"
    assert glossary_terms(page) == ["logit", "KL divergence", "KL"]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("# Words\n", "got 0"),
        ("```{glossary}\na\n  x\n\na\n  y\n```\n", "explains 'a' twice"),
    ],
)
def test_a_page_that_is_no_glossary_is_refused(page: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        glossary_terms(page)


PAGE = """# Glossary

Words.

```{glossary}
KL divergence
KL
  How far apart.

  More of it.

logit
  A number.

nat
  A unit.
```

After.
"""


def test_each_word_says_which_chapters_use_it() -> None:
    places = {
        "KL": ["[VAT](robust/vat.ipynb)"],
        "logit": ["[FGSM](a.ipynb)", "[PGD](b.ipynb)"],
        "other": ["[X](x.ipynb)"],
    }
    page = list_places(PAGE, places)
    assert "  More of it.\n\n  In [VAT](robust/vat.ipynb).\n\nlogit\n" in page
    assert "logit\n  A number.\n\n  In [FGSM](a.ipynb) · [PGD](b.ipynb).\n\nnat\n" in page
    assert "x.ipynb" not in page
    assert page.startswith("# Glossary\n\nWords.\n\n```{glossary}\nKL divergence\nKL\n")
    assert page.endswith("nat\n  A unit.\n```\n\nAfter.\n")
    assert list_places(PAGE, {}) == PAGE


def test_a_chapter_under_both_words_of_an_entry_stands_there_once() -> None:
    places = {"KL": ["[VAT](v.ipynb)"], "KL divergence": ["[VAT](v.ipynb)", "[Text](t.ipynb)"]}
    assert "  In [VAT](v.ipynb) · [Text](t.ipynb)." in list_places(PAGE, places)
