import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest

from advnotes import claims
from advnotes.publish import files
from advnotes.publish.chapters import select
from advnotes.publish.execution import run as run_module
from advnotes.publish.execution.printed_text import LIMIT
from advnotes.publish.execution.run import run
from advnotes.publish.execution.verify import verify
from advnotes.publish.execution.worker import Job, Result, machine_path
from advnotes.publish.execution.worker_processes import end_run, perform, start_supervised
from advnotes.publish.files import write
from advnotes.publish.staleness import stamps
from advnotes.publish.staleness.plan import Plan, plan
from advnotes.publish.staleness.sources import Sources
from advnotes.publish.staleness.stamps import read_stamp, stamp_of

CLAIM = """
from IPython.display import display
where = {"device": "a device"}
display({"application/vnd.advnotes.claim+json": {"environment": where}, "text/plain": "claim"}, raw=True)
"""


def execute(book: Any, profile: str = "laptop", **options: Any) -> dict[str, Result]:
    force = options.pop("force", False)
    results = run(plan(select(book.root), profile, force=force), **options)
    return {result.chapter: result for result in results}


def reasons(book: Any, profile: str = "laptop") -> dict[str, str]:
    return {p.chapter.name: p.reason for p in plan(select(book.root), profile)}


def test_the_whole_life_of_chapters(book: Any, package: Path) -> None:
    """Executed once, again only for a reason; the same bytes each time; failures stay apart."""
    good = "from advnotes import value\nprint(profile, size)\nfor i in range(3): print(i, flush=True)"
    book.add("a/good", good, CLAIM)
    book.add("a/bad", "x = 1", "1 / 0", "print('never')")
    book.profile("smoke", "a/good: {size: 1}\n")
    assert reasons(book) == {"a/good": "not run yet", "a/bad": "not run yet"}

    seen: list[str] = []
    results = execute(book, "smoke", jobs=2, finished=lambda p, result: seen.append(p.chapter.name))
    assert sorted(seen) == ["a/bad", "a/good"]
    assert "ZeroDivisionError" in (results["a/bad"].error or "")
    assert results["a/bad"].cell == 4
    assert book.made() == ["smoke/book/a/good.ipynb", "smoke/book/a/good.json", "smoke/failed/a/bad.json"]

    executed = select(book.root, ["a/good"])[0].executed("smoke")
    text = executed.read_text()
    notebook = json.loads(text)
    assert "papermill" not in text
    assert "record" not in text
    assert str(book.root) not in text
    injected = notebook["cells"][2]
    assert (injected["id"], injected["metadata"]["tags"]) == (
        "injected-parameters",
        ["injected-parameters", "remove-cell"],
    )
    (printed,) = notebook["cells"][3]["outputs"]
    assert "".join(printed["text"]) == "smoke 1\n0\n1\n2\n"
    stamp = read_stamp(executed)
    assert stamp is not None
    assert stamp["device"] == "a device"
    assert stamp["profile"] == "smoke"
    assert stamp["parameters"] == {"profile": "smoke", "size": 1}
    assert stamp["seconds"] > 0

    # The next call runs what is missing, and nothing else; a failure mended is a change like any other.
    assert reasons(book, "smoke") == {"a/good": "", "a/bad": "not run yet"}
    book.add("a/bad", "x = 1")
    assert set(execute(book, "smoke")) == {"a/bad"}
    assert "smoke/failed/a/bad.json" not in book.made()
    assert execute(book, "smoke") == {}
    (package / "used.py").write_text("value = 1 + 0\n")
    assert reasons(book, "smoke") == {"a/good": "changed: modules (used.py)", "a/bad": ""}

    # Executed again: the same file to the byte.
    assert set(execute(book, "smoke")) == {"a/good"}
    assert executed.read_text() == text

    # A copy that was written over is not taken for ours.
    executed.write_text(text.replace("smoke 1", "smoke 2"))
    assert reasons(book, "smoke")["a/good"] == "not run yet"


