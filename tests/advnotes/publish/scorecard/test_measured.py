"""What was measured stays while a chapter changes in words alone."""

from typing import Any

import pytest

from advnotes.publish.chapters import select
from advnotes.publish.scorecard import measured
from advnotes.publish.scorecard.measured import code_hash

CODE = """
claim("DANN reads more", id="gain", measured=gain, bound=at_least(0.2, by="book"), reason="It is hard.")
ax.set(title="Below", xlabel="steps", ylim=(0, 1))
ax.set_title("Steps undo it")
plots.show(figure, alt=f"Accuracy falls to {last:.2f}. " + ", ".join(names))  # the picture
tell(f"It gains {gain:.0%}.")
data["title"] = measure("Steps undo it", where=mask)
rows.sort(by="size")
"""


def hash_of(book: Any, code: str) -> str:
    book.add("a/one", code)
    (chapter,) = select(book.root, ["a/one"])
    return code_hash(chapter)


@pytest.mark.parametrize(
    ("old", "new", "stays"),
    [
        ("DANN reads more", "DANN reads more of the target", True),
        ("It is hard.", "It scatters.", True),
        (', reason="It is hard."', "", True),
        ('by="book"', 'by="trial"', True),
        ('title="Below"', 'title="Above"', True),
        ('"Steps undo it")\nplots', '"More steps"\n)\nplots', True),
        ("Accuracy falls to {last:.2f}. ", "Accuracy. ", True),
        ("# the picture", "# drawn", True),
        ("It gains {gain:.0%}.", "It loses {-gain:.0%}.", True),
        ("measured=gain", "measured=loss", False),
        ("0.2", "0.3", False),
        ('id="gain"', 'id="lead"', False),
        ("ylim=(0, 1)", "ylim=(0, 2)", False),
        ('measure("Steps undo it"', 'measure("Steps"', False),
        ("where=mask", "where=other", False),
        ('data["title"]', 'data["name"]', False),
        ('by="size"', 'by="age"', False),
    ],
)
def test_what_was_measured_stays_where_only_words_change(book: Any, old: str, new: str, stays: bool) -> None:
    assert old in CODE
    assert (hash_of(book, CODE.replace(old, new)) == hash_of(book, CODE)) is stays


def test_what_was_measured_stays_where_a_cell_is_divided_and_goes_where_statements_change_places(
    book: Any,
) -> None:
    first, second = "steps = 3\n", "loss = train(steps)\n"
    whole = hash_of(book, first + second)
    book.add("a/one", first, second)
    (divided,) = select(book.root, ["a/one"])
    assert code_hash(divided) == whole
    assert hash_of(book, second + first) != whole


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ({"seconds": 90.0, "processor_seconds": 40.0}, 40.0),  # beside other work
        ({"seconds": 40.0, "processor_seconds": 70.0}, 40.0),  # with two threads
        ({"seconds": 40.0}, 40.0),
        ({"seconds": 40.0, "processor_seconds": 0.0}, 40.0),
        ({}, 0.0),
    ],
)
def test_a_chapter_is_recorded_with_the_time_that_it_takes_alone(
    stamp: dict[str, float], seconds: float
) -> None:
    assert measured._seconds(stamp) == seconds
