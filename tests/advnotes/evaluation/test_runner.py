"""What an evaluation knows while it runs: asked step by step, and what lower precision may do to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advnotes import zoo
from advnotes.attacks import FAB, FGSM, PGD, DeepFool, Square
from advnotes.data import mnist
from advnotes.evaluation import evaluate, subject
from advnotes.evaluation.batch import VOTES, BatchAttacker
from advnotes.evaluation.inputs import EvaluationData
from advnotes.losses import margin_loss
from advnotes.threats import Linf, Threat
from tests.advnotes.evaluation import models

X, Y = models.points(20)


def campaign(
    model: Any = None, threat: Threat | None = None, order: Tensor | None = None, batch_size: int = 6
) -> Campaign:
    """One of the samples in another order than they came."""
    order = torch.arange(20).flip(0) if order is None else order
    threat = (threat or Linf(0.05)).rows(order)
    model = model or models.Linear()
    subjects = EvaluationData(X[order], Y[order], order.clone(), threat, (0.0, 1.0), torch.device("cpu"))
    return Campaign(BatchAttacker(model, model, subjects, keep=None), Crew(), order, batch_size, progress=False)


@pytest.mark.parametrize("name", ["mnist_natural", "mnist_robust"])
def test_half_precision_finds_the_same_verdicts_and_float32_has_said_them(name: str) -> None:
    """Of samples that stand or fall with room, each by a radius of its own: near the edge two walks may differ."""
    network, (x, y) = getattr(zoo, name)(), mnist("test", size=20)
    nearest = FAB(Linf(float("inf")), steps=15)(network, x, y, torch.arange(20))
    falls = torch.arange(20) % 2 == 1
    threat = Linf(Linf(1.0).norm(nearest - x) * torch.where(falls, 1.4, 0.6))
    # The nearest points lie where the two precisions disagree most.
    attacks = [DeepFool(threat), PGD(threat, steps=20, loss=margin_loss), Square(threat, queries=30)]
    settings: dict[str, Any] = dict(diagnose=False, curve=False, progress=False, keep=True)
    full = evaluate(network, (x, y), threat, attacks, **settings)
    half = evaluate(network, (x, y), threat, attacks, precision=torch.bfloat16, **settings)
    assert full.correct_mask == half.correct_mask == (True,) * 20
    assert full.robust_mask == half.robust_mask == tuple((~falls).tolist())
    assert half.adversarial is not None
    with torch.no_grad():
        said = network(half.adversarial).argmax(dim=1)
    assert tuple(said.tolist()) == half.adversarial_predictions
    fell = torch.tensor(half.correct_mask) & ~torch.tensor(half.robust_mask)
    assert (said != y)[fell].all()
    assert (said == y)[torch.tensor(half.robust_mask)].all()
    assert half.adversarial.dtype == torch.float32
    assert (threat.norm(half.adversarial - x) <= torch.as_tensor(threat.eps) * (1 + 1e-5)).all()


@pytest.mark.parametrize("batch_size", [1, 6, 20, 64])
def test_predictions_are_the_model_s_in_the_evaluation_s_order(batch_size: int) -> None:
    one = campaign(batch_size=batch_size)
    assert one.probe() == 2
    assert one.notes == []
    said = models.Linear()(X).argmax(dim=1)
    predictions = one.predict()
    assert torch.equal(predictions, said.flip(0))
    assert torch.equal(one.as_given(predictions), said)


def test_radii_are_given_back_in_the_order_of_the_data() -> None:
    eps = torch.linspace(0, 0.1, 20, dtype=torch.float64)
    assert campaign(threat=Linf(eps)).eps == tuple(eps.tolist())
    assert campaign(threat=Linf(0.05)).eps == 0.05
    assert campaign(threat=Linf(torch.tensor(0.25))).eps == 0.25


def test_an_attack_sees_what_those_before_it_have_left() -> None:
    one, threat = campaign(), Linf(0.05)
    predictions = one.predict()
    seen: list[int] = []

    def noted(logits: Tensor, y: Tensor) -> Tensor:
        seen.append(len(y))
        return margin_loss(logits, y)

    named = {
        "weak": FGSM(Linf(0.02), loss=margin_loss),
        "strong": models.climb(threat),
        "late": FGSM(threat, loss=noted),
    }
    weak, strong, late = one.attack(named, predictions)
    right = models.Linear().withstands(X, Y, 0.0)
    stands = models.Linear().withstands(X, Y, 0.05)
    assert weak.tried == int(right.sum())
    assert weak.fooled == int((right & ~models.Linear().withstands(X, Y, 0.02)).sum())
    assert strong.tried == weak.tried - weak.fooled
    assert late.tried == sum(seen) == int(stands.sum())
    assert late.fooled == 0
    fooled_by = one.as_given(one.fooled_by)
    assert torch.equal((fooled_by < 0) & right, stands)
    assert (fooled_by[~right] == -1).all(), "what is wrong already was fooled by nobody"
    assert torch.equal(one.as_given(one.said)[~right], models.Linear()(X).argmax(dim=1)[~right])
    assert set(one.inputs) == set((one.fooled_by >= 0).nonzero().squeeze(1).tolist())
    assert torch.equal(one.distance.isfinite(), one.fooled_by >= 0)


def test_the_curve_counts_what_fell_within_each_radius() -> None:
    one, model = campaign(), models.Linear()
    predictions = one.predict()
    one.attack({"PGD": models.climb(Linf(0.05))}, predictions)
    factors = [0.0, 0.5, 1.0, 2.0]
    points = one.curve(factors, predictions == one.subjects.y)
    for factor, (radius, share) in zip(factors, points, strict=True):
        assert radius == pytest.approx(0.05 * factor)
        assert (share.count, share.total) == (int(model.withstands(X, Y, radius).sum()), 20)


def test_a_model_that_draws_is_asked_often_and_it_is_said() -> None:
    one = campaign(models.Noisy().eval())
    one.probe()
    assert one.trial.votes == VOTES
    (note,) = one.said_of_attacks()
    assert note.startswith("The model draws at random")
    state = torch.get_rng_state()
    assert torch.equal(one.predict(), one.predict()), "its draws begin at what the samples are"
    assert torch.equal(torch.get_rng_state(), state)


class Answers(nn.Module):
    """Says what it is told to."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor) -> Any:
        return self.answer(x)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: x.softmax(dim=1), "the model returns probabilities: every row .* sums to 1.*p.clamp_min"),
        (lambda x: torch.eye(6)[x.argmax(dim=1)], "the model returns probabilities"),
        (lambda x: x.sum(dim=1), r"logits of shape \[batch, classes\] = \[6, \.\.\.\], got \(6,\)"),
        (lambda x: x.sum(dim=1, keepdim=True), r"for a binary model with logit s, return \[0, s\]"),
        (lambda x: x[:1], r"got \(1, 6\)"),
        (lambda x: {"logits": x}, "must return a tensor of logits, got dict"),
        (lambda x: x.view(len(x), 2, 3), r"got \(6, 2, 3\)"),
    ],
)
def test_a_first_answer_that_is_no_logits_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        campaign(Answers(answer)).probe()