LONG = {
    "a/lines": "for i in range(200_000): print('x' * 100)",
    "a/long": "for i in range(10): print('x' * 100_000)",
    "a/bar": "import sys\nfor i in range(100_000): sys.stdout.write(f'\\r{i:>40}')",
    "a/result": "'x' * 2_000_000",
}


def test_output_of_any_length_ends_and_has_a_bound(book: Any) -> None:
    """20 MB in lines, long lines, a bar drawn often, a long result; executed again, they agree."""
    for name, code in LONG.items():
        book.add(name, code)
    results = execute(book, jobs=2, chapter_timeout=600)
    assert {name: result.error for name, result in results.items()} == dict.fromkeys(LONG)
    texts = {}
    for chapter in select(book.root):
        (output,) = json.loads(chapter.executed("laptop").read_text())["cells"][2]["outputs"]
        texts[chapter.name] = "".join(output.get("text") or output["data"]["text/plain"])
    assert "of 20,200,000 characters of this output are left out here" in texts["a/lines"]
    assert len(texts["a/lines"]) <= LIMIT
    assert texts["a/lines"].startswith("x" * 100 + "\n")
    assert texts["a/lines"].endswith("x" * 100 + "\n")
    assert "of 1,000,010 characters" in texts["a/long"]
    assert texts["a/bar"] == f"{99_999:>40}"
    assert "of 2,000,002 characters" in texts["a/result"]
    assert verify(select(book.root), "laptop", jobs=2).differences == {}


def test_a_chapter_has_a_time_limit_of_its_own(
    book: Any, gone: Callable[[int], bool], until: Callable[..., None]
) -> None:
    code = f"import os, time\nopen({str(book.root / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(1)"
    book.add("a/one", code, *["time.sleep(30)"] * 9)
    result = execute(book, chapter_timeout=20)["a/one"]
    assert "the chapter took longer than 20 s" in (result.error or "")
    assert "--chapter-timeout" in (result.error or "")
    assert result.cell == 4
    until(lambda: gone(int((book.root / "pid").read_text())), 20)


def test_what_a_chapter_can_do_wrong(book: Any) -> None:
    book.add("a/dead", "import os, signal", "os.kill(os.getpid(), 9)", "print('never')")
    book.add("a/slow", "x = 1", "while True: pass")
    book.add(
        "a/leak", "from pathlib import Path", "print('ok')", "Path.home() / 'x'", "import sys; sys.prefix"
    )
    book.add("a/exit", "raise SystemExit(3)")
    results = execute(book, jobs=4, timeout=4)
    found = {name: (result.cell, (result.error or "").split(":")[0]) for name, result in results.items()}
    assert found["a/dead"] == (4, "DeadKernelError")
    assert found["a/slow"] == (4, "CellTimeoutError")
    assert found["a/leak"][0] == 5
    assert "path of this machine" in found["a/leak"][1]
    assert found["a/exit"][0] == 3
    assert book.made() == [f"laptop/failed/{name}.json" for name in sorted(found)]


def test_paths_are_looked_for_in_outputs_only_and_not_in_pictures() -> None:
    def outputs(data: dict[str, str]) -> Any:
        import nbformat

        output = nbformat.v4.new_output("display_data", data=data)
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("/here/there/x", outputs=[output])])

    assert machine_path(outputs({"text/plain": "see https://host/here/there/x"}), "/here/there") is None
    assert machine_path(outputs({"image/png": "AA+/here/there/x"}), "/here/there") is None
    assert machine_path(outputs({"text/html": "<a>/here/there/x</a>"}), "/here/there") == (1, "/here/there/x")


def test_a_failure_keeps_the_copy_before_it(book: Any) -> None:
    book.add("a/one", "x = 1")
    execute(book)
    before = book.made()
    book.add("a/one", "1 / 0")
    execute(book)
    assert book.made() == [*before, "laptop/failed/a/one.json"]
    assert reasons(book) == {"a/one": "changed: code"}


