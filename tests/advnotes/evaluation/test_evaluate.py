"""The evaluator against closed forms, and what it must not depend on, change or believe."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from advnotes import zoo
from advnotes.attacks import BIM, EOT, FGSM, PGD, Square, Transfer
from advnotes.data import mnist
from advnotes.evaluation import Report, evaluate
from advnotes.evaluation.batch import VOTES
from advnotes.losses import cross_entropy, margin_loss
from advnotes.threats import L1, L2, Linf
from tests.advnotes.evaluation import models

X, Y = models.points()


def quickly(
    model: Any = None, data: Any = None, threat: Any = None, attacks: Any = None, **options: Any
) -> Report:
    """An evaluation of a linear model without what takes time."""
    threat = threat or Linf(0.05)
    settings = {"diagnose": False, "curve": False, "progress": False} | options
    # As without the tests' type checker, which would answer first.
    return inspect.unwrap(evaluate)(
        models.Linear() if model is None else model,
        data if data is not None else (X, Y),
        threat,
        attacks or [models.climb(threat)],
        **settings,
    )


# What it finds


@pytest.mark.parametrize("eps", [0.01, 0.05, 0.1])
def test_the_verdicts_are_those_of_the_closed_form(eps: float) -> None:
    model = models.Linear()
    report = quickly(model, threat=Linf(eps))
    assert report.robust_mask == tuple(model.withstands(X, Y, eps).tolist())
    assert report.correct_mask == tuple(model.withstands(X, Y, 0.0).tolist())
    assert 0 < report.robust.count < report.clean.count < report.size


def test_each_sample_has_its_own_radius_in_every_batch() -> None:
    eps = torch.linspace(0, 0.15, len(X))
    model = models.Linear()
    report = quickly(model, threat=Linf(eps), batch_size=7, curve=True)
    assert report.robust_mask == tuple(model.withstands(X, Y, eps).tolist())
    assert report.eps == tuple(eps.double().tolist())
    assert dict(report.curve)[1.0] == report.robust, "the radii are multiples of each sample's own"


@settings(max_examples=5)
@given(st.permutations(range(len(X))), st.sampled_from([3, 17, 40, 50]))
def test_neither_the_order_nor_the_batch_size_changes_a_verdict(order: list[int], batch_size: int) -> None:
    attacks = [FGSM(Linf(0.03)), PGD(Linf(0.05), steps=2), Square(Linf(0.05), queries=5)]
    whole = quickly(attacks=attacks)
    rows = torch.tensor(order)
    report = quickly(data=(X[rows], Y[rows]), attacks=attacks, batch_size=batch_size)
    assert report.fooled_by == tuple(whole.fooled_by[row] for row in order)
    assert report.adversarial_predictions == tuple(whole.adversarial_predictions[row] for row in order)
    assert report.data_hash == whole.data_hash
    assert report.attacks == whole.attacks
    assert {example.index for example in whole.examples} == {
        order[example.index] for example in report.examples
    }


def test_another_seed_is_another_draw_and_the_same_one_the_same_report() -> None:
    attack = Square(Linf(0.08), queries=2)
    reports = [quickly(threat=attack.threat, attacks=[attack], seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert reports[0] == reports[1]
    assert len({report.fooled_by for report in reports}) > 1
    assert len({report.data_hash for report in reports}) == 1


@pytest.mark.parametrize(
    "data",
    [
        lambda: TensorDataset(X, Y),
        lambda: DataLoader(TensorDataset(X, Y), batch_size=9, shuffle=True),
        lambda: ((x[None], y[None]) for x, y in zip(X, Y, strict=True)),
        lambda: [[X[:3], Y[:3]], [X[3:], Y[3:]]],
        lambda: (X, Y.int()),
    ],
    ids=["dataset", "shuffling loader", "generator", "two batches", "int32 labels"],
)
def test_data_may_come_as_they_are(data: Any) -> None:
    whole = quickly()
    report = quickly(data=data())
    assert sorted(report.fooled_by) == sorted(whole.fooled_by)
    assert (report.robust, report.data_hash) == (whole.robust, whole.data_hash)


def test_no_more_is_read_than_asked_for() -> None:
    def endless() -> Any:
        while True:
            yield X[:8], Y[:8]

    assert quickly(data=endless(), size=20).size == 20


def test_samples_that_fell_leave_the_batch() -> None:
    report = quickly(attacks=[models.climb(Linf(0.05)), BIM(Linf(0.05), steps=5)])
    first, second = report.attacks
    assert first.tried == report.clean.count
    assert second.tried == first.tried - first.fooled == report.robust.count
    assert second.fooled == 0
    slow = quickly(attacks=[PGD(Linf(0.05), steps=5, best=False, loss=margin_loss)])
    assert slow.attacks[0].passes > 0
    assert slow.robust == report.robust


@pytest.mark.parametrize("threat", [Linf(0.05), L2(0.1), L1(0.15)])
def test_the_curve_falls_from_clean_through_robust(threat: Any) -> None:
    report = quickly(threat=threat, curve=True)
    radii, shares = zip(*report.curve, strict=True)
    assert radii[0] == 0
    assert list(radii) == sorted(radii)
    assert shares[0] == report.clean
    assert dict(report.curve)[float(threat.eps)] == report.robust
    counts = [share.count for share in shares]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < report.robust.count
    if isinstance(threat, Linf):
        for radius, share in report.curve:
            assert share.count == int(models.Linear().withstands(X, Y, radius).sum())
    assert "PGD" in report.curve_attack


def test_the_curve_takes_the_radii_that_are_asked_for() -> None:
    report = quickly(curve=[0.02, 0.05, 0.1, 3.0])
    assert [round(radius, 6) for radius, _ in report.curve] == [0.0, 0.02, 0.05, 0.1], "3 is beyond the range"


def test_a_batch_that_does_not_fit_is_halved(tmp_path: Path) -> None:
    attack = models.Large(Linf(0.05), steps=5, loss=margin_loss)
    report = quickly(attacks=[attack], batch_size=11, folder=tmp_path)
    assert report.fooled_by == quickly().fooled_by
    assert report.attacks[0].tried == report.clean.count
    assert quickly(attacks=[attack], folder=tmp_path) == report


def test_kept_inputs_are_what_fooled_the_model() -> None:
    model = models.Linear()
    report = quickly(model, keep=True, batch_size=6)
    assert report.adversarial is not None
    said = model(report.adversarial).argmax(dim=1)
    assert tuple(said.tolist()) == report.adversarial_predictions
    assert float((report.adversarial - X).abs().max()) <= 0.05 + 1e-6
    fell = torch.tensor(report.fooled_by) >= 0
    assert torch.equal(report.adversarial[~fell], X[~fell])
    for example in report.examples:
        assert torch.equal(example.x_adv, report.adversarial[example.index])
        assert torch.equal(example.x, X[example.index])
        assert (example.label, example.adversarial_prediction) == (
            int(Y[example.index]),
            report.adversarial_predictions[example.index],
        )


# What it believes


def test_a_model_that_draws_is_judged_by_many_answers() -> None:
    model = models.Noisy().eval()
    reports = [quickly(model, attacks=[models.climb(Linf(0.05))], batch_size=size) for size in (40, 40)]
    report = reports[0]
    assert reports[0] == reports[1], "its noise begins at what the samples are"
    assert f"most of {VOTES} answers" in report.notes[0]
    assert "early_stop=False" in report.attacks[0].settings, "no attack ends at a lucky draw"
    exact = models.Linear()
    sure = exact.withstands(X, Y, 0.05 + 0.02)
    assert all(torch.tensor(report.robust_mask)[sure])


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (models.Cheat(Linf(0.05)), r"the attack Cheat left the threat.*Linf norm 0\.1, and eps is 0\.05"),
        (models.LeavesTheRange(Linf(0.05)), "the attack LeavesTheRange left the range"),
        (models.NotANumber(), "the attack NotANumber left the range"),
        (models.WrongShape(), "the attack WrongShape returned torch.float32 of shape"),
        (PGD(L2(1.0), steps=3), "the attack PGD left the threat"),
    ],
)
def test_an_attack_that_cheats_is_named(attack: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        quickly(attacks=[attack])


def test_masked_gradients_are_noted_once_and_do_not_warn_batch_by_batch() -> None:
    model = models.Linear(scale=1e6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = quickly(model, attacks=[PGD(Linf(0.05), steps=3, loss=cross_entropy)], batch_size=5)
    assert any("zero or not finite" in note for note in report.notes)
    assert quickly(model).robust.count < report.robust.count


def test_the_diagnosis_names_what_is_masked_and_its_remedies_join_the_attacks() -> None:
    x, y = mnist("test", size=8)
    network = zoo.mnist_natural()

    class Saturated(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1e4 * network(x)

    attack = PGD(Linf(0.2), steps=5)
    model = Saturated().eval()
    blind = evaluate(model, (x, y), Linf(0.2), [attack], diagnose=False, curve=False, progress=False)
    report = evaluate(model, (x, y), Linf(0.2), [attack], curve=False, progress=False)
    assert "saturated loss" in {finding.name for finding in report.masking}
    assert len(report.attacks) > 1
    assert report.robust.count < blind.robust.count
    assert not blind.diagnosed


def test_attacks_that_a_model_without_gradients_refuses_are_left_out_and_said() -> None:
    class Rounded(models.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward((x > 0.5).float())

    report = quickly(Rounded(), threat=Linf(0.3), attacks=[models.climb(Linf(0.3))], diagnose=True)
    assert "no gradient" in {finding.name for finding in report.masking}
    assert report.attacks[0].tried == 0
    assert any(note.startswith("Left out: PGD. the loss does not depend") for note in report.notes)
    assert report.robust.count < report.clean.count, "the remedy takes no gradients"
    with pytest.raises(ValueError, match="does not depend on the input in a differentiable way"):
        quickly(Rounded(), diagnose=False)


# What it takes for the model


class Copy:
    """A copy for the attacks that takes everything for a success."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, x: Tensor) -> Tensor:
        return -self.model(x)


