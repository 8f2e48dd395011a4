"""One attack on one batch: what is believed of what it brings back, and what it leaves behind."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advnotes.attacks import Square
from advnotes.evaluation.batch import BatchAttacker, record_masking_warnings, seeded
from advnotes.evaluation.inputs import EvaluationData
from advnotes.gradients import MaskedGradientWarning
from advnotes.model_state import GuardedModel, PassCounter
from advnotes.threats import L1, L2, Linf, Threat
from tests.advnotes.evaluation import models

X, Y = models.points(20)
ALL, CPU = torch.arange(20), torch.device("cpu")


def attacker_of(
    model: Any = None, fast_model: Any = None, threat: Threat | None = None, **options: Any
) -> BatchAttacker:
    model = model or models.Linear()
    bounds, x = options.pop("bounds", (0.0, 1.0)), options.pop("x", X)
    data = EvaluationData(x, Y, torch.arange(20), threat or Linf(0.05), bounds, CPU, torch.arange(20))
    guarded = GuardedModel(model, CPU)
    return BatchAttacker(guarded, fast_model or guarded, data, **options)


def goes(where: Any, threat: Threat | None = None) -> models.Goes:
    # Past the attack's own checks of settings: what it returns is looked at by the attacker.
    return models.Goes(threat or Linf(0.05), where)


@pytest.mark.parametrize("rows", [ALL, torch.tensor([3, 17, 8]), torch.tensor([5])])
def test_verdicts_are_the_closed_form_s(rows: Tensor) -> None:
    model, attack = models.Linear(), models.climb(Linf(0.05))
    part = attacker_of(model).run("PGD", attack, attack.threat, rows)
    stands = model.withstands(X, Y, 0.05)
    assert torch.equal(part.fooled, ~stands[rows])
    assert torch.equal(part.claimed, part.fooled)
    assert torch.equal(part.predictions != Y[rows], part.fooled)
    assert torch.equal(part.rows, rows)
    assert part.distances.dtype == torch.float64
    assert (part.distances <= 0.05).all()
    assert (part.passes, part.zero_gradient, part.skipped) == (6 * len(rows), False, "")


@pytest.mark.parametrize(("keep", "count"), [(None, 20), (0, 0), (3, 3), (50, 20)])
def test_so_many_inputs_that_fooled_are_kept(keep: int | None, count: int) -> None:
    model = models.Linear()
    fools_half = goes(lambda x: x)
    kept = attacker_of(model, keep=keep).run("none", fools_half, fools_half.threat, ALL)
    wrong = (model(X).argmax(dim=1) != Y).nonzero().squeeze(1)
    assert torch.equal(kept.kept_rows, wrong[:keep])
    flipped = attacker_of(lambda x: -model(x), keep=keep)
    part = flipped.run("PGD", models.climb(Linf(0.5)), Linf(0.5), ALL)
    assert part.fooled.all()
    assert torch.equal(part.kept_rows, ALL[:count])
    assert part.points.shape == (count, 6)
    assert (flipped.predict(part.points) != Y[:count]).all()


@pytest.mark.parametrize("threat", [Linf(0.05), L2(0.2), L1(0.4)])
def test_rounding_is_no_cheating_and_what_is_beyond_it_is(threat: Threat) -> None:
    x = torch.rand(20, 3000, generator=torch.Generator().manual_seed(0))
    direction = threat.project(torch.randn(20, 3000, generator=torch.Generator().manual_seed(1)))

    def towards(factor: float) -> Any:
        return lambda x: (x + factor * direction).clamp(-1, 2)

    judge = attacker_of(lambda x: x[:, :2], x=x, threat=threat, bounds=(-1.0, 2.0))
    part = judge.run("edge", goes(towards(1.0), threat), threat, ALL)
    assert (part.distances <= threat.eps).all(), "a distance is never reported as more than eps"
    assert (part.distances > 0.99 * threat.eps).all()
    with pytest.raises(RuntimeError, match=rf"the attack far left the threat.*{type(threat).__name__} norm"):
        judge.run("far", goes(towards(1.01), threat), threat, ALL)


def test_a_radius_of_each_sample_is_looked_at_by_itself() -> None:
    eps = torch.full((20,), 0.1)
    eps[13] = 0.02
    judge = attacker_of(threat=Linf(eps))
    with pytest.raises(RuntimeError, match=r"Linf norm 0\.05, and eps is 0\.02\. Give it the threat"):
        judge.run("half", goes(lambda x: x + 0.05, Linf(eps)), Linf(eps), ALL)
    rest = ALL[ALL != 13]
    attack = goes(lambda x: x + 0.05, Linf(eps))
    assert len(judge.run("half", attack, Linf(eps), rest).rows) == 19


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (lambda x: x[:-1], r"returned torch\.float32 of shape \(19, 6\) for inputs in .* of shape \(20, 6\)"),
        (lambda x: x.double(), r"returned torch\.float64 of shape \(20, 6\)"),
        (lambda x: x.view(20, 2, 3), r"of shape \(20, 2, 3\)"),
        (lambda x: None, "returned NoneType for inputs"),
        (lambda x: x.masked_fill(x == x[7, 2], torch.nan), r"left the range of the input, \[0, 1\]"),
        (lambda x: x - 0.5, r"left the range .* values from -0\..*Clip them to its bounds"),
        (lambda x: x + 0.5, r"left the range .* to 1\."),
    ],
)
def test_what_is_no_input_is_an_error_that_names_the_attack(where: Any, message: str) -> None:
    class Careless(models.Goes):
        def __call__(self, model, x, y, generator=None):  # type: ignore[no-untyped-def]
            return self.where(x)

    attack = Careless(Linf(0.05), where)
    with pytest.raises(RuntimeError, match="the attack Careless.*" + message):
        attacker_of().run("Careless", attack, attack.threat, ALL)


def test_results_depend_on_the_sample_its_seed_and_the_salt_alone() -> None:
    attack = Square(Linf(0.05), queries=4)
    judge = attacker_of(keep=None)
    whole = judge.run("Square", attack, attack.threat, ALL)
    torch.manual_seed(99)
    parts = [judge.run("Square", attack, attack.threat, rows) for rows in ALL.flip(0).split(7)]
    assert 0 < whole.fooled.sum() < 20
    for field in ("fooled", "predictions", "distances"):
        together = torch.cat([getattr(part, field) for part in parts])
        torch.testing.assert_close(together.flip(0), getattr(whole, field))
    salted = judge.run("Square", attack, attack.threat, ALL, salt=12345)
    assert not torch.equal(salted.distances, whole.distances) or not torch.equal(salted.fooled, whole.fooled)


def test_most_answers_of_a_model_that_draws_decide() -> None:
    class Coin(nn.Module):
        """Right in three of five answers, of which the first is wrong."""

        turn = 0

        def forward(self, x: Tensor) -> Tensor:
            self.turn += 1
            right = torch.nn.functional.one_hot(Y[: len(x)], 2).to(x)
            return right if self.turn % 5 > 1 else 1 - right

    for votes in (5, 15):
        assert torch.equal(attacker_of(Coin(), votes=votes).predict(X), Y)
    assert torch.equal(attacker_of(Coin()).predict(X), 1 - Y), "one answer decides where it is the only one"
    part = attacker_of(Coin(), votes=5).run("none", goes(lambda x: x), Linf(0.05), ALL)
    assert not part.fooled.any()


def test_only_a_model_without_gradients_has_attacks_left_out() -> None:
    def compares(x: Tensor) -> Tensor:
        return models.Linear()((x > 0.5).float())

    attack = models.climb(Linf(0.05))
    with pytest.raises(ValueError, match="in a differentiable way"):
        attacker_of(compares).run("PGD", attack, attack.threat, ALL)
    part = attacker_of(compares, skip_gradient_attacks=True).run("PGD", attack, attack.threat, ALL)
    assert part.skipped.startswith("the loss does not depend on the input")
    assert (part.predictions == -1).all()
    assert not (part.fooled | part.claimed).any()
    assert len(part.kept_rows) == len(part.points) == 0
    large = models.Large(Linf(0.05))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        attacker_of(skip_gradient_attacks=True).run("Large", large, large.threat, ALL)


def test_a_copy_proposes_and_the_model_decides_within_each_radius() -> None:
    """The copy takes some samples for fooled that are not: those alone are attacked again, each in its own ball."""
    eps = torch.linspace(0.01, 0.1, 20)
    model, attack = models.Linear(), models.climb(Linf(eps))
    rows = ALL.flip(0)

    def timid(x: Tensor) -> Tensor:
        """The model, but for samples of which the first coordinate is small: there it lies."""
        logits: Tensor = model(x)
        return torch.where(x[:, :1] < 0.5, -logits, logits)

    asked: list[int] = []

    def judged(x: Tensor) -> Tensor:
        asked.append(len(x))
        return model(x)

    part = attacker_of(judged, fast_model=timid, threat=attack.threat).run("PGD", attack, attack.threat, rows)
    assert torch.equal(part.fooled, ~model.withstands(X, Y, eps)[rows])
    assert (part.distances <= eps[rows]).all()
    assert asked[0] == 20
    assert 0 < asked[1] < 20, "what the copy and the model agree on is not attacked again"


def test_a_counted_model_counts_samples() -> None:
    counted = PassCounter(models.Linear())
    for size in (3, 20):
        assert torch.equal(counted(X[:size]), models.Linear()(X[:size]))
    assert counted.passes == 23


def test_the_global_generator_comes_back_after_an_error_too() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    draws = []

    def draw(first: int, error: Exception | None = None) -> None:
        with seeded(torch.tensor([first, 8]), CPU):
            draws.append(torch.rand(3))
            if error is not None:
                raise error

    for first in (-5, -5, 6):
        with pytest.raises(KeyError):
            draw(first, KeyError())
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    draw(6)
    assert torch.equal(draws[3], draws[2])

    def fails(x: Tensor) -> Tensor:
        torch.rand(1)
        raise ZeroDivisionError

    attack = models.climb(Linf(0.05))
    with pytest.raises(ZeroDivisionError):
        attacker_of(fails).run("PGD", attack, attack.threat, ALL)
    assert torch.equal(torch.get_rng_state(), before)


def test_masked_gradients_are_collected_and_other_warnings_go_on() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with record_masking_warnings() as spots:
            warnings.warn("3 of 5 samples gave no gradient", MaskedGradientWarning, stacklevel=1)
            warnings.warn("mind this", UserWarning, stacklevel=1)
    assert spots == ["3 of 5 samples gave no gradient"]
    assert [str(warning.message) for warning in said] == ["mind this"]
    flat = attacker_of(lambda x: models.Linear()(x) * 0 + torch.eye(2)[Y[: len(x)]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flat.run("PGD", models.climb(Linf(0.05)), Linf(0.05), ALL).zero_gradient
