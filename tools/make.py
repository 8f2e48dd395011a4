"""What `make` does, for machines with and without make: `python tools/make.py help`.

Needs nothing but Python 3.11 to 3.14. Everything is installed into .venv: by its hash, from requirements.lock; torch,
whose files depend on the index, by its version in constraints.txt; packages that are wanted without what they ask for,
from tests/peers/requirements.txt.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
VERSIONS = ((3, 11), (3, 14))
PEERS = "tests/peers/requirements.txt"
LOCK = "requirements.lock"
GREEN = ROOT / "_build" / "test.stamp"
MADE = ("_build", "build", "dist", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")

UNIT = ["pytest", "-q", "-n", "auto", "tests", "--ignore=tests/browser", "--ignore=tests/book/test_site.py"]
# A file's tests stay in one process: those of all pages share one look at each.
BROWSER = ["pytest", "-q", "-n", "auto", "--dist", "loadfile", "tests/book/test_site.py", "tests/browser"]
BOOK = "advnotes.publish.cli"


class Step(NamedTuple):
    """A module of .venv with its arguments, the step whose product it needs, and variables of the environment."""

    command: list[str]
    needs: str = ""
    variables: dict[str, str] | None = None


# Fast steps first: what fails, fails early.
TESTS = {
    "ruff": Step(["ruff", "check", "."]),
    "ruff format": Step(["ruff", "format", "--check", "."]),
    "mypy": Step(["mypy"]),
    "tests": Step(UNIT),
    "notebooks with papermill": Step([BOOK, "run", "--profile", "smoke"]),
    "notebooks with nbval": Step([BOOK, "verify", "--profile", "smoke"], needs="notebooks with papermill"),
    "site": Step([BOOK, "book", "--profile", "smoke"]),
    "site in a browser": Step(BROWSER, needs="site"),
}

# Other processors, imitated: what torch and its libraries may use of the one that is here. Where a machine has no
# AVX-512, the first one is the machine itself.
PROCESSORS = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "sse4": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
ELSEWHERE = {
    f"{what}-{processor}": Step(command, variables=variables)
    for processor, variables in PROCESSORS.items()
    for what, command in {
        "tests": UNIT,
        # Copies of its own: those of this processor stay.
        "chapters": [BOOK, "run", "--profile", "smoke", "--build", f"_build/imitated-{processor}"],
    }.items()
}


def attempt(*command: str | Path, variables: dict[str, str] | None = None) -> int:
    """Run a command in the clone; end it when this is asked to end. Its exit code, as a shell tells it."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # tests run side by side, one thread each
    environment = {**os.environ, **threads, **(variables or {})}
    process = subprocess.Popen([str(word) for word in command], cwd=ROOT, env=environment)
    try:
        code = process.wait()
    except BaseException:  # Ctrl-C reached it too; anything else has to be passed on
        process.terminate()
        process.wait()
        raise
    return code if code >= 0 else 128 - code


def run(*command: str | Path) -> None:
    """Run a command, and leave with its exit code where it fails."""
    if code := attempt(*command):
        sys.exit(code)


def carry_out(steps: dict[str, Step]) -> bool:
    """Run every step whose product is not missing, print a table of them, and tell whether all have passed."""
    rows: dict[str, tuple[str, str]] = {}
    for name, step in steps.items():
        if step.needs and rows[step.needs][0] != "passed":
            rows[name] = f"not run, for it needs: {step.needs}", ""
            continue
        print(f"== {name}", flush=True)
        started = time.perf_counter()
        code = attempt(PYTHON, "-m", *step.command, variables=step.variables)
        seconds = f"{time.perf_counter() - started:.0f} s"
        rows[name] = "passed" if code == 0 else f"FAILED with exit code {code}", seconds
    width = max(map(len, rows))
    print("\n" + "\n".join(f"{name:<{width}}  {took:>6}  {state}" for name, (state, took) in rows.items()))
    return all(state == "passed" for state, _ in rows.values())


