import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from advnotes.claims import Claim
from advnotes.environment import machine
from advnotes.publish import cli
from advnotes.publish.chapters import select
from advnotes.publish.execution.worker import Result
from advnotes.publish.staleness.stamps import stamp_of
from tests.advnotes.publish.standins import XEON, claim, fails


@pytest.fixture
def call(book: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line in this process, with execution and rendering replaced: gives the exit code."""
    book.add("a/one", "x = 1")
    book.add("a/two", "x = 1")
    book.errors = {}
    book.claims = []

    def perform(plans: Any, finished: Any, **options: Any) -> list[Result]:
        from advnotes.publish.execution.run import keep
        from advnotes.publish.staleness.stamps import CLAIM

        book.options = options
        results = []
        for p in plans:
            if not p.reason:
                continue
            notebook = json.loads(p.chapter.text)
            made = book.claims if p.chapter.name in ("a/one", "a/three") else []
            notebook["cells"][1]["outputs"] = [{"data": {CLAIM: found}} for found in made]
            error = book.errors.get(p.chapter.name)
            result = Result(
                p.chapter.name, notebook=None if error else json.dumps(notebook), error=error, cell=3
            )
            keep(p, result)
            finished(p, result)
            results.append(result)
        return results

    def bind(root: Path, profile: str) -> Path:
        book.bound = profile
        return root / "index.html"

    monkeypatch.setattr("advnotes.publish.execution.run.run", perform)
    monkeypatch.setattr("advnotes.publish.site.bind.bind", bind)
    monkeypatch.chdir(book.root)

    def command(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["advnotes", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0)

    return command


def test_list_tells_what_has_to_be_executed(book: Any, call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", "--names") == 0
    assert capsys.readouterr().out == "a/one\na/two\n"
    assert call("run", "a/one") == 0
    assert call("list") == 0
    one, two = capsys.readouterr().out.splitlines()[-2:]
    assert "current" in one
    assert "not run yet" in two


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "a/tow"), "did you mean a/two"),
        (("run", "--profile", "fast"), "no profile is called 'fast'"),
        (("run", "--profile", "smoke"), "no parameter 'sise'"),
        (("book", "--profile", "smoke"), "no parameter 'sise'"),
        (("verify", "a/one"), "sise"),
        (("score", "--profile", "none"), "no profile"),
    ],
)
def test_a_mistake_in_the_call_is_told_before_anything_runs(
    book: Any, call: Any, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    book.profile("smoke", "a/one: {sise: 1}")
    assert call(*arguments) == 2
    assert message in capsys.readouterr().err
    assert book.made() == []


def test_a_failed_chapter_shows_its_cell_and_the_others_go_on(
    book: Any, call: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    book.add("a/three", "x = 1")
    book.claims = [claim().record()]
    book.errors = {"a/one": "\x1b[31mZeroDivisionError\x1b[0m [red]"}
    assert call("book", "-j", "2") == 1
    out = capsys.readouterr().out
    assert "a/one in cell 3" in out
    assert "ZeroDivisionError" in out
    assert "[red]" in out
    assert "executed   a/two" in out
    assert "1 claims of papers: 1 holds" in out
    assert "A chapter failed" in out
    assert book.bound == "laptop"
    assert book.options["jobs"] == 2
    book.errors = {}
    assert call("book") == 0
    out = capsys.readouterr().out
    assert "unchanged  a/two" in out
    assert "executed   a/one" in out


@pytest.mark.parametrize(
    ("found", "strict", "message"),
    [
        (claim(), 0, "1 claims of papers: 1 holds"),
        (fails("x"), 1, "no reason is given"),
        (fails("x", reason="too small"), 0, "too small"),
        (claim(reason="too small"), 0, "holds, but gives a reason for not holding"),
        (claim(measured=(0.9,), seeds=(0,)), 1, "1 not judged"),
        (
            fails("x", statement="[/see table 2] and [see table 3]", reason="w"),
            0,
            "[/see table 2] and [see table 3]",
        ),
    ],
)
def test_verdicts_are_told_and_the_book_ends_well(
    book: Any, call: Any, found: Claim, strict: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    book.claims = [found.record()]
    assert call("book") == 0
    out = capsys.readouterr().out
    assert message in out
    assert f"The book is at {book.root / 'index.html'}" in out
    assert book.bound == "laptop"
    assert call("score") == 0
    assert call("score", "--strict") == strict


def test_what_differs_from_the_recorded_machines_is_told(
    book: Any, call: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    book.claims = [claim("x", environment=XEON).record()]
    assert call("run") == 0
    assert call("record") == 0
    book.claims = [fails("x", reason="small").record()]
    assert call("run", "--force") == 0
    assert call("score") == 0
    out = capsys.readouterr().out
    assert "kept in book/measured/laptop-intel-xeon-avx512-1-thread.json" in out
    assert "a/one: x: not reproduced here, holds where it was recorded" in out
    assert call("record") == 0
    capsys.readouterr()
    assert call("score", "--compare") == 0
    out = capsys.readouterr().out
    assert "0 of 1 verdicts (0.0%) are the same on each of the 2 machines" in out
    assert "reversed   a/one: x" in out


def test_binding_alone(book: Any, call: Any) -> None:
    book.profile("smoke", "")
    assert call("bind", "--profile", "smoke") == 0
    assert book.bound == "smoke"


def test_one_chapter_at_a_time_on_a_gpu(book: Any, call: Any) -> None:
    book.profile("gpu", "")
    assert call("run", "--profile", "gpu") == 0
    assert book.options["jobs"] == 1


def test_outside_a_book_the_command_says_so(
    call: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert call("list") == 2


def test_a_run_with_other_parameters_goes_to_a_folder_of_its_own(
    book: Any, call: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run") == 0
    ordinary = book.made()
    assert call("run", "a/one", "-p", "size=5", "--build", "apart") == 0
    assert book.made() == ordinary
    stamp = json.loads((book.root / "apart" / "laptop" / "book" / "a" / "one.json").read_text())
    assert stamp["parameters"] == {"size": 5}
    capsys.readouterr()
    for arguments, states in (
        (("--build", "apart"), ("current", "not run yet")),  # what was given is remembered there
        ((), ("current", "current")),
    ):
        assert call("list", *arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [state in line for state, line in zip(states, lines, strict=True)] == [True, True]
    assert call("score", "--build", "apart") == 0
    assert (book.root / "apart" / "laptop" / "scorecard.json").is_file()
    assert book.made() == ordinary


def test_without_a_folder_parameters_are_for_one_run(
    book: Any, call: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", "a/one", "-p", "size=5", "-p", "profile=x") == 2
    assert "leave it out" in capsys.readouterr().err
    assert call("run", "-p", "sise=5") == 2
    assert "a/one has profile, size" in capsys.readouterr().err
    assert book.made() == []
    assert call("run", "a/one", "-p", "size=5") == 0
    assert call("list") == 0
    assert "changed: parameters (size)" in capsys.readouterr().out


def test_what_was_measured_elsewhere_is_told_and_executed_on_demand(
    book: Any, call: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", "a/one") == 0
    path = stamp_of(select(book.root, ["a/one"])[0].executed("laptop"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"environment": XEON}))
    capsys.readouterr()
    assert call("run", "a/one") == 0
    assert (
        f"unchanged  a/one  (0.0 s when it ran; measured elsewhere: {machine(XEON)})"
        in capsys.readouterr().out
    )
    assert call("run", "a/one", "--here") == 0
    assert "executed   a/one  0.0 s  (measured elsewhere)" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "book"])
def test_every_option_of_an_execution_arrives_where_chapters_are_executed(
    command: str, book: Any, call: Any
) -> None:
    given = ("--jobs", "3", "--backend", "dask", "--scheduler", "tcp://here:1")
    assert call(command, *given, "--timeout", "7", "--chapter-timeout", "9") == 0
    assert book.options == {
        "jobs": 3,
        "backend": "dask",
        "scheduler": "tcp://here:1",
        "timeout": 7,
        "chapter_timeout": 9,
    }


@pytest.mark.parametrize("terminal", [False, True])
def test_a_bar_is_shown_in_a_terminal_and_not_in_a_file(
    terminal: bool, book: Any, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200)
    monkeypatch.setattr("advnotes.publish.cli_actions.console", console)
    assert call("run") == 0
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "executed   a/one" in written
    assert ("executing at laptop" in written) is terminal
