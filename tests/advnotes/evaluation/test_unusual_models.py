"""Models whose answers are not finite, that want whole batches, that fail to give gradients, or were exported."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from advnotes.attacks import FAB, FGSM, PGD, DeepFool, Square, TargetedFAB
from advnotes.evaluation import Report, diagnose, evaluate, load_adversarial
from advnotes.evaluation.batch import BatchAttacker
from advnotes.evaluation.inputs import EvaluationData
from advnotes.evaluation.model_info import PaddedModel
from advnotes.evaluation.report.html import html_page
from advnotes.evaluation.suite import costs
from advnotes.losses import margin_loss
from advnotes.model_state import NO_CLASS, GuardedModel
from advnotes.threats import Linf
from tests.advnotes.evaluation import models
from tests.advnotes.evaluation.reports import report

X, Y = models.points(40)
THREAT = Linf(0.05)


def quickly(model: Any, attacks: Any = None, **options: Any) -> Report:
    settings: dict[str, Any] = {"diagnose": False, "curve": False, "progress": False} | options
    return evaluate(
        model, settings.pop("data", (X, Y)), THREAT, attacks or [models.climb(THREAT)], **settings
    )


# Logits that are not finite


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("flip", [False, True])
def test_a_perturbed_input_without_an_answer_is_fooled_whatever_its_label(value: float, flip: bool) -> None:
    """Whatever moves to where the model has no answer counts, for labels 0 as for others."""
    linear = models.Linear()

    def model(x: Tensor) -> Tensor:
        logits = linear(x) * (-1 if flip else 1)
        return torch.where((x > 0.72).any(dim=1, keepdim=True), value, logits)

    y = model(X).argmax(dim=1)
    up = models.Goes(THREAT, lambda x: x + 0.05)
    found = quickly(model, [up], data=(X, y))
    lost = (X + 0.05 > 0.72).any(dim=1)
    assert 0 < int(lost.sum()) < 40
    assert set(y[lost].tolist()) == {0, 1}
    predictions = torch.tensor(found.adversarial_predictions)
    assert torch.equal(predictions == NO_CLASS, lost)
    assert all(torch.tensor(found.fooled_by)[lost] == 0)
    assert any(
        note.startswith(f"The logits are not finite at {int(lost.sum())} of the perturbed")
        for note in found.notes
    )
    assert "nothing (its logits are not finite)" in html_page(found)
    assert Report.from_json(found.to_json()) == found


def test_most_answers_decide_also_where_some_are_not_finite() -> None:
    def attacker(answers: list[list[float]]) -> BatchAttacker:
        rows = iter(answers * 3)
        x = torch.zeros(1, 2)
        data = EvaluationData(
            x,
            torch.zeros(1).long(),
            torch.zeros(1).long(),
            THREAT,
            (0.0, 1.0),
            torch.device("cpu"),
            torch.arange(1),
        )
        model = lambda x: torch.tensor([next(rows)])  # noqa: E731
        guarded = GuardedModel(model, torch.device("cpu"))
        return BatchAttacker(guarded, guarded, data, votes=len(answers))

    nan = torch.nan
    for answers, expected in (
        ([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], 1),
        ([[nan, 0.0], [nan, 0.0], [0.0, 1.0]], NO_CLASS),
        ([[nan, 0.0], [1.0, 0.0], [1.0, 0.0]], 0),
        ([[0.0, 1.0], [1.0, 0.0]], 0),
    ):
        assert attacker(answers).predict(torch.zeros(1, 2)).tolist() == [expected]


def test_logits_that_are_not_finite_on_noise_do_not_mean_that_the_input_is_ignored() -> None:
    linear = models.Linear()

    def model(x: Tensor) -> Tensor:
        return linear(x) / ((x > 0.2) & (x < 0.8)).all(dim=1, keepdim=True)

    assert "input ignored" not in {finding.name for finding in diagnose(model, X[:8], Y[:8], Linf(0.01))}


# Batches


class Fixed(models.Linear):
    """Made for batches of eight."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.zeros(8, 2)


@pytest.mark.parametrize(
    "attacks", [[PGD(THREAT, steps=5, loss=margin_loss), Square(THREAT, queries=20)], "quick"]
)
def test_a_model_for_one_batch_size_gets_whole_batches(attacks: Any) -> None:
    found = quickly(Fixed(), attacks, batch_size=8, pad_batches=True, diagnose=True, curve=True)
    plain = quickly(models.Linear(), attacks, batch_size=8, diagnose=True, curve=True)
    assert found.fooled_by == plain.fooled_by
    assert found.curve == plain.curve
    assert found.findings == plain.findings
    assert found.options["pad_batches"] == "True"


def test_without_whole_batches_the_error_names_the_option() -> None:
    with pytest.raises(ValueError, match=r"answered a batch of 8 .*batch_size=8, pad_batches=True"):
        quickly(Fixed(), batch_size=8)


