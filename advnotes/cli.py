"""The command line ``advnotes``: how robust is a model (``evaluate``), what to cite (``cite``), and the book."""

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
    help="How robust is a model (`evaluate`), what to cite (`cite`), and the book (all the other commands).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False, soft_wrap=True)

#: What the extra `book` brings; without it these commands say so.
BOOK = ("run", "verify", "score", "record", "bind", "pdf", "epub", "book", "list")


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
        str,
        typer.Option(
            metavar="NAME",
            help="standard (AutoAttack), plus (more of it), quick (a first look), or MODULE:NAME of a list of attacks "
            "or of a function that makes one.",
        ),
    ] = "standard",
    size: Annotated[
        int | None, typer.Option(min=1, help="Evaluate only so many samples, the first ones.")
    ] = None,
    bounds: Annotated[tuple[float, float], typer.Option(help="The range of the input.")] = (0.0, 1.0),
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Samples at a time; by default by the size of an input.")
    ] = None,
    pad_batches: Annotated[
        bool,
        typer.Option(
            "--pad-batches", help="Fill every batch up, for a model that was made for one --batch-size."
        ),
    ] = False,
    device: Annotated[str | None, typer.Option(help="Such as cuda; by default where the model is.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="bfloat16: attacks compute in it; successes are verified without it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="What all randomness comes from.")] = 0,
    name: Annotated[str | None, typer.Option(help="What the report calls the model.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Keep what was found there, and resume from what is there.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Write the inputs after the attacks, as .safetensors with x and y.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one page.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    diagnosis: Annotated[
        bool, typer.Option("--diagnosis/--no-diagnosis", help="Look for masked gradients first.")
    ] = True,
    curve: Annotated[
        bool, typer.Option("--curve/--no-curve", help="Measure accuracy against eps too.")
    ] = True,
    certify: Annotated[
        bool, typer.Option("--certify", help="Prove a lower bound of the robust accuracy too.")
    ] = False,
    certify_seconds: Annotated[
        float | None, typer.Option(help="Prove for so many seconds, however far that leads.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where gradients are masked.")] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Exit with 1 where the robust accuracy is lower, such as 0.4."),
    ] = None,
) -> None:
    """How robust is a model? The worst case over many attacks, sample by sample, and what makes it doubtful.

    Several processes share the work: torchrun --nproc-per-node 2 -m advnotes.cli evaluate ...
    """
    for option, path, suffix in (
        ("html", html, ".html"),
        ("json", json, ".json"),
        ("keep", keep, ".safetensors"),
    ):
        if path is not None:
            if path.suffix != suffix:
                raise ValueError(f"--{option} wants a file {suffix}, got {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
    from advnotes.evaluation import command_line, evaluate

    try:
        report = evaluate(
            command_line.load_model(model),
            command_line.load_data(data, size),
            command_line.parse_threat(threat),
            command_line.load_attacks(attacks),
            bounds=bounds,
            size=size,
            batch_size=batch_size,
            pad_batches=pad_batches,
            seed=seed,
            diagnose=diagnosis,
            curve=curve,
            certify=certify if certify_seconds is None else certify_seconds,
            folder=folder,
            keep=keep is not None,
            name=name or model,
            precision=command_line.parse_precision(precision),
            device=device,
        )
    except KeyboardInterrupt:
        advice = "the same command resumes it" if folder else "with --folder it could be resumed"
        _complain(f"stopped: {advice}")
        raise typer.Exit(130) from None
    except Exception as error:
        if isinstance(error, (ValueError, RuntimeError)) or (line := command_line.user_error(error)) is None:
            raise
        raise ValueError(line) from error
    if os.environ.get("RANK", "0") == "0":
        _show(report, [path for path in (html, json) if path is not None])
        if keep is not None:
            console.print(Text(f"The inputs after the attacks are at {report.save_adversarial(keep)}"))
    too_low = fail_under is not None and report.robust.value < fail_under
    if too_low:
        _complain(f"robust accuracy {report.robust.value:.1%} is below {fail_under:.1%}")
    if too_low or (strict and report.masking):
        raise typer.Exit(1)


@app.command("cite")
def cite_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Such as PGD or DRAGAN; the package itself where none is named."),
    ] = None,
) -> None:
    """Print the papers that methods stand for, in BibTeX."""
    from advnotes.citations import bibtex

    print(bibtex(*names or ()))


def _show(report: Report, paths: list[Path]) -> None:
    """Print a report and write it to files."""
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
    from advnotes.publish.signals import exit_on_signals
except ModuleNotFoundError as _missing:
    if (_missing.name or "").startswith("advnotes"):
        raise
    _anything = {"allow_extra_args": True, "ignore_unknown_options": True}
    for _name in BOOK:
        app.command(_name, context_settings=_anything, rich_help_panel="The book")(_without_book)
else:
    _guarded = exit_on_signals
    for _command in _book.registered_commands:
        _command.rich_help_panel = "The book"
        app.registered_commands.append(_command)


def main() -> None:
    """Run the command line. Exit codes: 2 for a mistake in the call, 1 for what failed or is not as it should be."""
    try:
        with _guarded():
            app()
    except (ValueError, RuntimeError) as error:
        _complain(str(error))
        sys.exit(2 if isinstance(error, ValueError) else 1)


if __name__ == "__main__":
    main()
