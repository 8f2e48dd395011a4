"""The proved end of the interval: beside a closed form, after an interruption, and where nothing can be proved."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advnotes.evaluation import Proof, Report, evaluate, proof
from advnotes.evaluation.report.html import command_line, html_page
from advnotes.metrics import Proportion
from advnotes.nets import mlp
from advnotes.threats import L2, Linf, Threat
from tests.advnotes.evaluation import models
from tests.advnotes.evaluation.report.test_html import Reader
from tests.advnotes.evaluation.reports import report as made_report

X, Y = models.points(40)


BALL = Linf(0.05)


def evaluated(model: Any = None, threat: Threat = BALL, data: Any = (X, Y), **options: Any) -> Report:
    settings: dict[str, Any] = {"certify": True, "diagnose": False, "curve": False, "progress": False}
    settings |= {"attacks": "quick"} | options
    return evaluate(models.Linear() if model is None else model, data, threat, **settings)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return mlp(6, 16, 16, 2).eval()


@pytest.mark.parametrize("threat", [Linf(0.05), L2(0.1)], ids=["Linf", "L2"])
def test_on_a_linear_model_proof_and_attack_meet(threat: Threat) -> None:
    weight = torch.linspace(-1, 1.5, 6)
    distance = (X - 0.5) @ weight * (2 * Y - 1)
    length = weight.abs().sum() if isinstance(threat, Linf) else weight.norm()
    margin = distance - threat.eps * length
    assert bool((margin.abs() > 1e-4).all()), "no case hangs on rounding"
    report = evaluated(threat=threat)
    assert report.proof is not None
    assert report.proof.proved == tuple((margin > 0).tolist()) == report.robust_mask
    assert report.certified == report.robust == Proportion(int((margin > 0).sum()), 40)
    assert report.between.startswith("exactly")
    assert report.between in str(report)


def test_a_network_lies_between() -> None:
    net = network()
    y = net(X).argmax(dim=1)
    report = evaluated(net, data=(X, y))
    assert report.certified is not None
    assert report.proof is not None
    assert report.certified.value <= report.robust.value
    assert not any(p and not r for p, r in zip(report.proof.proved, report.robust_mask, strict=True))
    shuffled = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    again = evaluated(net, data=(X[shuffled], y[shuffled]), batch_size=16)
    assert again.proof is not None
    assert [report.proof.proved[k] for k in shuffled.tolist()] == list(again.proof.proved)


def test_without_being_asked_nothing_is_proved() -> None:
    report = evaluated(certify=False)
    assert (report.proof, report.certified, report.between) == (None, None, "")
    assert "proved" not in str(report)


class Drawing(models.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.001 * torch.randn_like(x))


REFUSED: dict[str, tuple[Any, str]] = {
    "a layer without bounds": (nn.Sequential(nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 2)).eval(), "GELU"),
    "a function": (lambda x: models.Linear()(x), "torch.nn.Module"),
    "random": (Drawing(), "draws at random"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("unchecked")
def test_a_model_that_cannot_be_bounded_says_why(case: str) -> None:
    model, why = REFUSED[case]
    report = evaluated(model)
    assert report.certified is None
    assert report.proof is not None
    assert not any(report.proof.proved)
    assert why in report.proof.refusal
    assert f"nothing is proved: {report.proof.refusal}" in str(report)
    assert "Nothing could be proved of this model" in Reader(html_page(report)).text
    assert Report.from_json(report.to_json()) == report
    assert json.loads(report.to_json())["certified"] is None


class Own(Linf):
    """A ball of somebody's own: it might be larger than its name says."""


def test_a_threat_whose_ball_is_not_known_is_attacked_and_not_proved() -> None:
    report = evaluated(threat=Own(0.05))
    assert report.proof is not None
    assert "smallest of these balls" in report.proof.refusal
    assert report.robust == evaluated().robust
    assert report.certified is None