@pytest.mark.parametrize("rows", [1, 5, 8, 19])
def test_padding_changes_neither_logits_nor_gradients(rows: int) -> None:
    x, linear = X[:rows].clone().requires_grad_(), models.Linear()
    padded = PaddedModel(Fixed(), 8)(x)
    assert torch.allclose(padded, linear(x))
    gradients = [torch.autograd.grad(logits[:, 1].sum(), x)[0] for logits in (padded, linear(x))]
    assert torch.allclose(*gradients)


def test_logits_of_every_batch_are_looked_at() -> None:
    linear = models.Linear()
    with pytest.raises(ValueError, match=r"a squeeze\(\) without a dimension"):
        quickly(lambda x: linear(x).squeeze(), batch_size=39)
    with pytest.raises(ValueError, match="must return a tensor of logits, got tuple"):
        quickly(lambda x: linear(x) if len(x) == 40 else (linear(x),))


# Gradients


class Fails(torch.autograd.Function):
    message = ""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise RuntimeError(Fails.message)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("cudnn RNN backward can only be called in training mode", r"cudnn\.flags\(enabled=False\)"),
        ("an unknown fault of the backward pass", "an unknown fault"),
    ],
)
@pytest.mark.parametrize("with_diagnosis", [False, True])
def test_an_error_of_the_backward_pass_is_no_masked_gradient(
    message: str, told: str, with_diagnosis: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fails, "message", message)
    linear = models.Linear()
    with pytest.raises(RuntimeError, match=told):
        quickly(lambda x: linear(Fails.apply(x)), "quick", diagnose=with_diagnosis)
    with pytest.raises(RuntimeError, match=told):
        diagnose(lambda x: linear(Fails.apply(x)), X, Y, THREAT)


def test_reentrant_checkpoints_get_their_remedy_and_others_are_evaluated() -> None:
    linear = models.Linear()
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        quickly(lambda x: checkpoint(linear, x, use_reentrant=True), "quick")
    found = quickly(lambda x: checkpoint(linear, x, use_reentrant=False), diagnose=True)
    assert found.fooled_by == quickly(linear).fooled_by
    assert found.findings == ()


# Exported programs


def exported(net: nn.Module) -> Any:
    rows = torch.export.Dim("rows", min=1)
    return torch.export.export(net, (X[:4],), dynamic_shapes=({0: rows},)).module()


def test_an_exported_program_is_evaluated_as_its_network_is() -> None:
    assert quickly(exported(models.Linear())).fooled_by == quickly(models.Linear()).fooled_by


@pytest.mark.parametrize("layer", [nn.Dropout(), nn.BatchNorm1d(2)])
def test_a_program_that_was_exported_in_train_mode_is_told_how_to_export_it(layer: nn.Module) -> None:
    net = nn.Sequential(models.Linear(), layer)
    with pytest.raises(ValueError, match=r"exported in train mode .*torch\.export\.export\(net\.eval\(\)"):
        quickly(exported(net.train()))
    quickly(exported(net.eval()))


# Costs, and what is kept


@pytest.mark.parametrize(
    ("attack", "classes", "told"),
    [
        (FAB(THREAT), 1000, True),
        (FAB(THREAT), 10, False),
        (TargetedFAB(THREAT), 1000, False),
        (DeepFool(THREAT, candidates=None), 1000, True),
        (DeepFool(THREAT), 1000, False),
        (FGSM(THREAT), 1000, False),
    ],
)
def test_what_is_slow_with_many_classes_is_said(attack: Any, classes: int, told: bool) -> None:
    notes = costs([attack], classes)
    assert bool(notes) == told
    assert all(f"{classes} classes" in note for note in notes)


def test_a_cost_is_said_before_the_attack_starts(capsys: pytest.CaptureFixture[str]) -> None:
    network = nn.Sequential(nn.Linear(6, 60)).eval()
    y = network(X).argmax(dim=1)
    said: list[str] = []

    class Listens(FAB):
        def perturb(self, model, x, y, generator=None):  # type: ignore[no-untyped-def]
            said.append(capsys.readouterr().err)
            return x.clone()

    found = quickly(network, [Listens(THREAT)], data=(X, y), progress=True)
    assert "each of the 60 classes" in said[0]
    assert any("each of the 60 classes" in note for note in found.notes)


def test_adversarial_inputs_are_saved_and_loaded(tmp_path: Any) -> None:
    found = quickly(models.Linear(), keep=True)
    path = found.save_adversarial(tmp_path / "new" / "points.safetensors")
    x, y = load_adversarial(path)
    assert found.adversarial is not None
    assert torch.equal(x, found.adversarial)
    assert torch.equal(y, Y)
    assert quickly(models.Linear(), data=(x, y)).clean == found.robust
    fooled = load_file(path)["fooled"]
    assert 0 < int(fooled.sum()) < len(Y), "else the next line says little"
    assert fooled.tolist() == [by >= 0 for by in found.fooled_by]
    with pytest.raises(ValueError, match=r"keep=True"):
        report().save_adversarial(path)
    with pytest.raises(ValueError, match=r"as \.safetensors"):
        found.save_adversarial(tmp_path / "points.pt")
    with pytest.raises(ValueError, match="there is no file"):
        load_adversarial(tmp_path / "nothing.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(ValueError, match="cannot be read"):
        load_adversarial(tmp_path / "text.safetensors")
