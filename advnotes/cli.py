"""The command line ``advnotes``: ``evaluate`` says how robust a model is; the other commands make the book."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from advnotes.evaluation import Report

__all__ = ["app", "main"]

app = typer.Typer(
    help="How robust is a model (`evaluate`), and the book (all the other commands).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False, soft_wrap=True)

#: What the extra `book` brings; without it these commands say so.
BOOK = ("run", "verify", "score", "record", "bind", "book", "list")


def _version(wanted: bool | None) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"advnotes {version('advnotes')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is."),
    ] = None,
) -> None:
    pass


@app.command("evaluate")
def evaluate_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:MODEL",
            help="A module on Python's path, the present folder included, or a .py file; and in it a model or what "
            "makes one without arguments. It is put into eval mode.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="MODULE:NAME of (x, y), a dataset, a loader, or what makes one; a .npz, .safetensors or .pt file with "
            "x and y; or a set and its split, such as mnist:test.",
        ),
    ],
    threat: Annotated[str, typer.Option(metavar="NORM:EPS", help="Such as linf:8/255, l2:0.5 or l1:12.")],
    attacks: Annotated[
        str, typer.Option(help="standard (AutoAttack), plus (more of it), quick (a first look).")
    ] = "standard",
    size: Annotated[int | None, typer.Option(min=1, help="Only the first so many samples.")] = None,
    bounds: Annotated[tuple[float, float], typer.Option(help="The range of the input.")] = (0.0, 1.0),
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Samples at a time; left out, by the size of an input.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Such as cuda; left out, where the model is.")] = None,
    seed: Annotated[int, typer.Option(help="What all randomness comes from.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="Keep what was found there, and go on from what is there.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one page.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    diagnosis: Annotated[
        bool, typer.Option("--diagnosis/--no-diagnosis", help="Look for masked gradients first.")
    ] = True,
    curve: Annotated[
        bool, typer.Option("--curve/--no-curve", help="Measure accuracy against eps too.")
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where gradients are masked.")] = False,
) -> None:
    """How robust is a model? The worst case over many attacks, sample by sample, and what makes it doubtful.

    Several processes share the work: torchrun --nproc-per-node 2 -m advnotes.cli evaluate ...
    """
    for path, suffix in ((html, ".html"), (json, ".json")):
        if path is not None:
            if path.suffix != suffix:
                raise ValueError(f"--{suffix[1:]} wants a file {suffix}, got {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
    from advnotes.evaluation import evaluate
    from advnotes.evaluation.sources import data_of, model_of, threat_of

    try:
        report = evaluate(
            model_of(model),
            data_of(data, size),
            threat_of(threat),
            attacks,
            bounds=bounds,
            size=size,
            batch_size=batch_size,
            seed=seed,
            diagnose=diagnosis,
            curve=curve,
            folder=folder,
            name=model,
            device=device,
        )
    except KeyboardInterrupt:
        said = "the same command goes on where it was" if folder else "with --folder it could go on"
        _complain(f"stopped: {said}")
        raise typer.Exit(130) from None
    if os.environ.get("RANK", "0") == "0":
        _tell(report, [path for path in (html, json) if path is not None])
    if strict and report.masking:
        raise typer.Exit(1)


def _tell(report: Report, paths: list[Path]) -> None:
    """Print a report and write it down."""
    console.print(report)
    for path in paths:
        console.print(Text(f"The report is at {report.save(path)}"))
    if report.masking:
        names = ", ".join(finding.name for finding in report.masking)
        console.print(
            Text(f"MASKED GRADIENTS ({names}): do not trust the robust accuracy.", style="bold red")
        )


def _complain(message: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"advnotes: {message}", style="red"))


def _without_book(context: typer.Context) -> None:
    """Makes the book; wants its tools: pip install "advnotes[book]"."""
    raise ValueError(
        f'`advnotes {context.info_name}` makes the book and wants its tools: pip install "advnotes[book]"'
    )


_guarded: Callable[[], AbstractContextManager[None]] = nullcontext
try:
    from advnotes.publish.cli import app as _book
    from advnotes.publish.guard import stopping_on_signals
except ModuleNotFoundError as _missing:
    if (_missing.name or "").startswith("advnotes"):
        raise
    _anything = {"allow_extra_args": True, "ignore_unknown_options": True}
    for _name in BOOK:
        app.command(_name, context_settings=_anything, rich_help_panel="The book")(_without_book)
else:
    _guarded = stopping_on_signals
    for _command in _book.registered_commands:
        _command.rich_help_panel = "The book"
        app.registered_commands.append(_command)


def main() -> None:
    """Run the command line: 2 for a mistake in the call, 1 for what failed, was not as claimed, or is not trusted."""
    try:
        with _guarded():
            app()
    except (ValueError, RuntimeError) as error:
        _complain(str(error))
        sys.exit(2 if isinstance(error, ValueError) else 1)


if __name__ == "__main__":
    main()