STOPS = ["SIGINT", "SIGTERM", "SIGKILL"] if os.name == "posix" else ["SIGTERM"]
ENDS = {"SIGINT": 130, "SIGTERM": 128 + 15, "SIGKILL": -9}


@pytest.mark.parametrize("stop", STOPS)
def test_a_chapter_that_prints_without_end_is_stopped_too(
    book: Any, stop: str, until: Callable[..., None], gone: Callable[[int], bool]
) -> None:
    """The worker and its supervisor, too, however busy the kernel is."""
    book.add(
        "a/one",
        "print('x' * 100_000, flush=True)\nopen('../../pid', 'w').close()\nwhile True: print('x' * 100_000)",
    )
    command = book.start("run")
    until((book.root / "pid").exists, 300)
    started = psutil.Process(command.pid).children(recursive=True)
    names = [" ".join(process.cmdline()) for process in started]
    for part in ("execution.supervisor", "execution.worker", "ipykernel"):
        assert any(part in name for name in names)
    command.send_signal(getattr(signal, stop))
    command.communicate(timeout=300)
    until(lambda: all(gone(process.pid) for process in started), 60)
    assert command.returncode == ENDS[stop]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere an orphan's parent is not known")
def test_a_guard_ends_what_its_module_left_behind(
    tmp_path: Path, until: Callable[..., None], gone: Callable[[int], bool]
) -> None:
    """A daemon of a daemon, whose parents have gone."""
    pid = tmp_path / "pid"
    sleep = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    middle = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleep!r}], start_new_session=True)"
    )
    (tmp_path / "module.py").write_text(
        f"import os, subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {middle!r}])\n"
        f"while not (os.path.exists({str(pid)!r}) and os.path.getsize({str(pid)!r})): time.sleep(0.05)\nsys.exit(3)"
    )
    process = start_supervised("module", cwd=tmp_path)
    assert process.wait(300) == 3
    until(lambda: gone(int(pid.read_text())), 20)
    process.stdin.close()


@pytest.mark.parametrize("stop", STOPS)
def test_a_run_that_is_stopped_leaves_no_process_and_no_file(
    book: Any, stop: str, until: Callable[..., None], gone: Callable[[int], bool]
) -> None:
    """The chapter's kernel starts a process of its own, which must go too."""
    code = f"""
import os, subprocess, sys
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
Path({str(book.root / "pids.new")!r}).write_text(f"{{os.getpid()}} {{os.getppid()}} {{child.pid}}")
os.replace({str(book.root / "pids.new")!r}, {str(book.root / "pids")!r})
child.wait()
"""
    book.add("a/one", code)
    book.add("a/two", "x = 1")
    command = book.start("run", "-j", "1")
    until((book.root / "pids").exists, 300)
    pids = [int(pid) for pid in (book.root / "pids").read_text().split()]
    assert not any(gone(pid) for pid in pids)
    command.send_signal(getattr(signal, stop))
    command.communicate(timeout=300)
    until(lambda: all(gone(pid) for pid in pids), 20)
    assert command.returncode == ENDS[stop]
    assert book.made() == []


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / "file.json"
    write(path, "old")

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".one.ipynb.{dead.pid}.tmp"
    used = tmp_path / f".two.ipynb.{os.getpid()}.tmp"
    for path in (left, used):
        path.write_text("half")
    files.sweep(tmp_path)
    assert (left.exists(), used.exists()) == (False, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "loky"}, "threading, dask"),
        ({"jobs": 0}, "at least one"),
        ({"scheduler": "x"}, "--backend"),
    ],
)
def test_options_are_checked_before_anything_runs(book: Any, options: dict[str, Any], message: str) -> None:
    book.add("a/one", "x = 1")
    with pytest.raises(ValueError, match=message):
        execute(book, **options)
    assert book.made() == []


def test_a_worker_that_cannot_start_says_why(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(book.root))
    (book.root / "papermill.py").write_text("raise RuntimeError('a broken installation')")
    book.add("a/one", "x = 1")
    assert "a broken installation" in (execute(book)["a/one"].error or "")


