"""Execute chapters side by side, each only where something that it depends on has changed.

Every executed copy in ``_build/<profile>/book`` has a stamp beside it. A chapter whose stamp still tells the truth is
not executed again (`advnotes.publish.stale`), so a run that was interrupted in whatever way goes on where it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from typing import Any

from advnotes.publish import stamps
from advnotes.publish.files import sweep
from advnotes.publish.files import write as write
from advnotes.publish.guard import end_children
from advnotes.publish.sources import Sources, installed_package, versions
from advnotes.publish.stale import Plan as Plan
from advnotes.publish.stale import plan as plan
from advnotes.publish.stamps import CLAIM as CLAIM
from advnotes.publish.stamps import claims as claims
from advnotes.publish.stamps import read_stamp as read_stamp
from advnotes.publish.stamps import stamp_of as stamp_of
from advnotes.publish.worker import Job, Result

BACKENDS = ("threading", "dask", "ray")


class Processes:
    """The worker processes of each run in this Python process, so that a run can be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, list[subprocess.Popen[bytes]]] = {}
        self._ended: set[str] = set()

    def start(self, run: str, command: list[str], errors: Any) -> subprocess.Popen[bytes] | None:
        """Start a worker, unless the run was ended meanwhile."""
        with self._lock:
            if run in self._ended:
                return None
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # Ctrl-C in a terminal goes to its whole group: only the parent shall hear it, and end the rest.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            self._running.setdefault(run, []).append(process)
            return process

    def end(self, run: str) -> None:
        """Kill the run's workers and their kernels; start none of its jobs any more."""
        with self._lock:
            self._ended.add(run)
            for process in self._running.pop(run, []):
                end_children(process.pid)
                process.kill()
                process.wait()

    def done(self, run: str, process: subprocess.Popen[bytes]) -> None:
        """Forget a worker that has ended."""
        with self._lock:
            if process in self._running.get(run, []):
                self._running[run].remove(process)


PROCESSES = Processes()


def end_run(run: str) -> None:
    """End a run's jobs in this process (dask calls it in each of its workers)."""
    PROCESSES.end(run)


def perform(job: Job) -> Result:
    """Execute one job in a fresh process, wherever this is called, and wait for it."""
    if job.modules and (difference := _other_machine(job)):
        return Result(job.chapter, error=difference)
    with tempfile.TemporaryFile() as errors:
        process = PROCESSES.start(job.run, [sys.executable, "-m", "advnotes.publish.worker"], errors)
        if process is None:
            return Result(job.chapter, error="interrupted")
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # A worker that dies at once breaks the pipe; its exit code and last words are told below.
            with suppress(OSError):
                process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
                process.stdin.flush()
            answer = process.stdout.read()
            code = process.wait()
        finally:
            PROCESSES.done(job.run, process)
            process.stdout.close()
            with suppress(OSError):
                process.stdin.close()
        if code == 0 and answer:
            return Result(**json.loads(answer))
        errors.seek(0)
        words = errors.read().decode(errors="replace").strip()[-4000:]
        return Result(
            job.chapter, error=f"the process that ran it ended with exit code {code}\n{words}".strip()
        )


def _other_machine(job: Job) -> str | None:
    """On a cluster: does this machine have the advnotes and torch that the result would be stamped with?"""
    if Sources(installed_package()).all() != job.modules:
        return "this worker has other advnotes modules than the machine that asked; install the same version there"
    if versions() != job.pins:
        return f"this worker has {versions()}, the machine that asked {job.pins}; install the same there"
    return None


@contextmanager
def _pool(backend: str, scheduler: str | None, jobs: int) -> Iterator[Callable[[str], None]]:
    """Selects joblib's backend; gives a function that ends a run's jobs wherever they are."""
    import joblib

    if backend == "threading":
        with joblib.parallel_config(backend="threading", n_jobs=jobs):
            yield end_run
    elif backend == "dask":
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
    else:
        import ray
        from ray.util.joblib import register_ray

        ray.init(address=scheduler, **({} if scheduler else {"num_cpus": jobs, "include_dashboard": False}))
        try:
            register_ray()
            with joblib.parallel_config(backend="ray", n_jobs=jobs):
                yield end_run
        finally:
            ray.shutdown()


def run(
    plans: Iterable[Plan],
    *,
    jobs: int = 1,
    backend: str = "threading",
    scheduler: str | None = None,
    timeout: int = 3600,
    finished: Callable[[Plan, Result], None] = lambda plan, result: None,
) -> list[Result]:
    """Execute the plans that have a reason to, ``jobs`` at a time, and store each copy as it comes.

    ``backend`` is joblib's: ``threading`` for this machine, ``dask`` or ``ray`` for the cluster at ``scheduler``
    (without an address: one started here for the purpose). ``timeout`` is in seconds for each cell. ``finished``
    is called after each chapter, failed ones included; an exception or a signal ends every kernel.
    """
    import joblib

    if backend not in BACKENDS:
        raise ValueError(f"no backend is called {backend!r}; there are {', '.join(BACKENDS)}")
    if jobs < 1:
        raise ValueError(f"expected at least one job at a time, got {jobs}")
    if scheduler is not None and backend == "threading":
        raise ValueError("a scheduler's address needs --backend dask or ray")
    # The longest first: otherwise it may be the last one to start, alone.
    due = {p.chapter.name: p for p in sorted(plans, key=lambda p: -p.last_seconds) if p.reason}
    if not due:
        return []
    token = uuid.uuid4().hex
    # Every file of the package is looked at now: one that changes during the run makes its chapters stale.
    package = next(iter(due.values())).sources.all()
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
            run=token,
            modules=package if far else "",
            pins=versions() if far else "",
        )
        calls.append(joblib.delayed(perform)(job))
    results = []
    with _pool(backend, scheduler, min(jobs, len(due))) as end:
        try:
            # ray's backend gives its results all at once, and says so by refusing a generator.
            how = "list" if backend == "ray" else "generator_unordered"
            for result in joblib.Parallel(return_as=how, batch_size=1, pre_dispatch="all")(calls):
                keep(due[result.chapter], result)
                results.append(result)
                finished(due[result.chapter], result)
        except BaseException:
            end(token)
            raise
    return results


def keep(p: Plan, result: Result) -> None:
    """Store a successful execution with its stamp; the copy before it stays until then."""
    stamps.keep(p.chapter, p.profile, p.parameters, p.sources, result)