class OneSize(models.Linear):
    """Can be called with its own batch size alone."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.view(8, 6))


def test_a_model_of_one_batch_size_says_why() -> None:
    report = evaluated(OneSize(), batch_size=8, pad_batches=True)
    assert report.proof is not None
    assert report.proof.refusal.startswith("it cannot be called with three samples: RuntimeError: shape")
    assert report.robust == evaluated().robust


def test_an_error_amidst_a_proof_does_not_lose_what_the_attacks_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certify, tried = proof.certify_batch, list[int]()

    def failing(model: nn.Module, x: Tensor, *rest: Any, **options: Any) -> Any:
        tried.append(len(x))
        if len(tried) in (2, 3):
            raise RuntimeError("out of memory")
        return certify(model, x, *rest, **options)

    monkeypatch.setattr(proof, "certify_batch", failing)
    report = evaluated(folder=tmp_path, batch_size=4)
    whole = evaluated(batch_size=4)
    assert report.robust_mask == whole.robust_mask
    assert report.certified is not None
    assert report.certified.count == whole.robust.count - tried[1] - tried[2]
    note = f"The proof of {tried[1] + tried[2]} samples failed, so that they do not count as proved. RuntimeError"
    assert sum(note in each for each in report.notes) == 1
    assert evaluated(folder=tmp_path, batch_size=4) == whole, "and is tried again"


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf"), "yes"])
@pytest.mark.usefixtures("unchecked")
def test_an_effort_that_is_none_is_refused_before_any_work(wrong: Any) -> None:
    with pytest.raises(ValueError, match="certify"):
        evaluated(lambda x: pytest.fail("the model was called"), certify=wrong)


def test_what_was_proved_is_read_and_not_proved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    certify = proof.certify_batch

    def counting(model: nn.Module, x: Tensor, *rest: Any, **options: Any) -> Any:
        tried.append(len(x))
        if len(tried) == 2:
            raise KeyboardInterrupt
        return certify(model, x, *rest, **options)

    monkeypatch.setattr(proof, "certify_batch", counting)
    with pytest.raises(KeyboardInterrupt):
        evaluated(folder=tmp_path, batch_size=4)
    report = evaluated(folder=tmp_path, batch_size=4)
    assert report == evaluated(batch_size=4)
    assert report.certified == report.robust
    first, _, *resumed = tried
    before = len(tried)
    assert first + sum(resumed[: -(-report.robust.count // 4) - 1]) == report.robust.count
    assert evaluated(folder=tmp_path) == report
    assert len(tried) == before, "nothing was left to prove"


def test_a_budget_in_seconds_is_kept_apart_in_the_folder(tmp_path: Path) -> None:
    whole = evaluated(folder=tmp_path)
    hurried = evaluated(folder=tmp_path, certify=1e-6)
    assert hurried.proof is not None
    assert whole.proof is not None
    assert "1e-06 s" in hurried.proof.how
    assert not any(h and not w for h, w in zip(hurried.proof.proved, whole.proof.proved, strict=True))


def test_a_report_from_before_there_were_proofs_is_read() -> None:
    report = made_report()
    tree = json.loads(report.to_json())
    del tree["proof"], tree["certified"]
    assert Report.from_json(json.dumps(tree)) == report


def test_page_and_file_have_both_ends() -> None:
    report = made_report()
    proved = tuple(robust and k % 3 == 0 for k, robust in enumerate(report.robust_mask))
    report = dataclasses.replace(
        report, proof=Proof(proved, "By <b>bounds</b>."), options={"certify": "30.0"}
    )
    text = Reader(html_page(report)).text
    assert f"between {sum(proved) / 40:.1%} (proved) and 50.0% (not yet broken)" in text
    assert f"{20 - sum(proved)} samples between the two numbers are safe" in text
    assert "By <b>bounds</b>." in text, "escaped, and so read as text"
    assert "--certify-seconds 30.0" in command_line(report)
    tree = json.loads(report.to_json())
    assert tree["certified"]["count"] == sum(proved)
    assert Report.from_json(report.to_json()) == report
    usual = command_line(dataclasses.replace(report, options={"certify": "True"}))
    assert usual.endswith(" --certify")


def test_a_radius_that_reaches_everything_is_said_and_not_proved() -> None:
    report = evaluated(threat=Linf(1.0))
    assert report.certified is None
    assert "every other one" in str(report)
    with pytest.raises(ValueError, match="choose a smaller radius"):
        proof.certify_batch(models.Linear(), X, Y, L2(6**0.5))
    assert not bool(proof.certify_batch(models.Linear(), X, Y, L2(2.4)).proved.all())