def test_two_dask_workers_execute_side_by_side_and_stop_together(
    book: Any, until: Callable[..., None], gone: Callable[[int], bool]
) -> None:
    meet = """
import time
from pathlib import Path
root = Path("../..")
(root / mine).touch()
while not (root / other).exists(): time.sleep(0.05)
"""
    parameters = 'profile = "laptop"\nmine = "{}"\nother = "{}"'
    book.add("a/one", meet, parameters=parameters.format("1", "2"))
    book.add("a/two", meet, parameters=parameters.format("2", "1"))
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        far = {"jobs": 2, "backend": "dask", "scheduler": cluster.scheduler_address}
        results = execute(book, **far)
        assert {name: result.error for name, result in results.items()} == {"a/one": None, "a/two": None}
        assert reasons(book) == {"a/one": "", "a/two": ""}

        # Other modules there than here: refused, for the stamp would not tell the truth.
        strange = book.root / "strange"
        strange.mkdir()
        (p,) = plan(select(book.root, ["a/one"]), "laptop", force=True)
        (refused,) = run([replace(p, sources=Sources(strange))], **far)
        assert "other advnotes modules" in (refused.error or "")

        # Stopping here stops there.
        pid = book.root / "pid"
        book.add("a/one", "import os, time; open('../../pid', 'w').write(str(os.getpid()))\ntime.sleep(300)")
        wait = "import time, os\nwhile not (os.path.exists('../../pid') and open('../../pid').read()): time.sleep(0.1)"
        book.add("a/two", wait)

        def stop(p: Plan, result: Result) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            execute(book, **far, finished=stop)
        until(lambda: gone(int(pid.read_text())), 20)


def test_the_same_versions_are_asked_of_a_cluster(book: Any) -> None:
    source = book.add("a/one", "x = 1").read_text()
    modules = plan(select(book.root), "laptop")[0].sources.all()
    job = Job("a/one", source, {}, str(book.root), str(book.root), 9, modules=modules, pins="Python 2")
    assert "this worker has Python" in (perform(job).error or "")


def test_the_longest_starts_first_also_in_a_cold_run(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a/one", "a/two", "a/three"]
    for name in names:
        book.add(name)
    measured = book.root / "book" / "measured"
    measured.mkdir()

    def kept(file: str, profile: str, recorded: str, *seconds: float) -> None:
        chapters = {name: {"seconds": s, "claims": []} for name, s in zip(names, seconds, strict=True)}
        text = {"schema": 1, "profile": profile, "recorded": recorded, "chapters": chapters}
        (measured / file).write_text(json.dumps(text))

    kept("old.json", "laptop", "2026-01-02", 9, 1, 1)
    kept("new.json", "laptop", "2026-11-02", 1, 3, 2)
    kept("gpu.json", "gpu", "2026-12-02", 1, 2, 3)
    (measured / "other.json").write_text('{"chapters": {"a/one": []}}')
    started: list[str] = []
    monkeypatch.setattr(run_module, "perform", lambda job: started.append(job.chapter) or Result(job.chapter))
    execute(book)
    assert started == ["a/two", "a/three", "a/one"]


def test_a_run_that_has_ended_starts_nothing_more(book: Any) -> None:
    source = book.add("a/one", "x = 1").read_text()
    end_run("over")
    job = Job("a/one", source, {}, str(book.root), str(book.root), 9, run="over")
    assert perform(job).error == "interrupted"


def test_the_stamp_lies_beside_the_copy_and_belongs_to_it(tmp_path: Path) -> None:
    copy = tmp_path / "one.ipynb"
    copy.write_text("{}")
    assert read_stamp(copy) is None
    stamp_of(copy).write_text("{half")
    assert read_stamp(copy) is None
    stamp_of(copy).write_text(json.dumps({"sha256": hashlib.sha256(b"{}").hexdigest()}))
    assert read_stamp(copy) is not None


def test_claims_are_known_by_the_type_that_chapters_give_them() -> None:
    assert stamps.CLAIM == claims.MIME
