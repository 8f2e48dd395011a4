"""Real processes, really killed, and several of them: the report is that of one that was left alone."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from advnotes.evaluation import Report
from tests.processes import command, environment

SCRIPT = Path(__file__).with_name("slow_run.py")
PROVES = Path(__file__).with_name("proof_run.py")


def found(processes: int, folder: object, out: Path, script: Path = SCRIPT) -> list[tuple[Report, str]]:
    """Let it run to its end; the report and the inputs that each process ended with."""
    done = subprocess.run(
        command(script, processes, folder, out),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    texts = [Path(f"{out}.{rank}").read_text().rpartition("\n") for rank in range(processes)]
    return [(Report.from_json(text), kept) for text, _, kept in texts]


def kill_amidst(folder: Path, parts: int) -> int:
    """Start it, and kill it once it has so many parts; how many it had in the end."""
    never = folder.with_suffix(".never")
    process = psutil.Popen(
        command(SCRIPT, 1, folder, never, 0.05),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list(folder.glob("*.part"))) < parts:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "no part came"
        time.sleep(0.005)
    process.kill()
    process.wait(timeout=30)
    assert not list(folder.parent.glob("*.never.*")), "the run ended before it was killed"
    return len(list(folder.glob("*.part")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, str]:
    (one,) = found(1, "-", tmp_path_factory.mktemp("whole") / "out")
    assert 0 < one[0].robust.count < one[0].clean.count
    assert sum(result.fooled > 0 for result in one[0].attacks) > 1
    return one


def test_killed_and_started_again_equals_never_interrupted(whole: tuple[Report, str], tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    early = kill_amidst(folder, 3)
    later = kill_amidst(folder, early + 10)
    assert later > early
    (folder / ".half.1.tmp").write_bytes(b"what a kill amidst writing leaves")
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("*.part")}
    (one,) = found(1, folder, tmp_path / "out")
    assert one == whole
    assert all(file.stat().st_mtime_ns == when for file, when in kept.items()), (
        "what was done is not done again"
    )
    assert not list(folder.glob(".*.tmp"))


def test_two_processes_find_what_one_does(whole: tuple[Report, str], tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    kill_amidst(folder, 4)  # one process begins, two go on
    for one in found(2, folder, tmp_path / "two"):
        assert one == whole
    for file in list(folder.glob("*.part"))[::3]:
        file.unlink()
    (one,) = found(1, folder, tmp_path / "one")  # and one goes on after two
    assert one == whole


def test_two_processes_prove_what_one_does(tmp_path: Path) -> None:
    ((alone, _),) = found(1, "-", tmp_path / "alone", PROVES)
    assert alone.certified is not None
    assert 0 < alone.certified.count < alone.robust.count
    folder = tmp_path / "journal"
    for report, _ in found(2, folder, tmp_path / "two", PROVES):
        assert report == alone
    for file in list(folder.glob("*.part"))[::3]:
        file.unlink()
    ((later, _),) = found(1, folder, tmp_path / "one", PROVES)  # and one goes on after two
    assert later == alone
