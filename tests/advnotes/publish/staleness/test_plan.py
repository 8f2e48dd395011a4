"""What makes an execution stale, and what does not; what is recorded of it in its kernel."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advnotes.environment import environment
from advnotes.publish.chapters import Chapter, select
from advnotes.publish.execution.run import run
from advnotes.publish.execution.worker import Result
from advnotes.publish.staleness import plan as plan_module
from advnotes.publish.staleness.plan import plan
from advnotes.publish.staleness.sources import Sources, bare
from advnotes.publish.staleness.stamps import keep, read_stamp, stamp_of


def reason(book: Any, **options: Any) -> str:
    (p,) = plan(select(book.root), "laptop", **options)
    return p.reason


def stamp(book: Any) -> dict[str, Any]:
    (chapter,) = select(book.root)
    found = read_stamp(chapter.executed("laptop"))
    assert found is not None
    return found


@pytest.fixture
def executed(book: Any, package: Path) -> Callable[..., Chapter]:
    """As if a chapter of one cell had been executed, with this record of what was loaded."""

    def pretend(source: str = "x = 1", **record: Any) -> Chapter:
        book.add("a/one", source)
        (p,) = plan(select(book.root), "laptop")
        record = {
            "modules": ["__init__.py", "used.py"],
            "versions": {"numpy": plan_module.installed("numpy")},
        } | record
        keep(p.chapter, "laptop", {}, p.sources, Result("a/one", notebook=p.chapter.text, record=record))
        return p.chapter

    return pretend


def test_a_kernel_says_what_it_has_loaded_and_opened(book: Any, package: Path) -> None:
    (package / "used.py").write_text(
        "from pathlib import Path\nimport yaml\nvalue = Path(__file__).with_name('weights.bin').read_text()\n"
    )
    (package / "weights.bin").write_text("1")
    (package / "more.bin").write_text("1")
    book.add(
        "a/one",
        "from advnotes import value",
        "print(sorted(n for n in globals() if 'record' in n or n in ('spec', 'module')))",
    )
    (result,) = run(plan(select(book.root), "laptop"))
    assert result.error is None
    made = json.loads(result.notebook or "")
    assert [cell["id"] for cell in made["cells"]] == ["title", "p", "c0", "c1"]
    assert made["cells"][-1]["outputs"][0]["text"] == ["[]\n"]  # nothing of ours is in the chapter's way
    found = stamp(book)
    assert found["modules"].keys() == {"__init__.py", "used.py"}
    assert found["data"].keys() == {"weights.bin"}
    assert found["public"] == {"__init__.pyi": {"value": "used.value"}}
    assert {"PyYAML", "lazy-loader", "Python"} <= {name.replace("_", "-") for name in found["versions"]}
    assert (
        not {"ipykernel", "ipython", "numpy"} & found["versions"].keys()
    )  # the kernel's own tools, and what was not loaded
    assert reason(book) == ""
    (package / "more.bin").write_text("2")
    assert reason(book) == ""
    (package / "weights.bin").write_text("2")
    assert reason(book) == "changed: data (weights.bin)"


def test_where_other_processes_may_have_loaded_more_all_of_the_package_counts(
    book: Any, package: Path
) -> None:
    book.add(
        "a/one",
        "import subprocess, sys\n_ = subprocess.run([sys.executable, '-c', 'import advnotes.unused'])",
    )
    run(plan(select(book.root), "laptop"))
    assert {"used.py", "unused.py", "publish/cli.py"} <= stamp(book)["modules"].keys()


def test_the_zoos_weights_and_the_digits_are_seen(book: Any) -> None:
    """They are opened by Python: what a library opens by itself would not be noted."""
    book.add("a/one", "from advnotes import data, zoo\nzoo.mnist_natural(); data.mnist('test', size=1);")
    (result,) = run(plan(select(book.root), "laptop"))
    assert result.record is not None
    assert set(result.record["data"]) == {"weights/mnist_natural.safetensors", "data/mnist.npz"}
    assert "data/adult.py" not in result.record["modules"]
    assert result.record["environment"]["processor"] == environment()["processor"]


def test_prose_and_presentation_do_not_count(book: Any, executed: Callable[..., Chapter]) -> None:
    path = executed().source
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["source"] = "# Another title"
    notebook["cells"][2] |= {
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}],
        "execution_count": 7,
    }
    notebook["cells"][2]["id"] = "another"
    notebook["cells"][2]["metadata"] = {"tags": ["hide-input"], "mystnb": {}}
    notebook["cells"].append({"cell_type": "markdown", "id": "more", "metadata": {}, "source": "More."})
    path.write_text(json.dumps(notebook))
    (book.root / "constraints.txt").write_text("ruff==9\n")
    assert reason(book) == ""
    for tags, changed in (
        (["raises-exception"], "changed: code"),
        (["nbval-skip"], "changed: code"),
        ([], ""),
    ):
        notebook["cells"][2]["metadata"]["tags"] = tags
        path.write_text(json.dumps(notebook))
        assert reason(book) == changed


def test_each_thing_that_an_execution_depends_on_counts(
    book: Any, package: Path, executed: Callable[..., Chapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    executed()
    assert reason(book) == ""
    assert reason(book, given={"a/one": {"size": 4}}) == "changed: parameters (size)"
    monkeypatch.setattr(plan_module, "installed", {"numpy": "9"}.get)
    assert reason(book).endswith("-> 9)")
    assert reason(book).startswith("changed: versions (numpy ")
    monkeypatch.undo()
    monkeypatch.setattr("advnotes.publish.staleness.plan.installed_package", lambda: package)
    (package / "unused.py").write_text("other = 2\n")
    assert reason(book) == ""
    (package / "used.py").write_text("value = 2\n")
    assert reason(book) == "changed: modules (used.py)"
    (package / "used.py").unlink()
    assert reason(book) == "changed: modules (used.py)"
    book.add("a/one", "x = 2")
    assert reason(book) == "changed: code, modules (used.py)"


def test_a_public_name_counts_where_it_led_to_what_was_loaded(
    book: Any, package: Path, executed: Callable[..., Chapter]
) -> None:
    executed()
    stub = package / "__init__.pyi"
    stub.write_text(stub.read_text() + "from .used import more\nfrom .new import newest\n")
    assert reason(book) == ""
    stub.write_text("from .unused import value\n")
    assert reason(book) == "changed: modules (__init__.pyi)"


def test_comments_docstrings_and_layout_of_a_module_do_not_count() -> None:
    code = b"def f(x):\n    return {'a': x}\n\nclass A:\n    y = 1\n"
    same = (
        b'"""Doc."""\n\ndef f(x):  # why\n    """What."""\n    return {\n        "a": x}\n'
        b'class A:\n    y = 1\n    "the y"\n'
    )
    assert bare(code) == bare(same)
    assert bare(code) != bare(code.replace(b"'a'", b"'b'"))
    assert bare(b"def (") == b"def ("


def test_files_are_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("x = 1")
    sources = Sources(tmp_path)
    before = sources.all()
    (tmp_path / "__init__.py").write_text("x = 2")
    assert sources.all() == before
    assert Sources(tmp_path).all() != before


def test_another_processor_is_no_reason_but_is_told(book: Any, executed: Callable[..., Chapter]) -> None:
    there = environment() | {"processor": "Another Processor", "threads": "7"}
    executed(environment=there)
    (p,) = plan(select(book.root), "laptop")
    assert (p.reason, "Another Processor" in p.state) == ("", True)
    assert reason(book, here=True) == "measured elsewhere"
    executed(environment=environment() | {"threads": "7"})  # a chapter sets its threads itself
    (p,) = plan(select(book.root), "laptop")
    assert (p.elsewhere, p.state) == ("", "0.0 s when it ran")


def test_a_stamp_of_an_earlier_format_is_stale(book: Any, executed: Callable[..., Chapter]) -> None:
    path = stamp_of(executed().executed("laptop"))
    old = {"sha256": json.loads(path.read_text())["sha256"], "fingerprint": {"pins": "x"}, "seconds": 3}
    path.write_text(json.dumps(old))
    assert reason(book).startswith("changed: code")
