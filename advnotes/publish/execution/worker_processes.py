"""Each job runs in a fresh process, and none of these processes outlives its run, however the run ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from advnotes.publish.execution.printed_text import cut
from advnotes.publish.execution.supervisor import end_children
from advnotes.publish.execution.worker import ERROR_CHARACTERS, Job, Result, last_started
from advnotes.publish.staleness.sources import Sources, installed_package, versions

SUPERVISED = [sys.executable, "-m", "advnotes.publish.execution.supervisor"]

if sys.platform == "win32":
    NEW_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    NEW_GROUP = 0


def start_supervised(*module: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``python -m MODULE ARGUMENT...`` so that it ends, with all that it started, when this process does."""
    return subprocess.Popen(
        [*SUPERVISED, *module],
        stdin=subprocess.PIPE,
        # Ctrl-C in a terminal goes to its whole group: only the parent shall hear it, and end the rest.
        start_new_session=os.name == "posix",
        creationflags=NEW_GROUP,
        **options,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a supervised process and all that came from it, and wait until it is gone."""
    # The supervisor goes last: where the system allows it, it is the parent of the others' orphans.
    end_children(process.pid)
    process.kill()
    process.wait()


class Processes:
    """The worker processes of each run in this Python process, so that a run can be ended."""

    def __init__(self) -> None:
        # Reentrant: a signal's handler may end a run while its thread is in here.
        self._lock = threading.RLock()
        self._running: dict[str, list[subprocess.Popen[bytes]]] = {}
        self._ended: set[str] = set()

    def start(self, run: str, errors: IO[bytes]) -> subprocess.Popen[bytes] | None:
        """Start a worker, unless the run was ended meanwhile."""
        with self._lock:
            if run in self._ended:
                return None
            process = start_supervised(
                "advnotes.publish.execution.worker", stdout=subprocess.PIPE, stderr=errors
            )
            self._running.setdefault(run, []).append(process)
            return process

    def end(self, run: str) -> None:
        """Kill the run's workers and their kernels; none of its jobs is started after this."""
        with self._lock:
            self._ended.add(run)
            for process in self._running.pop(run, []):
                end(process)

    def done(self, run: str, process: subprocess.Popen[bytes]) -> None:
        """Forget a worker; one that has not ended is ended first."""
        if process.poll() is None:
            end(process)
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
    with (
        tempfile.TemporaryFile() as errors,
        # Here and not in the worker, which may have no time to clean up.
        tempfile.TemporaryDirectory(prefix="advnotes-", ignore_cleanup_errors=True) as scratch,
    ):
        process = PROCESSES.start(job.run, errors)
        if process is None:
            return Result(job.chapter, error="interrupted")
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            end(process)

        limit = threading.Timer(job.chapter_timeout, stop)
        limit.daemon = True
        limit.start()
        try:
            # A worker that dies at once breaks the pipe; its exit code and error output are reported below.
            with suppress(OSError):
                process.stdin.write(json.dumps(asdict(replace(job, scratch=scratch))).encode() + b"\n")
                process.stdin.flush()
            answer = process.stdout.read()
            code = process.wait()
        finally:
            limit.cancel()
            PROCESSES.done(job.run, process)
            process.stdout.close()
            with suppress(OSError):
                process.stdin.close()
        if late.is_set():
            return Result(
                job.chapter,
                error=f"the chapter took longer than {job.chapter_timeout} s: make it shorter, or give it more time "
                "with --chapter-timeout",
                cell=last_started(Path(scratch)),
                seconds=float(job.chapter_timeout),
            )
        if code == 0 and answer:
            return Result(**json.loads(answer))
        errors.seek(0)
        words = cut(errors.read().decode(errors="replace").strip(), ERROR_CHARACTERS)
        return Result(
            job.chapter, error=f"the process that ran it ended with exit code {code}\n{words}".strip()
        )


def _other_machine(job: Job) -> str | None:
    """On a cluster: how advnotes or torch here differ from those of the machine that asked, or None."""
    if Sources(installed_package()).all() != job.modules:
        return "this worker has other advnotes modules than the machine that asked; install the same version there"
    if versions() != job.pins:
        return f"this worker has {versions()}, the machine that asked {job.pins}; install the same there"
    return None
