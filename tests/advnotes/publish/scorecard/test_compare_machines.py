from typing import Any

import pytest

from advnotes.publish.scorecard.compare_machines import compare
from advnotes.publish.scorecard.measured import record
from tests.advnotes.publish.standins import AMD, XEON, claim, executed


def test_each_machine_alone_is_compared(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("same"), claim("turned"), claim("steady", measured=(0.5, 0.5, 0.5)))
    record(book.root, "laptop")
    other = dict(environment=XEON)
    executed(
        book,
        "a/one",
        claim("same", **other),
        claim("turned", measured=(0.5, 0.52, 0.51), **other),
        claim("steady", measured=(0.5, 0.5, 0.51), **other),
    )
    record(book.root, "laptop")
    found = compare(book.root)
    assert found.machines == ["AMD EPYC, AVX2, 1 thread", "Intel Xeon, AVX512, 1 thread"]
    assert [row.claim.id for row in found.changed] == ["turned"]
    assert [row.claim.id for row in found.reversed] == ["turned"]
    assert found.share == pytest.approx(2 / 3)
    assert found.pairs == pytest.approx(2 / 3)
    assert found.alone == 2


def test_one_machine_has_nothing_to_be_compared_with(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x", environment=AMD))
    record(book.root, "laptop")
    with pytest.raises(ValueError, match="recorded on two machines"):
        compare(book.root)


def test_a_claim_of_two_machines_counts_though_another_has_three(book: Any) -> None:
    book.add("a/one")
    book.add("a/two")
    three_threads = XEON | {"threads": "3"}
    for environment in (AMD, XEON, three_threads):
        executed(book, "a/one", claim("everywhere", environment=environment))
        if environment is not three_threads:
            executed(book, "a/two", claim("twice", environment=environment))
        record(book.root, "laptop")
    found = compare(book.root)
    assert [row.claim.id for row in found.compared] == ["everywhere", "twice"]
    assert found.share == found.pairs == 1
    assert len(found.machines) == 3


def test_three_ways_of_running_are_compared_over_all_choices_of_machines(book: Any) -> None:
    book.add("a/one")
    imitating = AMD | {"imitated": "ATEN_CPU_CAPABILITY=default", "instructions": "DEFAULT"}
    outside = (0.5, 0.52, 0.51)
    for environment, turned in (
        (AMD, (0.9, 0.9, 0.9)),
        (XEON, outside),
        (imitating, (0.9, 0.9, 0.9)),
        (AMD | {"threads": "2"}, (0.9, 0.9, 0.9)),
    ):
        executed(
            book,
            "a/one",
            claim("same", environment=environment),
            claim("turned", measured=turned, environment=environment),
        )
        record(book.root, "laptop")
    assert compare(book.root).ways == pytest.approx((1 + 1 / 2) / 2)


def test_without_all_three_ways_nothing_is_said_of_them(book: Any) -> None:
    book.add("a/one")
    for environment in (AMD, XEON, AMD | {"threads": "2"}):
        executed(book, "a/one", claim("same", environment=environment))
        record(book.root, "laptop")
    assert compare(book.root).ways is None
