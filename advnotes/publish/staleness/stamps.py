"""The stamp beside every executed copy: what it was made from, what was loaded, on what, and how long it took.

A stamp belongs to one copy, by its hash. Both appear whole or not at all, and only after success.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advnotes.publish.chapters import Chapter, as_counted
from advnotes.publish.files import write
from advnotes.publish.staleness.sources import Sources, digest

if TYPE_CHECKING:
    from advnotes.publish.execution.worker import Result

# Raise it when the executed copies are made in another way than before.
FORMAT = 2
CLAIM = "application/vnd.advnotes.claim+json"
# Tags that decide what happens when a cell is executed, or executed again and compared.
TAGS = {"parameters", "injected-parameters", "skip-execution", "raises-exception"}
# A state of the package: module -> hash, and public name of a lazy package -> where it leads.
State = dict[str, str]
# How many earlier states of the package are kept with which a chapter gave the same outputs.
SAME = 20


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


def execution_hash(chapter: Chapter) -> str:
    """Hash of what is executed: the code cells with the tags that matter to it, and nothing that is only read."""
    cells = []
    for cell in chapter.cells:
        if cell["cell_type"] == "code":
            tags = cell.get("metadata", {}).get("tags", [])
            source = as_counted(cell["source"])
            cells.append([source, sorted(t for t in tags if t in TAGS or t.startswith("nbval-"))])
    return digest([FORMAT, cells])


def stored(sources: Sources, record: dict[str, Any]) -> dict[str, Any]:
    """A record as it goes into a stamp: with the hash of each file, and where public names led."""
    everything = record.get("everything")  # other Python processes may have loaded anything
    modules = sources.modules() if everything else record.get("modules", [])
    data = sources.data() if everything else record.get("data", [])
    return {
        "modules": {name: sources.hash(name) for name in modules},
        "public": sources.public(modules),
        "data": {name: sources.hash(name) for name in data},
        "versions": record.get("versions", {}),
        "environment": record.get("environment", {}),
    }


def keep(
    chapter: Chapter, profile: str, parameters: dict[str, Any], sources: Sources, result: Result
) -> None:
    """Store a successful execution with its stamp; the copy before it stays until then."""
    if result.notebook is None:
        return
    executed = chapter.executed(profile)
    made = json.loads(result.notebook)
    stamp = {
        "sha256": "",
        "code": execution_hash(chapter),
        "profile": profile,
        "parameters": parameters,
        **stored(sources, result.record or {}),
        "seconds": result.seconds,
        "processor_seconds": result.processor_seconds,
        "time": now(),
        "device": next((claim["environment"]["device"] for claim in claims(made)), "CPU"),
    }
    stamp["same"] = _same(executed, made, stamp)
    store(executed, result.notebook, stamp)


def store(executed: Path, notebook: str, stamp: dict[str, Any]) -> None:
    """Write a copy and its stamp; where only the copy was written, the old stamp does not fit its hash."""
    write(executed, notebook)
    stamp = stamp | {"sha256": hashlib.sha256(notebook.encode()).hexdigest()}
    write(stamp_of(executed), json.dumps(stamp, indent=1) + "\n")


def now() -> str:
    """The time, as stamps have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def state(stamp: dict[str, Any]) -> State:
    """The package as far as an execution loaded it."""
    names = {
        f"{stub}: {name}": place for stub, public in stamp["public"].items() for name, place in public.items()
    }
    return stamp["modules"] | names


def _same(executed: Path, made: dict[str, Any], stamp: dict[str, Any]) -> list[State]:
    """The states of the package with which earlier executions gave these very outputs here, the latest first."""
    before = read_stamp(executed)
    alike = ("code", "parameters", "versions", "environment")
    if before is None or any(before.get(part) != stamp[part] for part in alike):
        return []
    if outputs(json.loads(executed.read_text(encoding="utf-8"))) != outputs(made):
        return []
    states = [state(before), *before.get("same", [])]
    return [earlier for earlier in states if earlier != state(stamp)][:SAME]


def outputs(notebook: dict[str, Any]) -> list[Any]:
    """The outputs of each code cell, in order."""
    return [cell.get("outputs", []) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def claims(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The claims in an executed notebook's outputs, in order."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if claim := output.get("data", {}).get(CLAIM):
                yield claim
