"""After a change of shared code: smoke first, and laptop copies stay where smoke gives the same bits."""

import json
from pathlib import Path
from typing import Any

import pytest

from advnotes.publish.chapters import select
from advnotes.publish.execution.run import run
from advnotes.publish.staleness.carry_over import carry_over
from advnotes.publish.staleness.plan import Plan, plan
from advnotes.publish.staleness.stamps import read_stamp, stamp_of
from tests.advnotes.publish.standins import XEON


@pytest.fixture
def smoked() -> list[str]:
    """Names of the chapters that smoke was run for."""
    return []


@pytest.fixture
def decide(book: Any, smoked: list[str]) -> Any:
    def after_carrying_over() -> dict[str, str]:
        def execute(plans: list[Plan]) -> None:
            smoked.extend(p.chapter.name for p in plans)
            run(plans, jobs=2)

        return {p.chapter.name: p.reason for p in carry_over(plan(select(book.root), "laptop"), execute)}

    return after_carrying_over


def test_what_smoke_finds_unchanged_is_carried_over(
    book: Any, package: Path, decide: Any, smoked: list[str]
) -> None:
    # The change below is seen at either size, at the laptop's only, or at none.
    book.add("a/one", "from advnotes import value\nprint(value)")
    book.add("a/two", "from advnotes import value\nprint(value > 0)")
    book.add(
        "a/three",
        "from advnotes import value\nif profile == 'laptop':\n    import advnotes.unused\nprint(value > 0)",
    )
    book.profile("smoke", "")
    for profile in ("laptop", "smoke"):
        assert not [r.error for r in run(plan(select(book.root), profile), jobs=2) if r.error]
    two = select(book.root, ["a/two"])[0].executed("laptop")
    before = read_stamp(two)
    assert before is not None
    assert decide() == {"a/one": "", "a/two": "", "a/three": ""}
    assert smoked == []

    (package / "used.py").write_text("from advnotes.helper import value\n")
    (package / "helper.py").write_text("value = 2\n")
    assert decide() == {"a/one": "changed: modules (used.py)", "a/two": "", "a/three": ""}
    assert sorted(smoked) == ["a/one", "a/three", "a/two"]
    after = read_stamp(two)
    assert after is not None
    assert after["carried"]["executed"] == before["time"]
    assert after["sha256"] == before["sha256"]
    assert "helper.py" in after["modules"]
    (p,) = plan(select(book.root, ["a/two"]), "laptop")
    assert (p.reason, "carried over at" in p.state) == ("", True)

    # Smoke has run with the new code before, as after `make test`: its stamp remembers what it was equal to. What only
    # the laptop profile loads, smoke cannot tell about.
    (package / "helper.py").write_text("value = 1 + 1\n")
    run(plan(select(book.root), "smoke"), jobs=2)
    smoked.clear()
    assert decide()["a/two"] == ""
    assert smoked == []
    (package / "unused.py").write_text("other = 3\n")
    assert decide()["a/three"] == "changed: modules (unused.py)"
    assert smoked == []


def test_nothing_is_carried_over_without_a_smoke_copy_of_the_old_code_made_here(
    book: Any, package: Path, decide: Any, smoked: list[str]
) -> None:
    book.add("a/one", "from advnotes import value")
    book.profile("smoke", "")
    run(plan(select(book.root), "laptop"))
    (package / "used.py").write_text("value = 2\n")
    stale = {"a/one": "changed: modules (used.py)"}
    assert decide() == stale  # smoke never ran
    run(plan(select(book.root), "smoke"))
    assert decide() == stale  # it ran with the new code only
    (package / "used.py").write_text("value = 3\n")
    assert decide() == stale  # the laptop copy is of older code than smoke's
    assert smoked == []

    run(plan(select(book.root), "laptop"))
    run(plan(select(book.root), "smoke"))
    path = stamp_of(select(book.root)[0].executed("smoke"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"environment": XEON}))
    (package / "used.py").write_text("value = 4\n")
    assert decide() == stale  # smoke was measured elsewhere
    assert smoked == []
