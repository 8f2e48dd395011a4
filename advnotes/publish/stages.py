"""The stages with what they print: what the commands of ``advnotes`` are made of."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from advnotes.publish import chapters as book
from advnotes.publish.lock import working
from advnotes.publish.options import at_a_time

if TYPE_CHECKING:
    from advnotes.publish.score import Scorecard

console = Console(highlight=False, soft_wrap=True)


def alone(
    root: Path, profile: str, no_wait: bool, names: list[str] | None = None, given: list[str] | None = None
) -> AbstractContextManager[None]:
    """The profile's folder to oneself, once the call is known to be without a mistake."""
    from advnotes.publish import parameters

    wanted = book.select(root, names or [])
    parameters.all_parameters(wanted, profile, parameters.read(given, wanted) if given else None)
    return working(book.build(root, profile), wait=not no_wait, say=lambda text: console.print(Text(text)))


def execute_all(
    root: Path,
    names: list[str],
    profile: str,
    jobs: int | None,
    backend: str,
    scheduler: str | None,
    force: bool,
    timeout: int,
    chapter_timeout: int,
    here: bool = False,
    assignments: list[str] | None = None,
    minutes: float | None = None,
) -> bool:
    """Execute what has to be, or what there is time for; True where nothing failed."""
    from advnotes.publish import parameters
    from advnotes.publish.budget import affordable
    from advnotes.publish.carry import carry_over
    from advnotes.publish.run import Plan, plan, run
    from advnotes.publish.worker import Result

    wanted = book.select(root, names)
    given = parameters.read(assignments or [], wanted)
    execute = partial(
        run,
        jobs=at_a_time(jobs, profile),
        backend=backend,
        scheduler=scheduler,
        timeout=timeout,
        chapter_timeout=chapter_timeout,
    )
    parameters.all_parameters(wanted, profile, given)  # checked before anything is kept
    given = parameters.keep(root, profile, given)
    plans = plan(wanted, profile, force=force, here=here, given=given)
    if not force:

        def smoke(p: Plan, result: Result) -> None:
            ended = "smoke runs" if result.notebook else "smoke fails"
            console.print(f"  {ended} {p.chapter.name}  {result.seconds:.1f} s")

        def first(due: list[Plan]) -> None:
            with working(book.build(root, book.SMOKE), say=lambda text: console.print(Text(text))):
                execute(due, finished=smoke)

        plans = carry_over(plans, first)
    current = [p for p in plans if not p.reason]
    if minutes is not None:
        chosen = affordable(plans, minutes, at_a_time(jobs, profile))
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
    from advnotes.publish.score import save, scorecard
    from advnotes.verdicts import EDGE, FAILS

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
        console.print(Text(f"  holds, though a reason is given why not: {row.chapter.name}: {row.claim.id}"))
    for row in card.rows:
        if row.here is not None and row.differs:
            verdicts = (
                f"{row.alone(row.here).verdict} here, {row.judge(row.recorded).verdict} where it was recorded"
            )
            console.print(Text(f"  differs    {row.chapter.name}: {row.claim.id}: {verdicts}"))
    for name, id in card.lost:
        console.print(
            Text(f"  missing    {name} states the claim {id}, and its execution made none", style="red")
        )
    for name, where in card.outdated:
        console.print(Text(f"  outdated   {name} has changed since it was recorded on {where}"))
    if card.unexecuted:
        console.print(f"  without a current execution here: {', '.join(card.unexecuted)}")
    for line in card.summary or ["no claim has been measured"]:
        console.print(line)
    console.print(f"({os.path.relpath(path)})")
    return card


def tell_comparison(root: Path, profile: str) -> None:
    """Print the share of verdicts that each recorded machine alone agrees on, and those that differ."""
    from advnotes.environment import machine
    from advnotes.publish.compare import compare, verdicts

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
    console.print(
        f"With no other machine's values to tell the scatter: {found.alone} ({found.alone / len(found.compared):.1%})."
    )