def test_what_only_a_copy_takes_for_a_success_is_tried_again_on_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("advnotes.evaluation.runner.prepared", lambda model, x, **options: Copy(model))
    report = quickly(batch_size=9)
    assert report.robust_mask == quickly_without_copy().robust_mask
    assert report.attacks[0].unverified == report.robust.count, "and what is left is said"
    own = quickly(attacks=[PGD(Linf(0.05), steps=5, loss=margin_loss, fast=False)])
    assert own.attacks[0].unverified == 0, "an attack that asks for the model gets the model"


def quickly_without_copy() -> Report:
    model = models.Linear()
    fooled_by = [0 if fell else -1 for fell in ~model.withstands(X, Y, 0.05) & model.withstands(X, Y, 0.0)]
    return dataclasses.replace(quickly(model), fooled_by=tuple(fooled_by))


def test_the_copy_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        "advnotes.evaluation.runner.prepared", lambda model, x, **options: made.append(options) or model
    )
    quickly(batch_size=3, attacks=[FGSM(Linf(0.05)), models.climb(Linf(0.05))], precision=torch.bfloat16)
    (options,) = made
    assert options == {"passes": 14 * (1 + 5), "precision": torch.bfloat16}


def test_half_precision_never_decides() -> None:
    x, y = mnist("test", size=12)
    network = zoo.mnist_natural()
    attack = PGD(Linf(0.07), steps=5)
    report = evaluate(
        network,
        (x, y),
        Linf(0.07),
        [attack],
        precision=torch.bfloat16,
        keep=True,
        curve=False,
        progress=False,
    )
    assert report.adversarial is not None
    assert tuple(network(report.adversarial).argmax(dim=1).tolist()) == report.adversarial_predictions
    with pytest.raises(ValueError, match="precision must be None"):
        evaluate(network, (x, y), Linf(0.07), precision=torch.float16)


