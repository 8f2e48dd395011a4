from datetime import date
from typing import Any

import pytest

from advnotes.publish.chapters import select
from advnotes.publish.execution.time_budget import affordable
from advnotes.publish.scorecard.measured import record
from advnotes.publish.staleness.plan import plan
from tests.advnotes.publish.standins import XEON, claim, executed


def chosen(book: Any, minutes: float, day: int = 0, jobs: int = 1) -> list[str]:
    plans = plan(select(book.root), "laptop")
    return [p.chapter.name for p in affordable(plans, minutes, jobs, date.fromordinal(9 + day))]


@pytest.fixture
def three(book: Any) -> Any:
    """Three chapters that another machine has recorded, at a second each, and nothing executed here."""
    for name in ("a/one", "a/two", "a/three"):
        book.add(name, "x = 1")
        executed(book, name, claim("x", environment=XEON))
    record(book.root, "laptop")
    for path in (book.root / "_build").rglob("*.json"):
        path.unlink()
    return book


def test_what_fits_is_chosen_in_turn(three: Any) -> None:
    assert chosen(three, 2.5 / 60) == ["a/one", "a/two"]
    assert chosen(three, 2.5 / 60, day=1) == ["a/two", "a/three"]
    assert chosen(three, 2.5 / 60, day=2) == ["a/three", "a/one"]
    assert chosen(three, 1.5 / 60, jobs=2) == ["a/one", "a/two", "a/three"]
    assert chosen(three, 2.0 / 60) == ["a/one", "a/two"], "what fits exactly fits"
    assert chosen(three, 0.0) == []


def test_a_chapter_that_changed_since_it_was_recorded_comes_first(three: Any) -> None:
    three.add("a/three", "x = 2")
    assert chosen(three, 1.5 / 60) == ["a/three"]


def test_a_chapter_that_was_never_timed_is_taken_for_a_typical_one(three: Any) -> None:
    three.add("a/four", "x = 1")
    assert chosen(three, 0.5) == []
    assert chosen(three, 2.0) == ["a/four", "a/one", "a/two", "a/three"]
