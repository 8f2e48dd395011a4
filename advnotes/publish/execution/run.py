"""Execute chapters side by side, each only where something that it depends on has changed.

Every executed copy in ``_build/<profile>/book`` has a stamp beside it. A chapter is not executed again as
long as its stamp agrees with what is there now (`advnotes.publish.staleness.plan`). So an interrupted run goes on where
it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

from advnotes.publish.execution.failures import remember
from advnotes.publish.execution.worker import Job, Result
from advnotes.publish.execution.worker_processes import end_run, perform
from advnotes.publish.files import sweep
from advnotes.publish.staleness import stamps
from advnotes.publish.staleness.plan import Plan
from advnotes.publish.staleness.sources import versions

BACKENDS = ("threading", "dask")


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
    """Execute the plans that have a reason, ``jobs`` at a time, and store each copy as soon as it is made.

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
            chapter_timeout=chapter_timeout,
            run=token,
            modules=package if far else "",
            pins=versions() if far else "",
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
    stamps.keep(p.chapter, p.profile, p.parameters, p.sources, result)