@pytest.mark.parametrize(("silent", "shown"), [("0", True), ("1", False)])
def test_one_bar_says_what_is_standing(
    silent: str, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TQDM_DISABLE", silent)
    report = quickly(progress=True, attacks=[FGSM(Linf(0.05)), models.climb(Linf(0.05))], curve=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert (f"robust={report.robust.count}" in said.err) == shown
    total = 2 * report.clean.count
    assert (f"{total}/{total}" in said.err) == shown
    quickly(progress=False)
    assert capsys.readouterr().err == ""


# What it leaves as it was


def test_nothing_but_the_report_is_new() -> None:
    model = zoo.mnist_natural()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    x, y = mnist("test", size=6)
    kept = x.clone()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    evaluate(model, (x, y), Linf(0.1), [PGD(Linf(0.1), steps=2)], progress=False, curve=False)
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(x, kept)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    for parameter in model.parameters():
        assert parameter.requires_grad
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, torch.ones_like(parameter))
    assert not any(module.training for module in model.modules())


def test_float64_and_inference_mode() -> None:
    model = models.Linear().double()
    with torch.inference_mode():
        report = quickly(model, data=(X.double(), Y))
    assert report.robust_mask == tuple(models.Linear().withstands(X, Y, 0.05).tolist())


def test_a_function_of_a_module_is_a_model() -> None:
    network = models.Linear()
    report = quickly(lambda x: network(x))
    assert report.parameters == 12
    assert report.robust == quickly(network).robust
    assert "of Linear" in report.model


# What it refuses, before any work


class Probabilities(models.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(dim=1)


class NotFinite(models.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / (x[:, :1] != X[5, 0])


def broken() -> nn.Module:
    model = models.Linear()
    with torch.no_grad():
        model.layer.weight[0, 2] = torch.nan
    return model


def bad(index: int, value: float) -> Tensor:
    x = X.clone()
    x[index, 1] = value
    return x


def labelled(index: int, label: int) -> Tensor:
    y = Y.clone()
    y[index] = label
    return y


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": (bad(13, 1.5), Y)}, r"to 1\.5 in sample 13: .*normalisation into the model"),
        ({"data": (bad(7, torch.nan), Y)}, "inputs must be finite.* in sample 7"),
        ({"data": ((255 * X).byte(), Y)}, r"x\.float\(\) / 255"),
        ({"data": (X, labelled(9, 2))}, "labels must lie from 0 to 1, got 2 for sample 9"),
        ({"data": (X, labelled(4, -1))}, "labels must lie from 0 to 1, got -1 for sample 4"),
        ({"data": (X, Y.float())}, "labels must be class numbers"),
        ({"data": (X[:0], Y[:0])}, "there are no samples"),
        ({"data": iter(())}, "there are no samples"),
        ({"data": X}, "a tensor without labels"),
        ({"data": (X, ["a"] * 40)}, "must be tensors or arrays"),
        (
            {"data": (X.double().numpy(), Y.numpy())},
            r"inputs are torch\.float64, the model torch\.float32: x\.to",
        ),
        ({"data": [(X[:4], Y[:4]), (X[4:, :3], Y[4:])]}, "batch 1 has samples of shape"),
        ({"data": [{"x": X, "y": Y}]}, "batch 0 is a dict"),
        ({"data": 3}, "got int"),
        ({"size": 0}, "size must be a whole number"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"model": models.Linear().train()}, r"in train mode .*model\.eval\(\)"),
        (
            {"model": nn.Sequential(models.Linear(), nn.Dropout().train()).eval().append(nn.Dropout())},
            "its layer 2, a Dropout",
        ),
        ({"model": broken()}, r"layer\.weight of the model has 1 of 12 values"),
        ({"model": models.Linear}, "the model is the class Linear"),
        ({"model": 3}, "cannot be called"),
        ({"model": Probabilities()}, "returns probabilities.*what goes into the softmax"),
        ({"model": NotFinite()}, "logits of sample 5 are not finite"),
        ({"model": nn.Flatten(0).eval()}, "removes the batch|logits of shape"),
        ({"threat": 0.3, "attacks": [FGSM(Linf(0.1))]}, "expected a threat"),
        ({"pad_batches": True}, "pad_batches=True wants the batch size"),
        ({"device": "nowhere"}, "there is no device 'nowhere' here"),
        ({"bounds": (-torch.inf, torch.inf)}, r"bounds must be .*finite.*those of the data"),
        ({"bounds": None}, "bounds must be"),
        ({"model": RandomForestClassifier()}, r"advnotes\.attacks\.black_box\(estimator\)"),
        ({"model": lambda x: models.Linear()(x)[:, :1]}, r"advnotes\.nets\.TwoLogits"),
        ({"threat": Linf(torch.inf), "attacks": [FGSM(Linf(0.1))]}, "finite eps"),
        ({"threat": Linf(torch.ones(3) / 9), "attacks": [FGSM(Linf(0.1))]}, "3 samples, but there are 40"),
        ({"attacks": "best"}, "'standard', 'plus', 'quick'"),
        ({"attacks": [3]}, "expected attacks such as"),
        ({"attacks": FGSM(Linf(0.05))}, "a sequence of attacks"),
        ({"attacks": [FGSM(Linf(0.1))]}, r"FGSM may move inputs by Linf\(eps=0\.1\), further than"),
        ({"attacks": [FGSM(Linf(0.05), targeted=True)]}, "FGSM is targeted"),
        ({"attacks": [FGSM(Linf(0.05), training=True)]}, "training=True"),
        ({"attacks": [FGSM(Linf(0.05), bounds=(-1.0, 1.0))]}, "FGSM works in the bounds"),
        ({"curve": [-0.1]}, "curve gives radii"),
        ({"bounds": (1.0, 0.0)}, "bounds must be"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_told_with_what_where_and_how_to_mend_it(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    with pytest.raises(ValueError, match=message):
        quickly(**options, folder=folder)
    assert not folder.exists(), "no work was begun"


# Ensembles


def test_attacks_are_named_by_what_sets_them_apart_and_run_once() -> None:
    known = models.Linear()
    attacks = [
        models.climb(Linf(0.05)),
        PGD(Linf(0.05), steps=7, loss=margin_loss),
        models.climb(Linf(0.05)),
        FGSM(Linf(0.05)),
        EOT(FGSM(Linf(0.05)), samples=2),
        Transfer(FGSM(Linf(0.05)), known),
    ]
    report = quickly(attacks=attacks)
    names = [result.name for result in report.attacks]
    assert names == ["PGD (steps=5)", "PGD (steps=7)", "FGSM", "EOT of FGSM", "Transfer of FGSM"]
    assert "early_stop=True" in report.attacks[0].settings
    assert "early_stop=False" in report.attacks[-1].settings, "it would stop once the source is fooled"


@pytest.mark.parametrize("attacks", ["quick", "standard", "plus"])
def test_named_ensembles_run_on_two_classes(attacks: str) -> None:
    x, y = X[10:13], Y[10:13]
    report = quickly(data=(x, y), attacks=attacks)
    assert report.robust_mask == tuple(models.Linear().withstands(x, y, 0.05).tolist())
