"""The command line ``advnotes``: from notebooks to a book, each stage alone or all of them.

run: execute chapters. verify: execute the copies again and compare. score: collect the claims. bind: render.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from advnotes.publish import chapters as book
from advnotes.publish.guard import stopping_on_signals

app = typer.Typer(
    help="Turn the notebooks into the book: each stage alone, or all of them with `advnotes book`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False, soft_wrap=True)

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CHAPTER]...", help="Such as attacks/fgsm; all where none is named."),
]
Profile = Annotated[str, typer.Option("--profile", help="laptop, or a file of book/profiles: smoke, gpu.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", help="Chapters at a time [default: one a core; 1 at gpu].")
]
Backend = Annotated[str, typer.Option(help="joblib's backend: threading (this machine), dask or ray (many).")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Of the dask or ray cluster; without it, one is started here."),
]
Force = Annotated[bool, typer.Option("--force", help="Also what has not changed.")]
Timeout = Annotated[int, typer.Option(min=1, help="Seconds that one cell may take.")]


def _jobs(jobs: int | None, profile: str) -> int:
    if jobs is not None:
        return jobs
    if profile == "gpu":  # chapters side by side would share its memory and spoil each other's timings
        return 1
    import joblib

    return int(joblib.cpu_count())


def _run(
    root: Path,
    names: list[str],
    profile: str,
    jobs: int | None,
    backend: str,
    scheduler: str | None,
    force: bool,
    timeout: int,
) -> bool:
    """Execute what has to be; True where nothing failed."""
    from advnotes.publish.run import Plan, plan, run
    from advnotes.publish.worker import Result

    plans = plan(book.select(root, names), profile, force=force)
    current = [p for p in plans if not p.reason]
    for p in current:
        console.print(f"  unchanged  {p.chapter.name}  ({p.last_seconds:.1f} s when it ran)")
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

        run(
            plans,
            jobs=_jobs(jobs, profile),
            backend=backend,
            scheduler=scheduler,
            timeout=timeout,
            finished=finished,
        )
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
) -> None:
    """Execute chapters into _build/PROFILE/book, those only where something that they depend on has changed."""
    if not _run(book.find_root(), names or [], profile, jobs, backend, scheduler, force, timeout):
        raise typer.Exit(1)


@app.command("verify")
def verify_command(
    names: Names = None, profile: Profile = "smoke", jobs: Jobs = None, force: Force = False
) -> None:
    """Execute the executed copies again with nbval and compare every output, pictures included."""
    from advnotes.publish.verify import verify

    result = verify(
        book.select(book.find_root(), names or []), profile, jobs=_jobs(jobs, profile), force=force
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


def _score(root: Path, profile: str) -> bool:
    """Print the scorecard's findings; True where every claim holds, is known not to, or is not judged."""
    from advnotes.publish.score import FAILS, save, scorecard

    card = scorecard(root, profile)
    path = save(card, root)
    for row in card.having(FAILS):
        style = "yellow" if row.known else "red"
        console.print(f"  [{style}]not reproduced[/{style}]  {row.chapter}: {row.statement}", markup=True)
        console.print(Text(f"      paper {row.paper} ({row.where}), ours {row.here.text}, bound {row.bound}"))
        console.print(Text(f"      {'known: ' + row.known if row.known else 'not listed as known'}"))
    for row in card.surprises:
        console.print(
            Text(f"  holds, though listed as known not to reproduce: {row.chapter}: {row.statement}")
        )
    if card.missing:
        console.print(f"  without a current execution: {', '.join(card.missing)}")
    console.print(f"{card.summary} ({os.path.relpath(path)})")
    return not card.unexpected


@app.command("score")
def score_command(
    profile: Profile = book.LAPTOP,
    save: Annotated[bool, typer.Option("--save", help="Keep a GPU's measurements in book/measured.")] = False,
) -> None:
    """Collect the claims of the executed chapters; exit with 1 where one does not hold that should."""
    root = book.find_root()
    if save:
        from advnotes.publish.score import save_gpu

        console.print(f"kept in {os.path.relpath(save_gpu(root, profile))}")
    if not _score(root, profile):
        raise typer.Exit(1)


@app.command("bind")
def bind_command(profile: Profile = book.LAPTOP) -> None:
    """Render the site from what has been executed, without executing anything."""
    from advnotes.publish.bind import bind

    console.print(f"The book is at {bind(book.find_root(), profile)}")


@app.command("book")
def book_command(
    profile: Profile = book.LAPTOP,
    jobs: Jobs = None,
    backend: Backend = "threading",
    scheduler: Scheduler = None,
    timeout: Timeout = 3600,
) -> None:
    """All of it: execute what has changed, score the claims, render the site."""
    from advnotes.publish.bind import bind

    started = time.perf_counter()
    root = book.find_root()
    if not _run(root, [], profile, jobs, backend, scheduler, False, timeout):
        raise typer.Exit(1)
    as_claimed = _score(root, profile)
    index = bind(root, profile)
    console.print(f"The book is at {index} ({time.perf_counter() - started:.0f} s)")
    if not as_claimed:
        console.print("[red]A claim does not hold[/red] and is not listed as known not to: see above.")
        raise typer.Exit(1)


@app.command("list")
def list_command(
    profile: Profile = book.LAPTOP,
    names_only: Annotated[bool, typer.Option("--names", help="Only the names, one a line.")] = False,
) -> None:
    """The chapters, in the book's order, and which of them have to be executed."""
    from advnotes.publish.run import plan

    for p in plan(book.chapters(book.find_root()), profile):
        state = p.reason or f"current, {p.last_seconds:.1f} s"
        console.print(
            Text(p.chapter.name if names_only else f"  {p.chapter.name:<28} {state:<32} {p.chapter.title}")
        )


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
