"""The command line ``advnotes``: from notebooks to a book, each stage alone or all of them.

run: execute chapters. verify: execute the copies again and compare. score: collect the claims. bind: render.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from advnotes.publish import chapters as book
from advnotes.publish.guard import stopping_on_signals
from advnotes.publish.options import (
    Backend,
    Build,
    Force,
    Given,
    Here,
    Jobs,
    Names,
    Profile,
    Scheduler,
    Timeout,
    at_a_time,
)

if TYPE_CHECKING:
    from advnotes.publish.score import Scorecard

app = typer.Typer(
    help="Turn the notebooks into the book: each stage alone, or all of them with `advnotes book`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False, soft_wrap=True)


def _run(
    root: Path,
    names: list[str],
    profile: str,
    jobs: int | None,
    backend: str,
    scheduler: str | None,
    force: bool,
    timeout: int,
    here: bool = False,
    assignments: list[str] | None = None,
) -> bool:
    """Execute what has to be; True where nothing failed."""
    from advnotes.publish import parameters
    from advnotes.publish.carry import carry_over
    from advnotes.publish.run import Plan, plan, run
    from advnotes.publish.worker import Result

    wanted = book.select(root, names)
    given = parameters.read(assignments or [], wanted)
    execute = partial(
        run, jobs=at_a_time(jobs, profile), backend=backend, scheduler=scheduler, timeout=timeout
    )
    parameters.all_parameters(wanted, profile, given)  # checked before anything is kept
    given = parameters.keep(root, profile, given)
    plans = plan(wanted, profile, force=force, here=here, given=given)
    if not force:

        def smoke(p: Plan, result: Result) -> None:
            ended = "smoke runs" if result.notebook else "smoke fails"
            console.print(f"  {ended} {p.chapter.name}  {result.seconds:.1f} s")

        plans = carry_over(plans, partial(execute, finished=smoke))
    current = [p for p in plans if not p.reason]
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


@app.command("run")
def run_command(
    names: Names = None,
    profile: Profile = book.LAPTOP,
    jobs: Jobs = None,
    backend: Backend = "threading",
    scheduler: Scheduler = None,
    force: Force = False,
    timeout: Timeout = 3600,
    here: Here = False,
    given: Given = None,
    build: Build = None,
) -> None:
    """Execute chapters into _build/PROFILE/book, those only where something that they depend on has changed."""
    root = book.find_root()
    if not _run(root, names or [], profile, jobs, backend, scheduler, force, timeout, here, given):
        raise typer.Exit(1)


@app.command("verify")
def verify_command(
    names: Names = None,
    profile: Profile = "smoke",
    jobs: Jobs = None,
    force: Force = False,
    build: Build = None,
) -> None:
    """Execute the executed copies again with nbval and compare every output, pictures included."""
    from advnotes.publish.verify import verify

    result = verify(
        book.select(book.find_root(), names or []), profile, jobs=at_a_time(jobs, profile), force=force
    )
    for name in result.agree:
        console.print(
            f"  agrees     {name}" + ("  (unchanged since it was compared)" if name in result.earlier else "")
        )
    for name, cells in result.differences.items():
        console.print(f"  [red]differs[/red]    {name}: {', '.join(cells)}")
    if result.differences:
        console.print("nbval counts code cells only, from 0; its report above shows both outputs.")
        raise typer.Exit(1)


def _score(root: Path, profile: str) -> Scorecard:
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


@app.command("score")
def score_command(
    profile: Profile = book.LAPTOP,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 where a claim is missing, contradicted or unexplained."),
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="How many verdicts are the same on each recorded machine alone.")
    ] = False,
    build: Build = None,
) -> None:
    """Collect the claims of the executed chapters, and judge them with those of the recorded machines."""
    root = book.find_root()
    if compare:
        _compare(root, profile)
        return
    problems = _score(root, profile).problems()
    if strict and problems:
        for problem in problems:
            console.print(Text(f"  strict     {problem}", style="red"))
        raise typer.Exit(1)


def _compare(root: Path, profile: str) -> None:
    """Print the share of verdicts that each recorded machine alone agrees on, and those that differ."""
    from advnotes.publish.compare import compare, verdicts

    found = compare(root, profile)
    for number, name in enumerate(found.machines, start=1):
        console.print(Text(f"  {number}. {name}"))
    for row in found.changed:
        console.print(Text(f"  differs    {row.chapter.name}: {row.claim.id}: {', '.join(verdicts(row))}"))
    for row in found.reversed:
        console.print(Text(f"  reversed   {row.chapter.name}: {row.claim.id}", style="red"))
    same = len(found.compared) - len(found.changed)
    console.print(
        f"{same} of {len(found.compared)} verdicts ({found.share:.1%}) are the same on each of {len(found.machines)} "
        f"machines; two machines agree on {found.pairs:.1%}; {len(found.reversed)} go from holds to not reproduced."
    )
    console.print(
        f"With no other machine's values to tell the scatter: {found.alone} ({found.alone / len(found.compared):.1%})."
    )


@app.command("record")
def record_command(profile: Profile = book.LAPTOP, build: Build = None) -> None:
    """Keep what was measured here in book/measured, one file for each profile and machine."""
    from advnotes.publish.measured import record

    for path in record(book.find_root(), profile):
        console.print(f"kept in {os.path.relpath(path)}")


@app.command("bind")
def bind_command(profile: Profile = book.LAPTOP, build: Build = None) -> None:
    """Render the site from what has been executed, without executing anything."""
    from advnotes.publish.bind import bind

    console.print(f"The book is at {bind(book.find_root(), profile)}")


@app.command("book")
def book_command(
    profile: Profile = book.LAPTOP,
    jobs: Jobs = None,
    backend: Backend = "threading",
    scheduler: Scheduler = None,
    force: Force = False,
    timeout: Timeout = 3600,
    here: Here = False,
    build: Build = None,
) -> None:
    """All of it: execute what has changed, score the claims, render the site."""
    from advnotes.publish.bind import bind

    started = time.perf_counter()
    root = book.find_root()
    if not _run(root, [], profile, jobs, backend, scheduler, force, timeout, here):
        raise typer.Exit(1)
    _score(root, profile)
    index = bind(root, profile)
    console.print(f"The book is at {index} ({time.perf_counter() - started:.0f} s)")


@app.command("list")
def list_command(
    profile: Profile = book.LAPTOP,
    names_only: Annotated[bool, typer.Option("--names", help="Only the names, one a line.")] = False,
    build: Build = None,
) -> None:
    """The chapters, in the book's order, and which of them have to be executed."""
    from advnotes.publish.run import plan

    found = book.chapters(book.find_root())
    if names_only:
        console.print(Text("\n".join(chapter.name for chapter in found)))
        return
    for p in plan(found, profile):
        state = p.reason or f"current, {p.state}"
        console.print(Text(f"  {p.chapter.name:<28} {state:<40} {p.chapter.title}"))


def main() -> None:
    """Run the command line: 1 for a failed chapter, comparison or claim, 2 for a mistake in the call."""
    try:
        with stopping_on_signals():
            app()
    except (ValueError, RuntimeError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"advnotes: {error}", style="red"))
        sys.exit(2 if isinstance(error, ValueError) else 1)


if __name__ == "__main__":
    main()
