"""What the page of a report prints to repeat it, runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest
import torch
import typer.main
from typer.core import TyperGroup

from advnotes import cli, threats
from advnotes.attacks import PGD
from advnotes.evaluation import Report, evaluate
from advnotes.evaluation.command_line import parse_precision, parse_threat
from advnotes.evaluation.report.html import command_line, html_page, python_call
from advnotes.losses import margin_loss
from advnotes.threats import L2, Linf, Threat
from tests.advnotes.evaluation import models
from tests.advnotes.evaluation.report.test_html import Reader
from tests.advnotes.evaluation.reports import report

X, Y = models.points(16)


def evaluated(threat: Threat, attacks: Any = "quick", **options: Any) -> Report:
    settings: dict[str, Any] = {"diagnose": False, "curve": False, "progress": False} | options
    return evaluate(models.Linear(), (X, Y), threat, attacks, **settings)


def parsed(command: str) -> dict[str, Any]:
    """The values that the command line's own parser reads."""
    program, name, *arguments = shlex.split(command)
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    assert program == "advnotes"
    return group.commands[name].make_context(name, arguments).params


CASES: dict[str, Callable[[], Report]] = {
    "quick": lambda: evaluated(Linf(8 / 255)),
    "precision": lambda: evaluated(L2(0.1), precision=torch.bfloat16, bounds=(-1.0, 1.0)),
    "padded": lambda: evaluated(Linf(1e-5), batch_size=5, pad_batches=True, seed=3),
    "list of attacks": lambda: evaluated(Linf(0.05), [PGD(Linf(0.05), loss=margin_loss)]),
    "with all": lambda: evaluated(Linf(0.05), diagnose=True, curve=True),
    "by hand": lambda: report(bounds=(-2.5, 1 / 3), eps=0.1),
}


@pytest.mark.parametrize("case", CASES)
def test_the_command_means_the_same_evaluation(case: str) -> None:
    made = CASES[case]()
    values = parsed(command_line(made))
    threat = parse_threat(values["threat"])
    assert (type(threat).__name__, threat.eps) == (made.norm, made.eps)
    assert tuple(values["bounds"]) == made.bounds
    assert (values["seed"], values["size"]) == (made.seed, made.size)
    listed = made.options.get("attacks") == "list"
    assert values["attacks"] == ("MODULE:ATTACKS" if listed else made.options.get("attacks", "standard"))
    assert str(parse_precision(values["precision"])) == made.options.get("precision", "None")
    assert str(values["batch_size"]) == made.options.get("batch_size", "None")
    assert str(values["pad_batches"]) == made.options.get("pad_batches", "False")
    assert (values["diagnosis"], values["curve"]) == (
        made.diagnosed,
        made.options.get("curve", "True") != "False",
    )
    text = Reader(html_page(made)).text
    assert command_line(made) in text
    assert python_call(made) in text


@pytest.mark.parametrize("case", [case for case in CASES if case != "by hand"])
def test_the_call_gives_the_same_report(case: str) -> None:
    made = CASES[case]()
    threat = getattr(threats, made.norm)(made.eps)
    names = {
        "evaluate": evaluate,
        "threats": threats,
        "torch": torch,
        "MODEL": models.Linear(),
        "X": X,
        "Y": Y,
        "ATTACKS": [PGD(threat, loss=margin_loss)],
    }
    exec(python_call(made).removesuffix(")") + ", progress=False)", names)
    assert names["report"] == made


def test_with_a_radius_for_each_sample_there_is_no_command() -> None:
    made = report(eps=tuple([0.1] * 40))
    text = Reader(html_page(made)).text
    assert "threats.Linf(EPS)" in text
    assert "advnotes evaluate" not in text
