"""The names, arguments and defaults that a reuser relies on, and the options of the command line.

A changed line is a change for everybody who calls it: CHANGELOG.md names it, and
``python -m tests.advnotes.test_signatures`` writes the list anew.
"""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from advnotes.cli import app

LIST = Path(__file__).with_name("signatures.txt")
MODULES = (
    *(
        "advnotes",
        "advnotes.attacks",
        "advnotes.audio",
        "advnotes.claims",
        "advnotes.data",
        "advnotes.decisions",
        "advnotes.defences",
        "advnotes.fast",
        "advnotes.gan",
        "advnotes.generators",
        "advnotes.invariance",
    ),
    *(
        "advnotes.losses",
        "advnotes.messages",
        "advnotes.metrics",
        "advnotes.nets",
        "advnotes.plots",
        "advnotes.robust",
    ),
    *("advnotes.sklearn", "advnotes.sliders", "advnotes.testing", "advnotes.threats", "advnotes.zoo"),
)


def arguments(thing: object) -> str:
    """The arguments of a callable without annotations; a default that has no short form is named by its type."""

    def shown(argument: inspect.Parameter) -> str:
        if argument.default is argument.empty:
            return str(argument.replace(annotation=argument.empty))
        text = repr(argument.default)
        name = getattr(argument.default, "__qualname__", type(argument.default).__qualname__)
        return f"{argument.name}={name if ' at 0x' in text or len(text) > 60 else text}"

    return ", ".join(map(shown, inspect.signature(thing).parameters.values()))  # type: ignore[arg-type]


def public() -> Iterator[str]:
    """A line for each public callable."""
    for name in MODULES:
        module = importlib.import_module(name)
        for attribute in sorted(module.__all__):
            thing = getattr(module, attribute)
            raised = inspect.isclass(thing) and issubclass(thing, Exception)
            if (inspect.isclass(thing) or inspect.isroutine(thing)) and not raised:
                yield f"{name}.{attribute}({arguments(thing)})"


def options(command: Any, path: str = "advnotes") -> Iterator[str]:
    """A line for each command of the command line, with its options' defaults."""
    given = [f"{one.opts[0]}={one.default!r}" for one in command.params]
    yield " ".join([path, *given])
    for name, inner in sorted(vars(command).get("commands", {}).items()):
        yield from options(inner, f"{path} {name}")


def lines() -> list[str]:
    """Everything that the list holds."""
    return [*public(), *options(typer.main.get_command(app))]


def test_no_argument_and_no_default_has_changed_unnoticed() -> None:
    assert lines() == LIST.read_text(encoding="utf8").splitlines()


if __name__ == "__main__":
    LIST.write_text("\n".join(lines()) + "\n", encoding="utf8")
