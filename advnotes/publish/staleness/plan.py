"""Which chapters have to be executed, and why: what an execution depended on, compared with what is there now.

A chapter is stale when its code, its parameters, a module or a data file of the package that it loaded, or the version
of a library that it loaded has changed. Prose, comments, docstrings and the pins of tools do not count. As long as
nothing that it loaded has changed, its code can load nothing else. On another processor a copy is not stale: it was
measured elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from advnotes.publish.chapters import Chapter
from advnotes.publish.parameters import Given, all_parameters
from advnotes.publish.staleness.sources import Sources, installed, installed_package
from advnotes.publish.staleness.stamps import execution_hash, read_stamp

# What tells machines apart. Threads are set by each chapter; versions have their own place in the stamp.
MACHINE = ("processor", "instructions", "imitated", "blas", "device", "system")


@dataclass(frozen=True)
class Plan:
    """A chapter at a profile: what would be injected, what has changed, and why it has to run (or "").

    ``elsewhere`` names the processor that a current copy was measured on, where it is another one than this.
    ``carried`` is when a current copy was carried over a change of the package, or "".
    """

    chapter: Chapter
    profile: str
    parameters: dict[str, Any]
    sources: Sources
    reason: str
    last_seconds: float
    changed: dict[str, list[str]]
    elsewhere: str = ""
    carried: str = ""

    @property
    def state(self) -> str:
        """What a current copy is, in words."""
        notes = [f"{self.last_seconds:.1f} s when it ran"]
        if self.elsewhere:
            notes.append(f"measured elsewhere: {self.elsewhere}")
        if self.carried:
            notes.append(f"carried over at {self.carried}")
        return "; ".join(notes)


def plan(
    wanted: Iterable[Chapter],
    profile: str,
    *,
    force: bool = False,
    here: bool = False,
    given: Given | None = None,
) -> list[Plan]:
    """What each chapter needs. Checks every parameter first; raises ``ValueError`` before anything has run.

    Args:
        wanted: the chapters.
        profile: whose parameters to inject.
        force: execute all of them.
        here: execute what was measured on another processor, too.
        given: chapter -> parameters that replace the profile's.
    """
    wanted = list(wanted)
    injected = all_parameters(wanted, profile, given)
    sources = Sources(installed_package())
    known: dict[str, float] | None = None
    plans = []
    for chapter in wanted:
        parameters = injected[chapter.name]
        stamp = read_stamp(chapter.executed(profile))
        changed, elsewhere = {}, ""
        if stamp is None:
            reason = "not run yet"
        else:
            changed = changes(stamp, execution_hash(chapter), parameters, sources)
            elsewhere = "" if changed else another_machine(stamp)
            reason = f"changed: {_listed(changed)}" if changed else ""
            reason = reason or ("forced" if force else "measured elsewhere" if here and elsewhere else "")
        if stamp is None and known is None:
            known = recorded_seconds(chapter.root, profile)
        seconds = float(stamp.get("seconds", 0) if stamp else (known or {}).get(chapter.name, 0))
        carried = str((stamp or {}).get("carried", {}).get("time", ""))
        plans.append(
            Plan(chapter, profile, parameters, sources, reason, seconds, changed, elsewhere, carried)
        )
    return plans


def changes(
    stamp: dict[str, Any], now: str, parameters: dict[str, Any], sources: Sources
) -> dict[str, list[str]]:
    """What an execution depended on that has changed since: each kind, with the names of what has changed.

    Args:
        stamp: of the execution.
        now: hash of the chapter's code.
        parameters: what would be injected.
        sources: the package.
    """
    found: dict[str, list[str]] = {}
    if stamp.get("code") != now:
        found["code"] = []
    if stamp.get("parameters") != parameters:
        before = stamp.get("parameters", {})
        names = sorted(before.keys() | parameters.keys())
        found["parameters"] = [name for name in names if before.get(name, ...) != parameters.get(name, ...)]
    modules, public = stamp.get("modules", {}), stamp.get("public", {})
    leading = sources.public(modules) if public else {}
    files = [name for name, value in modules.items() if sources.hash(name) != value]
    files += [stub for stub, names in public.items() if not names.items() <= leading.get(stub, {}).items()]
    if files:
        found["modules"] = files
    if data := [name for name, value in stamp.get("data", {}).items() if sources.hash(name) != value]:
        found["data"] = data
    if versions := [
        f"{name} {value} -> {installed(name)}"
        for name, value in stamp.get("versions", {}).items()
        if installed(name) != value
    ]:
        found["versions"] = versions
    return found


def _listed(changed: dict[str, list[str]]) -> str:
    """In words: ``code, modules (loop/play.py, losses.py and 3 more)``."""
    parts = []
    for part, names in changed.items():
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        parts.append(f"{part} ({', '.join(names[:2])}{more})" if names else part)
    return ", ".join(parts)


@cache
def _here() -> dict[str, str]:
    from advnotes.environment import environment

    return environment()


def another_machine(stamp: dict[str, Any]) -> str:
    """The machine that a copy was measured on, where it is not this one; "" where it is, or is not known."""
    there = stamp.get("environment", {})
    if not there or all(there.get(part) == _here().get(part) for part in MACHINE):
        return ""
    from advnotes.environment import machine

    return machine(there)


def recorded_seconds(root: Path, profile: str) -> dict[str, float]:
    """Chapter -> seconds, the newest in ``book/measured``, of this profile where there are any.

    They only decide what starts first, so a file that cannot be read counts as none.
    """
    found: dict[str, tuple[bool, str, float]] = {}
    for file in sorted((root / "book" / "measured").glob("*.json")):
        try:
            measured = json.loads(file.read_text(encoding="utf-8"))
            for name, entry in measured["chapters"].items():
                when = str(entry.get("recorded", measured.get("recorded", "")))
                one = (measured.get("profile") == profile, when, float(entry["seconds"]))
                found[name] = max(one, found.get(name, one))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return {name: seconds for name, (_, _, seconds) in found.items()}
