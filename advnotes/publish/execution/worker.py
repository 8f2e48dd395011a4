"""One chapter, executed by papermill in a process of its own.

``python -m advnotes.publish.execution.worker`` reads one line of JSON from standard input (a `Job`), executes the
notebook and writes one line of JSON to standard output (a `Result`). It ends itself and its kernel when its standard
input closes; where it cannot, `supervisor` does. It reads and writes no file of the book, since the notebook comes and
goes by the pipes: so it also runs on a machine of a cluster that shares no disk with the caller.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from advnotes.publish.execution import dependency_recorder
from advnotes.publish.execution.kernel_start import start_with_retries
from advnotes.publish.execution.printed_text import cut

PROGRESS = "progress.ipynb"
# How many characters of an error are kept: enough for a traceback.
ERROR_CHARACTERS = 20_000

# The same for every execution that is compared with another one: papermill's, and nbval's after it.
# Threads: a sum's order, and so its last bits, depends on how many threads share it.
# PYTHONHASHSEED: the order of sets. TQDM_DISABLE: a progress bar prints times.
ENVIRONMENT = {
    "TQDM_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
# The cell after the last one, whose output says what was loaded.
RECORD = "advnotes-record"


@dataclass(frozen=True)
class Job:
    """A notebook (as JSON text), what to inject into it, and where its kernel runs.

    ``timeout`` is the limit for one cell and ``chapter_timeout`` for the chapter, in seconds; the process that starts
    the worker enforces ``chapter_timeout``. ``scratch`` is a folder for temporary files.
    """

    chapter: str
    notebook: str
    parameters: dict[str, Any]
    folder: str
    root: str
    timeout: int
    chapter_timeout: int = 3600
    scratch: str = ""
    run: str = ""
    modules: str = ""
    pins: str = ""


@dataclass(frozen=True)
class Result:
    """The executed notebook, or what went wrong and in which cell (counted from 1, markdown cells included).

    ``record`` says what was loaded, see `advnotes.publish.execution.dependency_recorder.taken`.
    """

    chapter: str
    notebook: str | None = None
    record: dict[str, Any] | None = None
    error: str | None = None
    cell: int | None = None
    seconds: float = 0.0
    processor_seconds: float = 0.0


def execute(job: Job) -> Result:
    """Run the notebook's cells in a fresh kernel. A notebook that fails is a result, not an exception."""
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from advnotes.publish.execution.papermill_engine import ENGINE

    started = time.perf_counter()
    notebook = nbformat.reads(job.notebook, as_version=4)
    notebook.cells.append(
        nbformat.v4.new_code_cell(dependency_recorder.STOP, id=RECORD, metadata={"tags": [RECORD]})
    )
    folder = job.folder if Path(job.folder).is_dir() else tempfile.gettempdir()
    with nullcontext(job.scratch) if job.scratch else tempfile.TemporaryDirectory() as scratch:
        # The user's IPython start-up files would change the outputs, and its history locks parallel kernels.
        os.environ.update(ENVIRONMENT, IPYTHONDIR=scratch)
        # IPython runs it before the first cell.
        first = Path(scratch) / "profile_default" / "startup" / "record.py"
        first.parent.mkdir(parents=True)
        first.write_text(
            dependency_recorder.START.format(file=dependency_recorder.__file__), encoding="utf-8"
        )
        error, cell = None, None
        try:
            executed = start_with_retries(
                lambda: papermill.execute_notebook(
                    notebook,
                    str(Path(scratch) / PROGRESS),
                    parameters=job.parameters,
                    engine_name=ENGINE,
                    kernel_name="python3",
                    cwd=folder,
                    progress_bar=False,
                    start_timeout=300,
                    execution_timeout=job.timeout,
                )
            )
        except PapermillExecutionError as failure:
            error, cell = str(failure).strip(), last_started(Path(scratch))
        except (CellTimeoutError, DeadKernelError) as failure:
            # papermill marks every cell as completed here: only the starting times tell which one it was.
            error, cell = f"{type(failure).__name__}: {failure}".strip(), last_started(Path(scratch))
    seconds = time.perf_counter() - started
    spent = os.times()
    result = Result(
        job.chapter,
        seconds=round(seconds, 2),
        processor_seconds=round(spent.children_user + spent.children_system, 2),
    )
    if error is not None:
        return replace(result, error=cut(error, ERROR_CHARACTERS), cell=cell)
    result = replace(result, record=_record(executed.cells.pop()))
    clean(executed)
    if leak := machine_path(executed, job.root):
        message = (
            f"the output names a path of this machine, {leak[1]!r}, which would be published and differ elsewhere; "
            f"mend the warning that prints it, or print a relative path"
        )
        return replace(result, error=message, cell=leak[0])
    return replace(result, notebook=nbformat.writes(executed) + "\n")


def last_started(scratch: Path) -> int | None:
    """Number of the last cell that was started, among the cells of the source (papermill adds some)."""
    import nbformat

    added = {"injected-parameters", "papermill-error-cell-tag", RECORD}
    number, last = 0, None
    try:
        cells = nbformat.read(scratch / PROGRESS, as_version=4).cells
    except (OSError, ValueError, nbformat.reader.NotJSONError):  # ended while it was written, or before
        return None
    for cell in cells:
        number += not added & set(cell.metadata.get("tags", []))
        if cell.metadata.get("papermill", {}).get("start_time"):
            last = number
    return last


def _record(cell: Any) -> dict[str, Any]:
    """The record in the output of the last cell, which `execute` has added."""
    for output in cell.outputs:
        if found := output.get("data", {}).get(dependency_recorder.MIME):
            return dict(found)
    raise RuntimeError(f"expected a record of what was loaded from the last cell, got {cell.outputs}")


def clean(notebook: Any) -> None:
    """Take away what differs from one execution to the next; hide the injected parameters from the page."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "injected-parameters"
            cell.metadata.tags = ["injected-parameters", "remove-cell"]


def machine_path(notebook: Any, root: str) -> tuple[int, str] | None:
    """The first path of this machine in a notebook's outputs, with the number of its cell among the source's."""
    # The longest first, so that the message shows as much as it can.
    places = {root, sys.prefix, sys.base_prefix, tempfile.gettempdir(), str(Path.home())}
    usual = {os.sep, "/usr", "/usr/local", "/opt"}  # tell nothing about who ran it
    pattern = "|".join(re.escape(place) for place in sorted(places - usual, key=len, reverse=True))
    path = re.compile(rf"(?<![\w:/.])(?:{pattern})[/\\][^\s:'\"<>]*")
    number = 0
    for cell in notebook.cells:
        number += "injected-parameters" not in cell.metadata.get("tags", [])
        for output in cell.get("outputs", []):
            data = {
                kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")
            }
            for text in _strings({**output, "data": data}):
                if found := path.search(text):
                    return number, found.group()
    return None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def main() -> None:
    """Serve one job."""
    from advnotes.publish.execution.supervisor import end_with_parent

    # Native libraries of the kernel may print to its standard output, which is ours: keep the real one apart.
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    pipe = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    line = b""
    while not line.endswith(b"\n"):
        part = pipe.read(1 << 20)
        if not part:
            sys.exit("expected one line of JSON on standard input; `advnotes run` starts this")
        line += part
    end_with_parent(pipe)
    result = execute(Job(**json.loads(line)))
    answer.write(json.dumps(asdict(result)) + "\n")
    answer.close()


if __name__ == "__main__":
    main()
