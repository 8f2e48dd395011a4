"""The paths of the page *Start here*: what is on them, and how long they take."""

import pytest

from advnotes.publish.site.paths import Minutes, clock, with_minutes

PAGE = """# Start

See [one](a/one.ipynb). <!-- minutes of all chapters -->

<!-- paths: begin -->
### Short
For the hurried. <!-- minutes -->

1. [One](a/one.ipynb): first

### Long
For the rest. <!-- minutes -->

1. [Which](which.md): a page
2. [One](a/one.ipynb): then
3. [Two](b/two.ipynb): last

It ends in the [API](api.md#tables).
<!-- paths: end -->

### Behind it
"""
MINUTES = {"a/one": Minutes(20, 45.0), "b/two": Minutes(50, 200.0), "which": Minutes(5)}


def test_minutes_stand_beside_links_and_behind_paths() -> None:
    page = with_minutes(PAGE, MINUTES, Minutes(70, 245.0))
    assert "See [one](a/one.ipynb). *1 h 10 min of reading and 4 min of running.*" in page
    assert "### Short\nFor the hurried. *20 min of reading and 1 min of running.*" in page
    assert "For the rest. *1 h 15 min of reading and 4 min of running.*" in page
    assert "1. [Which](which.md) (5 min): a page\n2. [One](a/one.ipynb) (20 min): then" in page
    assert "[API](api.md#tables)." in page
    assert page.endswith("<!-- paths: end -->\n\n### Behind it\n")


def test_what_does_not_run_is_only_read() -> None:
    assert str(Minutes(60) + Minutes(5)) == "1 h 5 min of reading"


@pytest.mark.parametrize(("minutes", "shown"), [(5, "5 min"), (60, "1 h"), (135, "2 h 15 min")])
def test_minutes_for_people(minutes: int, shown: str) -> None:
    assert clock(minutes) == shown
