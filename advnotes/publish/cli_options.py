"""The options that several commands of ``advnotes`` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from advnotes.publish import chapters as book

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CHAPTER]...", help="Such as attacks/fgsm; without a name, all chapters."),
]
Profile = Annotated[str, typer.Option("--profile", help="laptop, or a file of book/profiles: smoke, gpu.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", help="Chapters that run at a time; by default one a core, and 1 at gpu."),
]
Backend = Annotated[str, typer.Option(help="joblib's backend: threading (this machine) or dask (many).")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Of the dask cluster; without it, a cluster is started on this machine."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Include what has not changed.")]
Here = Annotated[bool, typer.Option("--here", help="Execute also what was measured on another processor.")]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        metavar="NAME=VALUE",
        help="Set a parameter, in the chapters that have it, in place of the profile's; the value is YAML.",
    ),
]


def _build_in(folder: Path | None) -> Path | None:
    book.BUILD.set(folder.resolve() if folder is not None else None)
    return folder


Build = Annotated[
    Path | None,
    typer.Option(
        "--build",
        metavar="FOLDER",
        file_okay=False,
        callback=_build_in,
        help="The folder for everything that is made; by default _build.",
    ),
]
Timeout = Annotated[int, typer.Option(min=1, help="Seconds that one cell may take.")]
ChapterTimeout = Annotated[int, typer.Option(min=1, help="Seconds that a chapter may take in all.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Leave at once where another command is at work on the profile.")
]


def at_a_time(jobs: int | None, profile: str) -> int:
    """How many chapters run at a time, with a default where the option is not given."""
    if jobs is not None:
        return jobs
    if profile == "gpu":  # chapters side by side would share its memory and spoil each other's timings
        return 1
    import joblib

    return int(joblib.cpu_count())
