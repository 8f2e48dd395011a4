import json
from typing import Any

import pytest

from advnotes.publish.scorecard.collect import save, scorecard
from advnotes.publish.scorecard.measured import folder, record
from tests.advnotes.publish.standins import AMD, GPU, XEON, bound, claim, executed, fails


def test_a_scorecard_counts_by_kind_and_verdict(book: Any) -> None:
    book.add("a/one")
    book.add("a/two")
    executed(
        book, "a/one", claim("holds"), fails("fails"), fails("explained", reason="a ReLU net, not maxout")
    )
    executed(
        book,
        "a/two",
        claim("surprise", reason="too small"),
        claim("edge", measured=(0.7, 0.9, 0.95), kind="control"),
        claim("equation", kind="identity", seeds=(), measured=(0.9,)),
    )
    card = scorecard(book.root)
    assert card.summary == [
        "4 claims of papers: 2 holds, 2 not reproduced (the paper's number itself: 2)",
        "1 controls: 1 on the edge",
        "1 identities: 1 holds",
    ]
    assert [row.claim.id for row in card.unexplained] == ["fails"]
    assert [row.claim.id for row in card.surprises] == ["surprise"]
    assert card.problems() == ["a/one: fails is not reproduced, and no reason is given"]

    stored = json.loads(save(card, book.root).read_text())
    assert stored["summary"] == card.summary
    assert stored["claims"][0]["runs"] == [
        {"machine": "AMD EPYC, AVX2, 1 thread", "measured": [0.9, 0.91, 0.92]}
    ]


def test_a_reason_stays_where_one_machine_alone_is_on_the_edge(book: Any) -> None:
    book.add("a/one")
    for environment, measured in ((AMD, (0.9, 0.91, 0.92)), (XEON, (0.8, 0.81, 0.85))):
        executed(book, "a/one", claim("scatters", reason="few", measured=measured, environment=environment))
        record(book.root, "laptop")
    card = scorecard(book.root)
    assert [row.verdict for row in card.rows] == ["holds"]
    assert card.surprises == []


def test_chapters_without_an_execution_and_claims_that_were_not_made_are_problems(book: Any) -> None:
    book.add(
        "a/one", 'if False:\n    claim("s", id="skipped", measured=1)', 'claim("t", id="made", measured=1)'
    )
    book.add("a/two")
    executed(book, "a/one", claim("made"))
    card = scorecard(book.root)
    assert card.unexecuted == ["a/two"]
    assert card.lost == [("a/one", "skipped")]
    assert card.problems() == [
        "a/two has no current execution or record",
        "a/one states the claim skipped, but its execution did not make it",
    ]


def test_ids_made_in_a_loop_are_matched(book: Any) -> None:
    loop = "for name in names:\n    claim('s', id=f'fools-{name}', measured=1)"
    book.add("a/one", loop, "%magic", "claim('s', id=name, measured=1)")
    executed(book, "a/one", claim("fools-pgd"))
    assert scorecard(book.root).lost == []
    executed(book, "a/one", claim("fools"))
    assert scorecard(book.root).lost == [("a/one", "fools\\-.+")]


def test_one_seed_is_a_problem_but_not_at_smoke(book: Any) -> None:
    book.add("a/one")
    book.profile("smoke", "")
    single = dict(measured=(0.9,), seeds=(0,))
    executed(book, "a/one", claim("x", **single))
    executed(book, "a/one", claim("x", **single, profile="smoke"), profile="smoke")
    assert scorecard(book.root).problems() == ["a/one: x has one seed"]
    assert scorecard(book.root, "smoke").problems() == []


