from typing import Any

import pytest

from advnotes.publish.compare import compare
from advnotes.publish.measured import record
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
