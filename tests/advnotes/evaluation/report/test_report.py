"""A report says what was found, and nothing is lost on the way to a file and back."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from advnotes.attacks import FGSM
from advnotes.evaluation import AttackResult, Example, Finding, Report
from advnotes.metrics import Proportion
from advnotes.threats import Linf

FINDING = Finding(
    "saturated loss", "masking", "[red] 40% are zero.", "No slope.", "A margin.", (FGSM(Linf(0.1)),)
)


def report(**changes: Any) -> Report:
    """Six samples of three classes: one is wrong, two fall."""
    made: dict[str, Any] = dict(
        model="net [bold]",
        parameters=1234,
        model_hash="ab" * 32,
        data_hash="cd" * 32,
        shape=(1, 2, 2),
        classes=3,
        bounds=(0.0, 1.0),
        norm="Linf",
        eps=8 / 255,
        seed=0,
        labels=(0, 0, 1, 1, 2, 2),
        predictions=(0, 0, 1, 0, 2, 2),
        adversarial_predictions=(0, 1, 1, 0, 0, 2),
        fooled_by=(-1, 0, -1, -1, 1, -1),
        attacks=(
            AttackResult("APGD-CE", tried=5, fooled=1, seconds=1.5, passes=500),
            AttackResult(
                "Square", tried=4, fooled=1, seconds=2.5, passes=900, unverified=1, settings="Square()"
            ),
        ),
        options={},
        curve=((0.0, Proportion(5, 6)), (8 / 255, Proportion(3, 6))),
        curve_attack="PGD",
        findings=(FINDING,),
        notes=("DLR was replaced.",),
        examples=(Example(1, 0, 0, 1, "APGD-CE", torch.rand(1, 2, 2), torch.rand(1, 2, 2)),),
        environment="here",
        date="2025-01-01T00:00:00+00:00",
        seconds=4.5,
    )
    return Report(**made | changes)


def test_shares_are_counted_from_the_verdicts() -> None:
    r = report()
    assert r.clean == Proportion(5, 6)
    assert r.robust == Proportion(3, 6)
    assert r.robust_mask == (True, False, True, False, False, True)
    assert r.per_class == {
        0: (Proportion(2, 2), Proportion(1, 2)),
        1: (Proportion(1, 2), Proportion(1, 2)),
        2: (Proportion(2, 2), Proportion(1, 2)),
    }
    assert r.masking == (FINDING,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Linf, eps = 8/255"),
        ({"eps": 0.2}, "Linf, eps = 0.2"),
        ({"eps": 0.3}, "Linf, eps = 0.3"),
        ({"eps": 8 / 255, "bounds": (-1.0, 1.0)}, "Linf, eps = 0.0313725"),
        ({"eps": (0.1, 4 / 255, 0.1), "norm": "L2"}, "L2, eps = each sample's own, from 4/255 to 0.1"),
        ({"eps": 12.0, "norm": "L1"}, "L1, eps = 12"),
    ],
)
def test_the_threat_is_said_as_people_write_it(changes: dict[str, Any], said: str) -> None:
    assert report(**changes).threat == said


def test_json_brings_everything_back() -> None:
    r = report()
    again = Report.from_json(r.to_json())
    assert again == r
    for one, other in zip(r.examples, again.examples, strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.x_adv, other.x_adv)
    assert (again.seconds, again.date, again.environment) == (r.seconds, r.date, r.environment)
    assert again.attacks[0].seconds == 1.5
    assert again.to_json().replace('"remedies"', "") == r.to_json()
    tree = json.loads(r.to_json())
    assert tree["robust"]["count"] == 3
    assert tree["robust"]["low"] < 0.5 < tree["robust"]["high"]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-1, 2)), min_size=1))
def test_any_verdicts_come_back(rows: list[tuple[int, int, int]]) -> None:
    labels, predictions, fooled_by = (tuple(column) for column in zip(*rows, strict=True))
    r = report(
        labels=labels, predictions=predictions, adversarial_predictions=predictions, fooled_by=fooled_by
    )
    assert Report.from_json(r.to_json()) == r
    assert r.robust.count <= r.clean.count


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a report is JSON"),
        ("[]", "expected a report of the schema"),
        ('{"schema": "advnotes.report/99"}', "got 'advnotes.report/99'"),
        ('{"schema": "advnotes.report/2"}', "incomplete or damaged"),
    ],
)
def test_what_is_no_report_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Report.from_json(text)


def test_two_reports_are_equal_where_every_verdict_is() -> None:
    r = report()
    assert report(seconds=9.0, date="later", environment="there") == r
    assert report(fooled_by=(-1, 1, -1, -1, 1, -1)) != r
    assert report(model_hash="ef" * 32) != r
    attacks = (dataclasses.replace(r.attacks[0], seconds=9.0), r.attacks[1])
    assert report(attacks=attacks) == r


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "new" / "report.json"
    assert report().save(target) == target
    assert Report.from_json(target.read_text(encoding="utf-8")) == report()
    kept = target.read_bytes()

    def full(*arguments: object, **options: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="no space"):
            report(seed=5).save(target)
    assert target.read_bytes() == kept
    assert [file.name for file in target.parent.iterdir()] == ["report.json"]
    with pytest.raises(ValueError, match=r"as \.json or \.html, got 'report\.pdf'"):
        report().save(tmp_path / "report.pdf")


def test_the_page_is_saved_by_its_suffix(tmp_path: Path) -> None:
    text = report().save(tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.lower().startswith("<!doctype html>")
    assert "saturated loss" in text


def test_a_terminal_and_plain_text_say_the_same() -> None:
    r = report()
    stream = io.StringIO()
    Console(file=stream, width=200).print(r)
    for text in (stream.getvalue(), str(r)):
        for said in ("1,234", "8/255", "50.0%", "83.3%", "not to be trusted", "APGD-CE", "DLR was replaced."):
            assert said in text
        assert "masking: saturated loss. [red] 40% are zero. No slope. A margin." in text, "no markup is read"
        assert "net [bold]" in text
    assert "not to be trusted" not in str(report(findings=()))
