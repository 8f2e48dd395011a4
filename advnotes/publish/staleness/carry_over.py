"""After a change of shared code: smoke first, and what smoke finds unchanged need not be measured again.

At the smoke profile a chapter gives the same bits each time on the same processor. If it gives the same bits before and
after a change of the package, then the change did not touch what the chapter computes, as far as smoke runs the changed
code; the laptop copy is kept, and its stamp says when it was carried over. A module that only the laptop profile loads
is not covered by smoke, and neither are data files and versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from advnotes.publish.chapters import LAPTOP, SMOKE, Chapter, profiles
from advnotes.publish.staleness.plan import Plan, another_machine, plan
from advnotes.publish.staleness.sources import Sources
from advnotes.publish.staleness.stamps import State, now, read_stamp, state, store


def carry_over(plans: Iterable[Plan], execute: Callable[[list[Plan]], object]) -> list[Plan]:
    """The plans; those whose copy could be carried over have no reason to run any more.

    Args:
        plans: of the laptop profile; others come back as they are.
        execute: runs plans of the smoke profile, and keeps what succeeds.
    """
    plans = list(plans)
    due = [p for p in plans if p.profile == LAPTOP and p.reason and p.changed.keys() == {"modules"}]
    if not due or SMOKE not in profiles(due[0].chapter.root):
        return plans
    before = {p.chapter.name: p for p in plan([p.chapter for p in due], SMOKE)}
    states = {p.chapter.name: _common(p, before[p.chapter.name]) for p in due}
    if first := [p for name, p in before.items() if states[name] is not None and p.reason]:
        execute(first)
    after = {p.chapter.name: p for p in plan([p.chapter for p in due], SMOKE)}
    done = []
    for p in plans:
        common = states.get(p.chapter.name)
        if common is not None and not after[p.chapter.name].reason and common in _states(p.chapter):
            p = _carried(p)
        done.append(p)
    return done


def _common(p: Plan, smoke: Plan) -> State | None:
    """The state of the package that the smoke and the laptop copy were both made with, if smoke can tell.

    None where smoke was made with other code, parameters or versions, or on another machine, and where something that
    only the laptop profile loads has changed.
    """
    laptop, stamp = read_stamp(p.chapter.executed(LAPTOP)), read_stamp(p.chapter.executed(SMOKE))
    if laptop is None or stamp is None or smoke.changed.keys() - {"modules"} or another_machine(stamp):
        return None
    made_with = state(laptop)
    now_there = state(
        {"modules": _now(p.sources, laptop["modules"]), "public": p.sources.public(laptop["modules"])}
    )
    for earlier in _states(p.chapter):
        both = earlier.keys() & made_with.keys()
        alone = made_with.keys() - earlier.keys()
        if (
            both
            and all(earlier[name] == made_with[name] for name in both)
            and all(now_there.get(name) == made_with[name] for name in alone)
        ):
            return earlier
    return None


def _states(chapter: Chapter) -> list[State]:
    """States of the package with which smoke gave the outputs that it gives now, the latest first."""
    stamp = read_stamp(chapter.executed(SMOKE))
    return [state(stamp), *stamp.get("same", [])] if stamp else []


def _now(sources: Sources, modules: Iterable[str]) -> State:
    """Those of the modules that are still there, with their hashes."""
    return {name: value for name in modules if (value := sources.hash(name))}


def _carried(p: Plan) -> Plan:
    """Stamp the laptop copy as carried over to the package as it is now."""
    executed = p.chapter.executed(LAPTOP)
    stamp, smoke = read_stamp(executed), read_stamp(p.chapter.executed(SMOKE))
    if stamp is None or smoke is None:
        return p
    sources: Sources = p.sources
    modules = _now(sources, {**stamp["modules"], **smoke["modules"]})
    time = now()
    stamp |= {
        "modules": modules,
        "public": sources.public(modules),
        "data": stamp["data"] | smoke["data"],
        "versions": stamp["versions"] | smoke["versions"],
        "carried": {"time": time, "executed": stamp["time"]},
    }
    store(executed, executed.read_text(encoding="utf-8"), stamp)
    return replace(p, reason="", changed={}, carried=time)
