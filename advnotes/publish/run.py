"""Execute chapters side by side, each only where something that it depends on has changed.

Every executed copy in ``_build/<profile>/book`` has a stamp beside it: what it was made from, how long it took
and on what. A chapter whose stamp still tells the truth is not executed again. Both files appear whole or not at
all, and only after success, so a run that was interrupted in whatever way goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil

from advnotes.publish import chapters as book
from advnotes.publish.chapters import Chapter, Fingerprint
from advnotes.publish.failures import remember
from advnotes.publish.processes import end_run, perform
from advnotes.publish.worker import Job, Result

BACKENDS = ("threading", "dask")
CLAIM = "application/vnd.advnotes.claim+json"


@dataclass(frozen=True)
class Plan:
    """A chapter at a profile: what would be injected, what it depends on, and why it has to run (or "")."""

    chapter: Chapter
    profile: str
    parameters: dict[str, Any]
    fingerprint: Fingerprint
    reason: str
    last_seconds: float


def stamp_of(executed: Path) -> Path:
    """The stamp's place beside an executed copy."""
    return executed.with_suffix(".json")


def read_stamp(executed: Path) -> dict[str, Any] | None:
    """The stamp of an executed copy, or None where there is none that belongs to this very copy."""
    try:
        stamp = json.loads(stamp_of(executed).read_text(encoding="utf-8"))
        same = stamp["sha256"] == hashlib.sha256(executed.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return stamp if same else None


def plan(wanted: Iterable[Chapter], profile: str, *, force: bool = False) -> list[Plan]:
    """What each chapter needs. Checks every parameter first; raises ``ValueError`` before anything has run."""
    wanted = list(wanted)
    injected = book.all_parameters(wanted, profile)
    package = book.installed_package()
    plans = []
    for chapter in wanted:
        fingerprint = book.fingerprint(chapter, injected[chapter.name], package)
        stamp = read_stamp(chapter.executed(profile))
        if stamp is None:
            reason = "not run yet"
        else:
            reason = ", ".join(fingerprint.changed(stamp["fingerprint"]))
            reason = f"changed: {reason}" if reason else ("forced" if force else "")
        seconds = float((stamp or {}).get("seconds", 0))
        plans.append(Plan(chapter, profile, injected[chapter.name], fingerprint, reason, seconds))
    return plans


def write(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all, whenever the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what a killed run left of a file that it was writing."""
    for path in folder.rglob(".*.tmp"):
        owner = path.name.split(".")[-2]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            path.unlink(missing_ok=True)


@contextmanager
def _pool(backend: str, scheduler: str | None, jobs: int) -> Iterator[Callable[[str], None]]:
    """Selects joblib's backend; gives a function that ends a run's jobs wherever they are."""
    import joblib

    if backend == "threading":
        with joblib.parallel_config(backend="threading", n_jobs=jobs):
            yield end_run
    else:
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
            if scheduler is None
            else nullcontext() as cluster,
            Client(scheduler or cluster) as client,
            joblib.parallel_config(backend="dask", client=client, n_jobs=jobs),
        ):

            def end(run: str) -> None:
                end_run(run)
                client.run(end_run, run)

            yield end


def run(
    plans: Iterable[Plan],
    *,
    jobs: int = 1,
    backend: str = "threading",
    scheduler: str | None = None,
    timeout: int = 3600,
    chapter_timeout: int = 3600,
    finished: Callable[[Plan, Result], None] = lambda plan, result: None,
) -> list[Result]:
    """Execute the plans that have a reason to, ``jobs`` at a time, and store each copy as it comes.

    ``backend`` is joblib's: ``threading`` for this machine, ``dask`` for the cluster at ``scheduler`` (without an
    address: one started here for the purpose). ``timeout`` is in seconds for each cell, ``chapter_timeout`` for all
    cells of a chapter. ``finished`` is called after each chapter, failed ones included; an exception or a signal ends
    every kernel.
    """
    import joblib

    if backend not in BACKENDS:
        raise ValueError(f"no backend is called {backend!r}; there are {', '.join(BACKENDS)}")
    if jobs < 1:
        raise ValueError(f"expected at least one job at a time, got {jobs}")
    if scheduler is not None and backend == "threading":
        raise ValueError("a scheduler's address needs --backend dask")
    # The longest first: otherwise it may be the last one to start, alone.
    due = {p.chapter.name: p for p in sorted(plans, key=lambda p: -p.last_seconds) if p.reason}
    if not due:
        return []
    token = uuid.uuid4().hex
    calls = []
    for p in due.values():
        sweep(p.chapter.executed(p.profile).parent)
        far = backend != "threading"
        job = Job(
            chapter=p.chapter.name,
            notebook=p.chapter.text,
            parameters=p.parameters,
            folder=str(p.chapter.source.parent),
            root=str(p.chapter.root),
            timeout=timeout,
            chapter_timeout=chapter_timeout,
            run=token,
            modules=p.fingerprint.modules if far else "",
            pins=book.versions() if far else "",
        )
        calls.append(joblib.delayed(perform)(job))
    results = []
    with _pool(backend, scheduler, min(jobs, len(due))) as end:
        try:
            parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
            for result in parallel(calls):
                keep(due[result.chapter], result)
                remember(due[result.chapter].chapter, due[result.chapter].profile, result)
                results.append(result)
                finished(due[result.chapter], result)
        except BaseException:
            end(token)
            raise
    return results


def keep(p: Plan, result: Result) -> None:
    """Store a successful execution with its stamp; the copy before it stays until then."""
    if result.notebook is None:
        return
    executed = p.chapter.executed(p.profile)
    write(executed, result.notebook)
    stamp = {
        "sha256": hashlib.sha256(result.notebook.encode()).hexdigest(),
        "fingerprint": asdict(p.fingerprint),
        "profile": p.profile,
        "parameters": p.parameters,
        "seconds": result.seconds,
        "processor_seconds": result.processor_seconds,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "device": next(
            (claim["environment"]["device"] for claim in claims(json.loads(result.notebook))), "CPU"
        ),
    }
    write(stamp_of(executed), json.dumps(stamp, indent=1) + "\n")


def claims(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The claims in an executed notebook's outputs, in order."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if claim := output.get("data", {}).get(CLAIM):
                yield claim
