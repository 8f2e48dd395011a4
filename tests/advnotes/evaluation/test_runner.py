"""What an evaluation knows while it runs: asked step by step, and what lower precision may do to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advnotes import zoo
from advnotes.attacks import FAB, FGSM, PGD, DeepFool, Square
from advnotes.data import mnist
from advnotes.evaluation import evaluate
from advnotes.evaluation.batch import VOTES, BatchAttacker
from advnotes.evaluation.curve import measure_curve
from advnotes.evaluation.distributed import ProcessGroup
from advnotes.evaluation.inputs import EvaluationData
from advnotes.evaluation.probe import Probe, probe
from advnotes.evaluation.runner import EvaluationRunner
from advnotes.losses import margin_loss
from advnotes.model_state import GuardedModel
from advnotes.threats import Linf, Threat
from tests.advnotes.evaluation import models

X, Y = models.points(20)


def runner_of(
    model: Any = None,
    threat: Threat | None = None,
    order: Tensor | None = None,
    batch_size: int = 6,
    **options: Any,
) -> EvaluationRunner:
    """One of the samples in another order than they came."""
    order = torch.arange(20).flip(0) if order is None else order
    threat = (threat or Linf(0.05)).rows(order)
    model = model or models.Linear()
    data = EvaluationData(X[order], Y[order], order.clone(), threat, (0.0, 1.0), torch.device("cpu"), order)
    guarded = GuardedModel(model, torch.device("cpu"))
    attacker = BatchAttacker(guarded, guarded, data, keep=None, votes=options.pop("votes", 1))
    return EvaluationRunner(attacker, ProcessGroup(), batch_size, progress=False, **options)


def probed(model: Any, batch_size: int = 6) -> Probe:
    one = runner_of(model)
    return probe(one.attacker.model, one.data, batch_size)


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
    one = runner_of(batch_size=batch_size)
    assert one.notes == []
    said = models.Linear()(X).argmax(dim=1)
    predictions = one.predict()
    assert torch.equal(predictions, said.flip(0))
    assert torch.equal(one.data.as_given(predictions), said)


def test_radii_are_given_back_in_the_order_of_the_data() -> None:
    eps = torch.linspace(0, 0.1, 20, dtype=torch.float64)
    assert runner_of(threat=Linf(eps)).data.eps == tuple(eps.tolist())
    assert runner_of(threat=Linf(0.05)).data.eps == 0.05
    assert runner_of(threat=Linf(torch.tensor(0.25))).data.eps == 0.25


def test_an_attack_sees_what_those_before_it_have_left() -> None:
    one, threat = runner_of(), Linf(0.05)
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
    weak, strong, late = one.run(named, predictions)
    right = models.Linear().withstands(X, Y, 0.0)
    stands = models.Linear().withstands(X, Y, 0.05)
    assert weak.tried == int(right.sum())
    assert weak.fooled == int((right & ~models.Linear().withstands(X, Y, 0.02)).sum())
    assert strong.tried == weak.tried - weak.fooled
    assert late.tried == sum(seen) == int(stands.sum())
    assert late.fooled == 0
    fooled_by = one.data.as_given(one.state.fooled_by)
    assert torch.equal((fooled_by < 0) & right, stands)
    assert (fooled_by[~right] == -1).all(), "what is wrong already was fooled by nobody"
    assert torch.equal(
        one.data.as_given(one.state.predictions)[~right], models.Linear()(X).argmax(dim=1)[~right]
    )
    assert set(one.state.points) == set((one.state.fooled_by >= 0).nonzero().squeeze(1).tolist())
    assert torch.equal(one.state.distances.isfinite(), one.state.fooled_by >= 0)


def test_the_curve_counts_what_fell_within_each_radius() -> None:
    one, model = runner_of(), models.Linear()
    predictions = one.predict()
    one.run({"PGD": models.climb(Linf(0.05))}, predictions)
    factors = [0.0, 0.5, 1.0, 2.0]
    points, how = measure_curve(one, factors, predictions == one.data.y)
    assert "PGD (margin loss, 20 steps)" in how
    assert measure_curve(one, [], predictions == one.data.y) == ((), "")
    for factor, (radius, share) in zip(factors, points, strict=True):
        assert radius == pytest.approx(0.05 * factor)
        assert (share.count, share.total) == (int(model.withstands(X, Y, radius).sum()), 20)


def test_a_first_look_tells_models_apart() -> None:
    assert probed(models.Linear()) == (2, False, True)
    assert probed(models.Noisy().eval()) == (2, True, True)
    assert probed(Answers(lambda x: models.Linear()(x).detach())) == (2, False, False)


def test_a_model_that_draws_is_asked_often_with_the_same_draws_in_each_run() -> None:
    one = runner_of(models.Noisy().eval(), votes=VOTES)
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
        (lambda x: x.sum(dim=1), r"one number for each sample, of shape \(6,\).*advnotes\.nets\.TwoLogits"),
        (lambda x: x.sum(dim=1, keepdim=True), r"shape \(6, 1\).*advnotes\.nets\.TwoLogits"),
        (lambda x: nn.Linear(2, 2), "returns a network, a Linear: it makes models"),
        (lambda x: x[:1], r"got \(1, 6\)"),
        (lambda x: {"logits": x}, "must return a tensor of logits, got dict"),
        (lambda x: x.view(len(x), 2, 3), r"got \(6, 2, 3\)"),
    ],
)
def test_a_first_answer_that_is_no_logits_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        probed(Answers(answer))


@pytest.mark.parametrize("answer", [lambda x: x.log_softmax(dim=1), lambda x: x.sigmoid(), lambda x: x])
def test_what_only_resembles_probabilities_is_taken(answer: Any) -> None:
    assert probed(Answers(answer)).classes == 6


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_logits_that_are_not_finite_are_refused_and_the_first_of_the_data_named(value: float) -> None:
    bad = X[[4, 17]]

    def answer(x: Tensor) -> Tensor:
        hit = (x[:, None] == bad[None]).all(dim=2).any(dim=1)
        logits = models.Linear()(x)
        return torch.where(hit[:, None], torch.full_like(logits, value), logits)

    for batch_size, first in ((20, 4), (3, 17)):  # the first batch of the reversed order that has one
        with pytest.raises(ValueError, match=f"logits of sample {first} are not finite .*a logarithm of 0"):
            runner_of(Answers(answer), batch_size=batch_size).predict()


def test_processes_with_other_samples_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gather = ProcessGroup.gather
    monkeypatch.setattr(ProcessGroup, "gather", lambda group, work: [*gather(group, work), "another"])
    with pytest.raises(ValueError, match="given different samples: give each the same ones"):
        evaluate(models.Linear(), (X, Y), Linf(0.05), [FGSM(Linf(0.05))], progress=False)


def test_what_an_attack_could_not_do_is_said_once_for_all() -> None:
    one = runner_of(Answers(lambda x: models.Linear()((x > 0.5).float())))
    one.attacker.skip_gradient_attacks = True
    attacks = {"first": models.climb(Linf(0.05)), "second": FGSM(Linf(0.05))}
    results = one.run(attacks, one.predict())
    assert [result.tried for result in results] == [0, 0]
    (line,) = one.attack_notes.lines()
    assert line.startswith("Left out: first, second. the loss does not depend on the input")
    flat = runner_of(Answers(lambda x: 0 * models.Linear()(x) + torch.tensor([1.0, 0.0])))
    flat.run(dict.fromkeys(["one", "other"], models.climb(Linf(0.05))), flat.predict())
    (line,) = flat.attack_notes.lines()
    assert line.startswith("one, other met gradients that were zero or not finite")


def test_a_batch_that_has_no_room_is_halved_until_one_sample_is_left() -> None:
    class Larger(models.Large):
        def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    one = runner_of(batch_size=20)
    sizes: list[int] = []
    run = one.attacker.run

    def noted(name: str, attack: Any, threat: Any, rows: Tensor, salt: int) -> Any:
        sizes.append(len(rows))
        return run(name, attack, threat, rows, salt)

    one.attacker.run = noted  # type: ignore[method-assign, assignment]
    attack = models.Large(Linf(0.05), steps=5, loss=margin_loss)
    (result,) = one.run({"Large": attack}, one.predict())
    assert max(sizes) > 4
    assert sum(size for size in sizes if size <= 4) == result.tried
    with pytest.raises(torch.cuda.OutOfMemoryError):
        runner_of().run({"Larger": Larger(Linf(0.05))}, runner_of().predict())


def test_a_report_has_each_note_once() -> None:
    settings: dict[str, Any] = dict(diagnose=False, curve=False, progress=False)
    report = evaluate(models.Noisy().eval(), (X, Y), Linf(0.05), [FGSM(Linf(0.05))], **settings)
    assert len(report.notes) == 1