def digest(*parts: str | bytes) -> str:
    """One hash of several texts or file contents."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
    return whole.hexdigest()


def setup() -> None:
    """Set up .venv from the pins; does nothing where it is up to date"""
    if not VERSIONS[0] <= sys.version_info[:2] <= VERSIONS[1]:
        low, high = (".".join(map(str, version)) for version in VERSIONS)
        sys.exit(f"expected Python {low} to {high}, got {sys.version.split()[0]}: make PYTHON=python3.11 ...")
    pins = (ROOT / "constraints.txt").read_bytes()
    home = {"python": ".".join(map(str, sys.version_info[:2])), "place": str(VENV)}
    asked = [(ROOT / name).read_bytes() for name in ("pyproject.toml", PEERS, LOCK)]
    want = {**home, "pins": digest(pins, *asked)}
    stamp = VENV / "advnotes.json"
    have = json.loads(stamp.read_text(encoding="utf-8")) if stamp.is_file() else {}
    if have == want and PYTHON.is_file():
        return
    print("setting up .venv from constraints.txt: some minutes the first time", flush=True)
    inside = Path(sys.prefix).resolve() == VENV.resolve()
    moved = have and {key: have.get(key) for key in home} != home
    if not inside and (moved or not PYTHON.is_file()):  # it works for one Python and in one place only
        run(sys.executable, "-m", "venv", "--clear", VENV)
    stamp.unlink(missing_ok=True)
    torch = re.search(rb"^torch==([\w.]+)", pins, re.MULTILINE)
    if torch is None:
        sys.exit("expected a line torch==... in constraints.txt, got none")
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    # The list is complete: nothing is looked for beside it, and every file has to have its hash.
    run(*pip, "--no-deps", "--require-hashes", "-r", LOCK)
    # TORCH_INDEX may name another index for torch alone, as for the builds without CUDA.
    index = ["--index-url", os.environ["TORCH_INDEX"]] if os.environ.get("TORCH_INDEX") else []
    run(*pip, "-c", "constraints.txt", *index, f"torch=={torch[1].decode()}")
    run(*pip, "--no-deps", "--no-build-isolation", "-e", ".")
    run(*pip, "-c", "constraints.txt", "--no-deps", "--ignore-requires-python", "-r", PEERS)
    stamp.write_text(json.dumps(want), encoding="utf-8")


def tree() -> str:
    """A hash of every file of the clone that git does not ignore, and of the environment."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
    )
    if listing.returncode == 0:
        paths = [ROOT / os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    else:  # unpacked from an archive
        made = {*MADE, VENV.name, ".git", "__pycache__"}
        paths = [p for p in ROOT.rglob("*") if not made & set(p.relative_to(ROOT).parts)]
    files = sorted(path for path in paths if path.is_file())
    parts = [part for path in files for part in (path.relative_to(ROOT).as_posix(), path.read_bytes())]
    return digest(*parts, (VENV / "advnotes.json").read_bytes())


def book(*arguments: str) -> None:
    """Execute every chapter, score the claims and render the site (arguments: those of `advnotes book`)"""
    setup()
    run(PYTHON, "-m", BOOK, "book", *arguments)


def pdf(*arguments: str) -> None:
    """Make the book, then the whole of it as one PDF (arguments: those of `advnotes pdf`)"""
    book(*arguments)
    run(PYTHON, "-m", BOOK, "pdf", *arguments)


def epub(*arguments: str) -> None:
    """Make the book, then the whole of it as an EPUB (arguments: those of `advnotes epub`)"""
    book(*arguments)
    run(PYTHON, "-m", BOOK, "epub", *arguments)


def test() -> None:
    """Run everything: linters, types, tests, the notebooks twice, the site in a browser (FORCE=1: again)"""
    setup()
    now = tree()
    if not os.environ.get("FORCE") and GREEN.is_file() and GREEN.read_text(encoding="utf-8") == now:
        print("unchanged since the last green run; FORCE=1 runs everything again")
        return
    if not carry_out(TESTS):
        sys.exit(1)
    GREEN.parent.mkdir(exist_ok=True)
    GREEN.write_text(now, encoding="utf-8")
    print("all green")


def elsewhere(*names: str) -> None:
    """Run tests and chapters as on other processors, imitated here (arguments: only these, such as tests-sse4)"""
    if unknown := set(names) - set(ELSEWHERE):
        sys.exit(f"no step is called {', '.join(sorted(unknown))}; there are {', '.join(ELSEWHERE)}")
    setup()
    if not carry_out({name: step for name, step in ELSEWHERE.items() if name in names or not names}):
        sys.exit(1)


def clean() -> None:
    """Remove what was made, but for .venv"""
    for name in MADE:
        shutil.rmtree(ROOT / name, ignore_errors=True)


def help_() -> None:
    """Show this"""
    for name, target in TARGETS.items():
        print(f"  {name:<9} {target.__doc__}")


TARGETS = {f.__name__.rstrip("_"): f for f in (help_, setup, book, pdf, epub, test, elsewhere, clean)}


def stop(number: int, frame: FrameType | None) -> None:
    """Leave by an exception, so that `run` ends what it started."""
    sys.exit(128 + number)


def main() -> None:
    """Carry out one target."""
    name, *arguments = sys.argv[1:] or ["help"]
    if name not in TARGETS or (arguments and name not in ("book", "pdf", "epub", "elsewhere")):
        help_()
        sys.exit(f"no target is called {' '.join(sys.argv[1:])!r}")
    signal.signal(signal.SIGTERM, stop)
    try:
        TARGETS[name](*arguments)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
