"""What the commands of ``advnotes`` do, and what they print while they do it."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from advnotes.publish import chapters as book
from advnotes.publish.cli_options import at_a_time
from advnotes.publish.lock import folder_lock

if TYPE_CHECKING:
    from advnotes.publish.scorecard.collect import Scorecard

console = Console(highlight=False, soft_wrap=True)


def checked_and_locked(
    root: Path, profile: str, no_wait: bool, names: list[str] | None = None, given: list[str] | None = None
) -> AbstractContextManager[None]:
    """Hold the lock of the profile's folder, after the call's arguments have been checked."""
    from advnotes.publish import parameters

    wanted = book.select(root, names or [])
    parameters.all_parameters(wanted, profile, parameters.read(given, wanted) if given else None)
    return folder_lock(
        book.build_folder(root, profile), wait=not no_wait, say=lambda text: console.print(Text(text))
    )


@dataclass(frozen=True)
class How:
    """How chapters are executed: the options of the same names."""

    jobs: int | None
    backend: str
    scheduler: str | None
    force: bool
    timeout: int
    chapter_timeout: int
    here: bool


def execute_all(
    root: Path,
    names: list[str],
    profile: str,
    how: How,
    assignments: list[str] | None = None,
    minutes: float | None = None,
) -> bool:
    """Execute the chapters that need it, or those that fit into ``minutes``; True where none failed."""
    from advnotes.publish import parameters
    from advnotes.publish.execution.run import run
    from advnotes.publish.execution.time_budget import affordable
    from advnotes.publish.execution.worker import Result
    from advnotes.publish.staleness.carry_over import carry_over
    from advnotes.publish.staleness.plan import Plan, plan

    wanted = book.select(root, names)
    given = parameters.read(assignments or [], wanted)
    jobs = at_a_time(how.jobs, profile)
    execute = partial(
        run,
        jobs=jobs,
        backend=how.backend,
        scheduler=how.scheduler,
        timeout=how.timeout,
        chapter_timeout=how.chapter_timeout,
    )
    parameters.all_parameters(wanted, profile, given)  # checked before anything is kept
    given = parameters.keep(root, profile, given)
    plans = plan(wanted, profile, force=how.force, here=how.here, given=given)
    if not how.force:

        def smoke(p: Plan, result: Result) -> None:
            ended = "smoke runs" if result.notebook else "smoke fails"
            console.print(f"  {ended} {p.chapter.name}  {result.seconds:.1f} s")

        def first(due: list[Plan]) -> None:
            with folder_lock(book.build_folder(root, book.SMOKE), say=lambda text: console.print(Text(text))):
                execute(due, finished=smoke)

        plans = carry_over(plans, first)
    current = [p for p in plans if not p.reason]
    if minutes is not None:
        chosen = affordable(plans, minutes, jobs)
        for p in plans:
            if p.reason and p not in chosen:
                console.print(Text(f"  left out   {p.chapter.name}  ({p.reason})"))
        plans = [*current, *chosen]
    for p in current:
        console.print(Text(f"  unchanged  {p.chapter.name}  ({p.state})"))
    failed: list[tuple[Plan, Result]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"executing at {profile}", total=len(plans), completed=len(current))

        def finished(p: Plan, result: Result) -> None:
            if result.notebook is None:
                failed.append((p, result))
                where = f" in cell {result.cell}" if result.cell else ""
                progress.console.print(
                    f"  [red]failed[/red]     {p.chapter.name}{where}  {result.seconds:.1f} s"
                )
                progress.console.print(Text.from_ansi(result.error or ""))
            else:
                progress.console.print(f"  executed   {p.chapter.name}  {result.seconds:.1f} s  ({p.reason})")
            progress.advance(task)

        execute(plans, finished=finished)
    if failed:
        listed = ", ".join(p.chapter.name for p, _ in failed)
        console.print(f"[red]{len(failed)} of {len(plans)} chapters failed:[/red] {listed}")
        console.print("The others are kept: the next call runs only what is missing.")
    return not failed


def tell_score(root: Path, profile: str) -> Scorecard:
    """Print what does not hold, and what differs here from the recorded machines."""
    from advnotes.claim_verdicts import EDGE, FAILS
    from advnotes.publish.scorecard.collect import save, scorecard

    card = scorecard(root, profile)
    path = save(card, root)
    for row in card.having(FAILS, EDGE):
        claim = row.claim
        style = "yellow" if row.verdict == EDGE or claim.reason else "red"
        console.print(Text.assemble("  ", (row.verdict, style), f"  {row.chapter.name}: {claim.statement}"))
        console.print(
            Text(f"      paper {claim.paper}, here {claim.here}, bound {claim.bound.text(claim.format)}")
        )
        if row.verdict == FAILS or claim.reason:
            console.print(Text(f"      {claim.reason or 'no reason is given'}"))
    for row in card.surprises:
        console.print(
            Text(f"  holds, but gives a reason for not holding: {row.chapter.name}: {row.claim.id}")
        )
    for row in card.rows:
        if row.here is not None and row.differs:
            verdicts = (
                f"{row.alone(row.here).verdict} here, {row.judge(row.recorded).verdict} where it was recorded"
            )
            console.print(Text(f"  differs    {row.chapter.name}: {row.claim.id}: {verdicts}"))
    for name, id in card.lost:
        console.print(
            Text(f"  missing    {name} states the claim {id}, but its execution did not make it", style="red")
        )
    for name, where in card.outdated:
        console.print(Text(f"  outdated   {name} has changed since it was recorded on {where}"))
    if card.unexecuted:
        console.print(f"  without a current execution here: {', '.join(card.unexecuted)}")
    for line in card.summary or ["no claim has been measured"]:
        console.print(line)
    console.print(f"({os.path.relpath(path)})")
    return card


def make_and_tell(name: str, profile: str, no_wait: bool) -> None:
    """Make the PDF or the EPUB of a site, and say where it is."""
    from advnotes.publish.site.ebook.make import make_ebook

    started, root = time.perf_counter(), book.find_root()
    with checked_and_locked(root, profile, no_wait):
        made = make_ebook(root, profile, name)
    size = made.stat().st_size / 1e6
    console.print(f"The book is at {made} ({size:.1f} MB, {time.perf_counter() - started:.0f} s)")


def tell_comparison(root: Path, profile: str) -> None:
    """Print the share of verdicts that each recorded machine alone agrees on, and those that differ."""
    from advnotes.environment import machine
    from advnotes.publish.scorecard.compare_machines import compare, verdicts

    found = compare(root, profile)
    for number, name in enumerate(found.machines, start=1):
        console.print(Text(f"  {number}. {name}"))
    for row in found.changed:
        numbers = [found.machines.index(machine(run.environment)) + 1 for run in row.recorded]
        said = ", ".join(f"{n} {verdict}" for n, verdict in zip(numbers, verdicts(row), strict=True))
        console.print(Text(f"  differs    {row.chapter.name}: {row.claim.id}: {said}"))
    for row in found.reversed:
        console.print(Text(f"  reversed   {row.chapter.name}: {row.claim.id}", style="red"))
    same = len(found.compared) - len(found.changed)
    console.print(
        f"{same} of {len(found.compared)} verdicts ({found.share:.1%}) are the same on each of the "
        f"{len(found.machines)} machines that recorded them; two machines agree on {found.pairs:.1%}; "
        f"{len(found.reversed)} go from holds to not reproduced."
    )
    if found.ways is not None:
        console.print(
            "Three runs, one native, one that imitates an older processor and one on several threads, agree on "
            f"{found.ways:.1%}."
        )
    console.print(
        "With the scatter estimated from each machine's own values: "
        f"{found.alone} ({found.alone / len(found.compared):.1%})."
    )
