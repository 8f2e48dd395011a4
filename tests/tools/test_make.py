"""tools/make.py, with what it would run replaced by a list of what it would have run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from tests.scripts import load_script

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = load_script("make")
    for name in ("constraints.txt", "pyproject.toml", module.PEERS, module.LOCK):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "python")
    monkeypatch.setattr(module, "GREEN", tmp_path / "_build" / "test.stamp")
    module.ran = []

    def attempt(*command: str | Path, variables: dict[str, str] | None = None) -> int:
        module.ran.append(
            " ".join([*(f"{name}={value}" for name, value in (variables or {}).items()), *map(str, command)])
        )
        if "venv" in command:
            (tmp_path / ".venv").mkdir(exist_ok=True)
            (tmp_path / ".venv" / "python").touch()
        return 3 if module.ran[-1].endswith(module.fails) else 0

    module.fails = "nothing fails"
    monkeypatch.setattr(module, "attempt", attempt)
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    monkeypatch.delenv("FORCE", raising=False)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("_build/\n.venv/\n")
    return module


def test_the_environment_is_set_up_once(make: ModuleType) -> None:
    make.setup()
    create, rest, torch, package, peers = make.ran
    assert " -m venv --clear " in create
    assert rest.endswith("--no-deps --require-hashes -r requirements.lock")
    assert torch.endswith("-c constraints.txt torch==2.13.0")
    assert package.endswith("--no-deps --no-build-isolation -e .")
    assert peers.endswith(
        "-c constraints.txt --no-deps --ignore-requires-python -r tests/peers/requirements.txt"
    )
    make.setup()
    assert len(make.ran) == 5


@pytest.mark.parametrize("changed", ["constraints.txt", "requirements.lock", "tests/peers/requirements.txt"])
def test_other_pins_are_installed_into_the_same_environment(make: ModuleType, changed: str) -> None:
    make.setup()
    make.ran.clear()
    with (make.ROOT / changed).open("a") as file:
        file.write("another==1\n")
    make.setup()
    assert len(make.ran) == 4
    assert not any("venv --clear" in line for line in make.ran)


def test_another_place_or_python_gets_another_environment(make: ModuleType) -> None:
    make.setup()
    make.ran.clear()
    stamp = make.VENV / "advnotes.json"
    stamp.write_text(stamp.read_text().replace(str(make.VENV), "/moved/from/here"))
    make.setup()
    assert " -m venv --clear " in make.ran[0]


def test_an_interrupted_set_up_is_gone_on_with(make: ModuleType) -> None:
    make.fails = "-e ."
    with pytest.raises(SystemExit):
        make.setup()
    make.fails = "nothing fails"
    make.ran.clear()
    make.setup()
    assert [line.split()[-1] for line in make.ran] == [make.LOCK, "torch==2.13.0", ".", make.PEERS]


def test_torch_may_come_from_another_index(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_INDEX", "https://example.org/cpu")
    make.setup()
    assert "--index-url https://example.org/cpu torch==" in make.ran[2]
    assert not any("example" in line for line in (*make.ran[:2], *make.ran[3:]))


def test_a_python_that_the_pins_do_not_cover_is_refused(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "VERSIONS", ((3, 90), (3, 95)))
    with pytest.raises(SystemExit, match=r"expected Python 3\.90 to 3\.95"):
        make.setup()
    assert make.ran == []


def test_green_tests_are_not_repeated_until_something_changes(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make.setup()
    make.ran.clear()
    make.fails = "test_site.py tests/browser"
    with pytest.raises(SystemExit) as stopped:
        make.test()
    assert stopped.value.code == 1
    assert len(make.ran) == len(make.TESTS)  # the browser comes last
    make.fails = "nothing fails"
    make.test()
    make.ran.clear()

    make.test()
    assert make.ran == []
    assert "unchanged since the last green run" in capsys.readouterr().out
    (make.ROOT / "_build" / "made").write_text("ignored")
    make.test()
    assert make.ran == []
    monkeypatch.setenv("FORCE", "1")
    make.test()
    assert len(make.ran) == len(make.TESTS)
    monkeypatch.delenv("FORCE")
    make.ran.clear()
    (make.ROOT / "new.py").write_text("x = 1")
    make.test()
    assert len(make.ran) == len(make.TESTS)


def test_a_failed_step_does_not_keep_the_others_from_running(
    make: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    make.fails = "run --profile smoke"
    with pytest.raises(SystemExit) as stopped:
        make.test()
    assert stopped.value.code == 1
    table = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    told = {line[:24].strip(): line[24:].split(maxsplit=2) for line in table}
    assert list(told) == list(make.TESTS)
    assert told["notebooks with papermill"] == ["0", "s", "FAILED with exit code 3"]
    assert " ".join(told["notebooks with nbval"]) == "not run, for it needs: notebooks with papermill"
    assert told["tests"] == told["site"] == told["site in a browser"] == ["0", "s", "passed"]
    assert not make.GREEN.exists()


def test_a_step_after_one_that_was_not_run_is_not_run(
    make: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = {
        "one": make.Step(["one"]),
        "two": make.Step(["two"], "one"),
        "three": make.Step(["three"], "two"),
    }
    make.fails = "one"
    assert not make.carry_out(steps)
    assert capsys.readouterr().out.count("not run, for it needs") == 2


def test_other_processors_are_imitated(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make.py", "elsewhere", "tests-sse4", "chapters-avx2"])
    make.setup()
    make.ran.clear()
    make.main()
    chapters, tests = make.ran
    assert chapters.startswith("ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 ")
    assert chapters.endswith("run --profile smoke --build _build/imitated-avx2")
    older = "ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 "
    assert tests.startswith(older)
    assert "pytest" in tests
    make.ran.clear()
    make.elsewhere()
    assert len(make.ran) == 4
    with pytest.raises(SystemExit, match="no step is called tests-sse5; there are tests-avx2"):
        make.elsewhere("tests-sse5")


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_the_step_that_runs_and_all_that_follow(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "sleeper.py").write_text(
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
    )
    script = f"""
