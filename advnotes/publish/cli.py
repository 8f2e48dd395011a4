"""The command line ``advnotes``: from notebooks to a book, each stage alone or all of them.

run: execute chapters. verify: execute the copies again and compare. score: collect the claims. bind: render.
pdf, epub: the site in one file.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from advnotes.publish import chapters as book
from advnotes.publish.cli_actions import (
    How,
    checked_and_locked,
    console,
    execute_all,
    make_and_tell,
    tell_comparison,
    tell_score,
)
from advnotes.publish.cli_options import (
    Backend,
    Build,
    ChapterTimeout,
    Force,
    Given,
    Here,
    Jobs,
    Names,
    NoWait,
    Profile,
    Scheduler,
    Timeout,
    at_a_time,
)
from advnotes.publish.signals import exit_on_signals

app = typer.Typer(
    help="Turn the notebooks into the book: each stage alone, or all of them with `advnotes book`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("run")
def run_command(
    names: Names = None,
    profile: Profile = book.LAPTOP,
    jobs: Jobs = None,
    backend: Backend = "threading",
    scheduler: Scheduler = None,
    force: Force = False,
    timeout: Timeout = 3600,
    chapter_timeout: ChapterTimeout = 3600,
    here: Here = False,
    given: Given = None,
    build: Build = None,
    no_wait: NoWait = False,
) -> None:
    """Execute the chapters that have changed, or that depend on what has, into _build/PROFILE/book."""
    root = book.find_root()
    with checked_and_locked(root, profile, no_wait, names, given):
        how = How(jobs, backend, scheduler, force, timeout, chapter_timeout, here)
        done = execute_all(root, names or [], profile, how, given)
    if not done:
        raise typer.Exit(1)


@app.command("verify")
def verify_command(
    names: Names = None,
    profile: Profile = "smoke",
    jobs: Jobs = None,
    force: Force = False,
    build: Build = None,
    no_wait: NoWait = False,
) -> None:
    """Execute the executed copies again with nbval and compare every output, pictures included."""
    from advnotes.publish.execution.verify import verify

    root = book.find_root()
    with checked_and_locked(root, profile, no_wait, names):
        result = verify(book.select(root, names or []), profile, jobs=at_a_time(jobs, profile), force=force)
    for name in result.agree:
        console.print(
            f"  agrees     {name}" + ("  (unchanged since it was compared)" if name in result.earlier else "")
        )
    for name, cells in result.differences.items():
        console.print(f"  [red]differs[/red]    {name}: {', '.join(cells)}")
    if result.differences:
        console.print("nbval counts code cells only, from 0; its report above shows both outputs.")
        raise typer.Exit(1)


@app.command("score")
def score_command(
    profile: Profile = book.LAPTOP,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 where a claim is missing, contradicted or unexplained."),
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Say how many verdicts the recorded machines, each judged alone, agree on.",
        ),
    ] = False,
    build: Build = None,
) -> None:
    """Collect the claims of the executed chapters, and judge them with those of the recorded machines."""
    root = book.find_root()
    if compare:
        tell_comparison(root, profile)
        return
    problems = tell_score(root, profile).problems()
    if strict and problems:
        for problem in problems:
            console.print(Text(f"  strict     {problem}", style="red"))
        raise typer.Exit(1)


@app.command("record")
def record_command(profile: Profile = book.LAPTOP, build: Build = None) -> None:
    """Keep what was measured here in book/measured, one file for each profile and machine."""
    from advnotes.publish.scorecard.measured import record

    for path in record(book.find_root(), profile):
        console.print(f"kept in {os.path.relpath(path)}")


@app.command("bind")
def bind_command(profile: Profile = book.LAPTOP, build: Build = None, no_wait: NoWait = False) -> None:
    """Render the site from what has been executed, without executing anything."""
    from advnotes.publish.site.bind import bind

    root = book.find_root()
    with checked_and_locked(root, profile, no_wait):
        index = bind(root, profile)
    console.print(f"The book is at {index}")


@app.command("pdf")
def pdf_command(profile: Profile = book.LAPTOP, build: Build = None, no_wait: NoWait = False) -> None:
    """Print the site as one PDF with Chromium, put it there, and link it from the first page."""
    make_and_tell("advnotes.pdf", profile, no_wait)


@app.command("epub")
def epub_command(profile: Profile = book.LAPTOP, build: Build = None, no_wait: NoWait = False) -> None:
    """Make an EPUB of the site, with formulas set by Chromium, put it there, and link it from the first page."""
    make_and_tell("advnotes.epub", profile, no_wait)


@app.command("book")
def book_command(
    profile: Profile = book.LAPTOP,
    jobs: Jobs = None,
    backend: Backend = "threading",
    scheduler: Scheduler = None,
    force: Force = False,
    timeout: Timeout = 3600,
    chapter_timeout: ChapterTimeout = 3600,
    here: Here = False,
    build: Build = None,
    no_wait: NoWait = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0, help="Execute only what fits into so many: changed chapters first, then others in turn."
        ),
    ] = None,
) -> None:
    """Execute what has changed, score the claims, render the site; a chapter that fails does not stop the rest."""
    from advnotes.publish.site.bind import bind

    started = time.perf_counter()
    root = book.find_root()
    with checked_and_locked(root, profile, no_wait):
        how = How(jobs, backend, scheduler, force, timeout, chapter_timeout, here)
        executed = execute_all(root, [], profile, how, minutes=minutes)
        tell_score(root, profile)
        index = bind(root, profile)
    console.print(f"The book is at {index} ({time.perf_counter() - started:.0f} s)")
    if not executed:
        console.print("[red]A chapter failed[/red]: see above; its page says so.")
        raise typer.Exit(1)


@app.command("list")
def list_command(
    profile: Profile = book.LAPTOP,
    names_only: Annotated[bool, typer.Option("--names", help="Only the names, one a line.")] = False,
    build: Build = None,
) -> None:
    """The chapters, in the book's order, and which of them have to be executed."""
    from advnotes.publish.staleness.plan import plan

    found = book.chapters(book.find_root())
    if names_only:
        console.print(Text("\n".join(chapter.name for chapter in found)))
        return
    for p in plan(found, profile):
        state = p.reason or f"current, {p.state}"
        console.print(Text(f"  {p.chapter.name:<28} {state:<40} {p.chapter.title}"))


def main() -> None:
    """Run the command line. Exit codes: 1 for a failed chapter, comparison or claim, 2 for a mistake in the call."""
    try:
        with exit_on_signals():
            app()
    except (ValueError, RuntimeError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"advnotes: {error}", style="red"))
        sys.exit(2 if isinstance(error, ValueError) else 1)


if __name__ == "__main__":
    main()
