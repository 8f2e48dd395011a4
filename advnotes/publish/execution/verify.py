"""Execute the executed copies once more, with nbval, and compare every output, pictures included.

What agrees is remembered in ``_build/<profile>/verified.json`` by a hash of the copy and of what it was made with, so
only newer copies are executed again. The comparison is exact: it is meant for the machine that executed
the copies.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from advnotes.publish import chapters as book
from advnotes.publish.chapters import Chapter
from advnotes.publish.execution.worker import ENVIRONMENT
from advnotes.publish.execution.worker_processes import end, start_supervised
from advnotes.publish.files import write
from advnotes.publish.staleness.plan import plan
from advnotes.publish.staleness.sources import digest
from advnotes.publish.staleness.stamps import read_stamp


@dataclass(frozen=True)
class Verification:
    """Names of the chapters that agree, of those among them checked earlier, and what differs (or failed)."""

    agree: list[str]
    earlier: list[str]
    differences: dict[str, list[str]]


def verify(wanted: Iterable[Chapter], profile: str, *, jobs: int = 1, force: bool = False) -> Verification:
    """Run nbval over the chapters' executed copies; its report goes to standard output.

    Raises ``ValueError`` where a chapter has no current executed copy at this profile.
    """
    plans = plan(wanted, profile)
    if missing := [p.chapter.name for p in plans if p.reason]:
        raise ValueError(
            f"expected executed copies of {', '.join(missing)}, got none that is current; "
            f"run `advnotes run --profile {profile}` first"
        )
    if not plans:
        return Verification([], [], {})
    if elsewhere := [f"{p.chapter.name} ({p.elsewhere})" for p in plans if p.elsewhere]:
        raise ValueError(
            f"expected copies that were executed on this machine, since every bit is compared, got others of "
            f"{', '.join(elsewhere)}; run `advnotes run --here --profile {profile}` first"
        )
    root = plans[0].chapter.root
    memory = book.build_folder(root, profile) / "verified.json"
    try:
        verified = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        verified = {}
    copies = {p.chapter.name: p.chapter.executed(profile) for p in plans}
    hashes = {name: _hash(copy) for name, copy in copies.items()}
    earlier = [name for name in copies if verified.get(name) == hashes[name] and not force]
    due = {name: copy for name, copy in copies.items() if name not in earlier}
    differences: dict[str, list[str]] = {}
    if due:
        differences = _nbval(root, due, jobs)
        verified |= {name: hashes[name] for name in due if name not in differences}
        write(memory, json.dumps(verified, indent=1, sort_keys=True) + "\n")
    return Verification([name for name in copies if name not in differences], earlier, differences)


def _hash(copy: Path) -> str:
    """A hash of an executed copy and of what it was made with: new code may give other outputs the second time."""
    stamp = read_stamp(copy) or {}
    basis = [stamp.get(part) for part in ("modules", "public", "data", "versions", "environment")]
    return digest([hashlib.sha256(copy.read_bytes()).hexdigest(), basis])


def _nbval(root: Path, due: dict[str, Path], jobs: int) -> dict[str, list[str]]:
    """Chapter -> cells that differ, for the chapters where any does."""
    with tempfile.TemporaryDirectory(prefix="advnotes-") as scratch:
        report = Path(scratch) / "report.xml"
        command = ["pytest", "--nbval", "--quiet", "--tb=short", "--rootdir", str(root)]
        command += [f"--junitxml={report}", "-o", "junit_family=xunit1"]
        command += ["-p", "advnotes.publish.execution.nbval_plugin"]
        # Not the tests' own settings: shapes are not checked in kernels, and that hook must come before any import.
        command += ["-o", "addopts=", "-p", "no:cacheprovider"]
        command += ["-n", str(min(jobs, len(due))), "--dist", "loadfile"]
        command += [os.path.relpath(copy, root) for copy in due.values()]
        process = start_supervised(
            *command, cwd=root, env={**os.environ, **ENVIRONMENT, "IPYTHONDIR": scratch}
        )
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                end(process)
            assert process.stdin is not None
            process.stdin.close()
        if code not in (0, 1) or not report.is_file():
            raise RuntimeError(
                f"pytest --nbval ended with exit code {code} before it had compared everything"
            )
        return _differences(report, root, due)


def _differences(report: Path, root: Path, due: dict[str, Path]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    seen = set()
    names = {os.path.relpath(copy, root).replace(os.sep, "/"): name for name, copy in due.items()}
    for case in ElementTree.parse(report).iter("testcase"):
        file = (case.get("file") or "").replace(os.sep, "/")
        name = names.get(file)
        if name is None:
            raise RuntimeError(f"pytest reports on {file!r}, which it was not asked for")
        seen.add(name)
        if any(case.find(kind) is not None for kind in ("failure", "error", "skipped")):
            found.setdefault(name, []).append(case.get("name") or "")
    for name in set(due) - seen:
        found[name] = ["no cell was compared"]
    return found