def test_a_claim_is_made_once(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x"), claim("x"))
    with pytest.raises(ValueError, match="makes the claim 'x' twice"):
        scorecard(book.root)


def test_what_has_changed_since_is_not_scored(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x"))
    book.add("a/one", "x = 2")
    card = scorecard(book.root)
    assert (card.rows, card.unexecuted) == ([], ["a/one"])


def test_a_verdict_is_over_all_machines(book: Any) -> None:
    book.add("a/one")
    elsewhere = (0.75, 0.76, 0.74)
    executed(book, "a/one", claim("x", environment=XEON, measured=elsewhere), claim("y", environment=XEON))
    (kept,) = record(book.root, "laptop")
    assert kept == folder(book.root) / "laptop-intel-xeon-avx512-1-thread.json"
    executed(book, "a/one", claim("x"), claim("y"))
    x, y = scorecard(book.root).rows
    assert [run.measured for run in x.runs] == [elsewhere, (0.9, 0.91, 0.92)]
    assert (x.verdict, y.verdict) == ("on the edge", "holds")  # a run's mean is outside
    assert (x.differs, y.differs) == (True, False)


def test_the_run_of_this_machine_takes_the_place_of_its_record(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", fails("x"))
    record(book.root, "laptop")
    executed(book, "a/one", claim("x"))
    (row,) = scorecard(book.root).rows
    assert [run.measured for run in row.runs] == [(0.9, 0.91, 0.92)]
    assert row.verdict == "holds"


@pytest.mark.parametrize(
    ("measured", "contradicted"), [((0.5, 0.51, 0.52), True), ((0.78, 0.85, 0.76), False)]
)
def test_a_recorded_holds_that_is_outside_here_with_room_is_a_problem(
    book: Any, measured: tuple[float, ...], contradicted: bool
) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x", environment=XEON))
    record(book.root, "laptop")
    executed(book, "a/one", claim("x", measured=measured, reason="known"))
    card = scorecard(book.root)
    assert card.rows[0].differs
    expected = ["a/one: x holds on the recorded machines, not here"] if contradicted else []
    assert card.problems() == expected


def test_a_chapter_that_changed_since_it_was_recorded_is_judged_without_that(book: Any) -> None:
    book.add("a/one", "x = 1  # a comment")
    executed(book, "a/one", fails("x", environment=XEON))
    record(book.root, "laptop")
    book.add("a/one", "x = 1  # another comment")
    executed(book, "a/one", claim("x"))
    assert len(scorecard(book.root).rows[0].runs) == 2
    book.add("a/one", "x = 2")
    executed(book, "a/one", claim("x"))
    card = scorecard(book.root)
    assert len(card.rows[0].runs) == 1
    assert card.outdated == [("a/one", "Intel Xeon, AVX512, 1 thread")]


def test_recorded_claims_are_shown_where_nothing_was_executed(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x"))
    record(book.root, "laptop")
    book.root.joinpath("_build", "laptop", "book", "a", "one.json").unlink()
    card = scorecard(book.root)
    assert [(row.claim.id, row.verdict, row.here) for row in card.rows] == [("x", "holds", None)]
    assert card.unexecuted == ["a/one"]


def test_a_gpus_measurements_are_one_of_the_files(book: Any) -> None:
    book.add("a/one")
    book.profile("gpu", "")
    gpu = fails("x", environment=GPU, profile="gpu", reason="larger")
    executed(book, "a/one", gpu, profile="gpu")
    assert [path.name for path in record(book.root, "gpu")] == ["gpu-a-gpu.json"]
    executed(book, "a/one", claim("x"))
    (row,) = scorecard(book.root).rows
    assert (row.verdict, [one.verdict for one in row.gpu]) == ("holds", ["not reproduced"])


def test_a_chapter_recorded_later_joins_the_file(book: Any) -> None:
    book.add("a/one")
    book.add("a/two")
    executed(book, "a/one", claim("x"))
    record(book.root, "laptop")
    book.root.joinpath("_build", "laptop", "book", "a", "one.json").unlink()
    executed(book, "a/two", claim("y"))
    (path,) = record(book.root, "laptop")
    assert set(json.loads(path.read_text())["chapters"]) == {"a/one", "a/two"}


def test_recording_wants_something_that_was_measured(book: Any) -> None:
    book.add("a/one")
    book.profile("smoke", "")
    with pytest.raises(ValueError, match="advnotes run --profile laptop"):
        record(book.root, "laptop")
    with pytest.raises(ValueError, match="record laptop or gpu"):
        record(book.root, "smoke")


@pytest.mark.parametrize("broken", ["[]", "{", '{"schema": 99}'])
def test_a_broken_file_of_measurements_is_refused(book: Any, broken: str) -> None:
    book.add("a/one")
    folder(book.root).mkdir()
    (folder(book.root) / "laptop-x.json").write_text(broken)
    with pytest.raises(ValueError, match="expected what `advnotes record` writes"):
        scorecard(book.root)


def test_the_number_or_the_direction(book: Any) -> None:
    book.add("a/one")
    found = [
        claim("number"),
        claim("direction", number=0.99),
        claim("no-number", number=None),
        fails("neither"),
        claim("control", kind="control"),
    ]
    executed(book, "a/one", *found)
    rows = scorecard(book.root).rows
    assert [row.reproduced for row in rows] == ["number", "direction", "direction", "", ""]


def test_machines_are_told_apart_by_threads_and_imitation(book: Any) -> None:
    book.add("a/one")
    numpy_alone = {"imitated": "OPENBLAS_CORETYPE=Haswell"}
    imitation = {
        "imitated": "ATEN_CPU_CAPABILITY=default OPENBLAS_CORETYPE=Haswell",
        "instructions": "DEFAULT",
    }
    for where in (AMD, AMD | {"threads": "2"}, AMD | numpy_alone, AMD | imitation):
        executed(book, "a/one", claim("x", environment=where, bound=bound(0.7)))
        record(book.root, "laptop")
    assert [path.name for path in sorted(folder(book.root).iterdir())] == [
        "laptop-amd-epyc-avx2-1-thread.json",
        "laptop-amd-epyc-avx2-2-threads.json",
        "laptop-amd-epyc-imitating-default-1-thread.json",
    ]
    assert len(scorecard(book.root).rows[0].runs) == 3