import signal, sys
sys.path.insert(0, {str(REPOSITORY / "tools")!r})
import make
make.PYTHON = sys.executable
make.TARGETS["test"] = lambda: make.carry_out({{"one": make.Step(["sleeper"]), "two": make.Step(["this"])}})
make.ROOT = {str(tmp_path)!r}
sys.argv = ["make.py", "test"]
make.main()
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = tmp_path / "pid"
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "== two" not in out
    assert not psutil.pid_exists(int(pid.read_text()))


def test_a_tree_without_git_has_a_hash_too(make: ModuleType) -> None:
    make.setup()
    shutil.rmtree(make.ROOT / ".git")
    before = make.tree()
    assert make.tree() == before
    (make.ROOT / "new.py").write_text("x = 1")
    assert make.tree() != before


def test_clean_keeps_the_environment(make: ModuleType) -> None:
    make.setup()
    (make.ROOT / "_build").mkdir()
    make.clean()
    assert not (make.ROOT / "_build").exists()
    assert make.VENV.exists()


def test_the_book_takes_the_command_lines_options(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make.py", "book", "-j", "4"])
    make.main()
    assert make.ran[-1].endswith("-m advnotes.publish.cli book -j 4")


@pytest.mark.parametrize("name", ["pdf", "epub"])
def test_the_book_in_one_file_is_made_of_a_current_site(
    make: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["make.py", name, "--profile", "smoke"])
    make.main()
    assert [line.partition(" -m ")[2] for line in make.ran[-2:]] == [
        "advnotes.publish.cli book --profile smoke",
        f"advnotes.publish.cli {name} --profile smoke",
    ]


@pytest.mark.parametrize("arguments", [["bok"], ["test", "-x"]])
def test_an_unknown_target_is_refused(
    make: ModuleType, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["make.py", *arguments])
    with pytest.raises(SystemExit, match="no target"):
        make.main()
    assert make.ran == []


@pytest.mark.parametrize("command", [["make"], [sys.executable, "tools/make.py"]])
def test_help_lists_the_targets(command: list[str]) -> None:
    if not shutil.which(command[0]):
        command = [sys.executable, "tools/make.py", "help"]
    # As if not called by make, which would have the inner one say where it is.
    env = {
        name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")
    }
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=True)
    listed = [line.split()[0] for line in done.stdout.splitlines()]
    assert listed == ["help", "setup", "book", "pdf", "epub", "test", "elsewhere", "clean"]
