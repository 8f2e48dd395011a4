"""What was measured stays while a chapter changes in words alone."""

from typing import Any

import pytest

from advnotes.publish.chapters import select
from advnotes.publish.measured import code_hash

CODE = """
claim("DANN reads more", id="gain", measured=gain, bound=at_least(0.2, by="book"), reason="It is hard.")
ax.set(title="Below", xlabel="steps", ylim=(0, 1))
ax.set_title("Steps undo it")
plots.show(figure, alt=f"Accuracy falls to {last:.2f}. " + ", ".join(names))  # the picture
tell(f"It gains {gain:.0%}.")
data["title"] = measure("Steps undo it", where=mask)
"""


def hash_of(book: Any, code: str) -> str:
    book.add("a/one", code)
    (chapter,) = select(book.root, ["a/one"])
    return code_hash(chapter)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DANN reads more", "DANN reads more of the target"),
        ("It is hard.", "It scatters."),
        (', reason="It is hard."', ""),
        ('by="book"', 'by="trial"'),
        ('title="Below"', 'title="Above"'),
        ('"Steps undo it")\nplots', '"More steps"\n)\nplots'),
        ("Accuracy falls to {last:.2f}. ", "Accuracy. "),
        ("# the picture", "# drawn"),
        ("It gains {gain:.0%}.", "It loses {-gain:.0%}."),
    ],
)
def test_words_are_not_what_was_measured(book: Any, old: str, new: str) -> None:
    assert old in CODE
    assert hash_of(book, CODE.replace(old, new)) == hash_of(book, CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("measured=gain", "measured=loss"),
        ("0.2", "0.3"),
        ('id="gain"', 'id="lead"'),
        ("ylim=(0, 1)", "ylim=(0, 2)"),
        ('measure("Steps undo it"', 'measure("Steps"'),
        ("where=mask", "where=other"),
        ('data["title"]', 'data["name"]'),
    ],
)
def test_what_is_computed_and_judged_is(book: Any, old: str, new: str) -> None:
    assert old in CODE
    assert hash_of(book, CODE.replace(old, new)) != hash_of(book, CODE)