@pytest.mark.parametrize("answer", [lambda x: x.log_softmax(dim=1), lambda x: x.sigmoid(), lambda x: x])
def test_what_only_resembles_probabilities_is_taken(answer: Any) -> None:
    assert campaign(Answers(answer)).probe() == 6


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_logits_that_are_not_finite_are_refused_and_the_first_of_the_data_named(value: float) -> None:
    bad = X[[4, 17]]

    def answer(x: Tensor) -> Tensor:
        hit = (x[:, None] == bad[None]).all(dim=2).any(dim=1)
        logits = models.Linear()(x)
        return torch.where(hit[:, None], torch.full_like(logits, value), logits)

    for batch_size, first in ((20, 4), (3, 17)):  # the first batch of the reversed order that has one
        with pytest.raises(ValueError, match=f"logits of sample {first} are not finite: a logarithm of 0"):
            campaign(Answers(answer), batch_size=batch_size).predict()
    logits = torch.zeros(3, 2)
    subject.check_finite(logits, torch.tensor([5, 1, 9]))
    logits[2, 0] = value
    with pytest.raises(ValueError, match="logits of sample 9 "):
        subject.check_finite(logits, torch.tensor([5, 1, 9]))


def test_processes_with_other_samples_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = campaign()
    one.agree("the same")
    monkeypatch.setattr(one.crew, "all", lambda work: [*work(), "another"])
    with pytest.raises(ValueError, match="given different samples: give each the same ones"):
        one.agree("the same")


def test_what_an_attack_could_not_do_is_said_once_for_all() -> None:
    one = campaign(Answers(lambda x: models.Linear()((x > 0.5).float())))
    one.trial.gradients = False
    attacks = {"first": models.climb(Linf(0.05)), "second": FGSM(Linf(0.05))}
    results = one.attack(attacks, one.predict())
    assert [result.tried for result in results] == [0, 0]
    (line,) = one.said_of_attacks()
    assert line.startswith("Left out: first, second. the loss does not depend on the input")
    flat = campaign(Answers(lambda x: 0 * models.Linear()(x) + torch.tensor([1.0, 0.0])))
    flat.attack(dict.fromkeys(["one", "other"], models.climb(Linf(0.05))), flat.predict())
    (line,) = flat.said_of_attacks()
    assert line.startswith("one, other met gradients that were zero or not finite")


def test_a_batch_that_has_no_room_is_halved_until_one_sample_is_left() -> None:
    class Larger(models.Large):
        def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    one = campaign(batch_size=20)
    sizes: list[int] = []
    run = one.trial.run

    def noted(name: str, attack: Any, threat: Any, rows: Tensor, salt: int) -> Any:
        sizes.append(len(rows))
        return run(name, attack, threat, rows, salt)

    one.trial.run = noted  # type: ignore[method-assign, assignment]
    attack = models.Large(Linf(0.05), steps=5, loss=margin_loss)
    (result,) = one.attack({"Large": attack}, one.predict())
    assert max(sizes) > 4
    assert sum(size for size in sizes if size <= 4) == result.tried
    with pytest.raises(torch.cuda.OutOfMemoryError):
        campaign().attack({"Larger": Larger(Linf(0.05))}, campaign().predict())


def test_a_report_has_each_note_once() -> None:
    settings: dict[str, Any] = dict(diagnose=False, curve=False, progress=False)
    report = evaluate(models.Noisy().eval(), (X, Y), Linf(0.05), [FGSM(Linf(0.05))], **settings)
    assert len(report.notes) == 1
