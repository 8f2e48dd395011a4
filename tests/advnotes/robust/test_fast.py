"""Fast adversarial training: its one step, where it starts, and the watch that says when no more is withstood."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.attacks import FGSM
from advnotes.data import batches
from advnotes.loop import History, State
from advnotes.robust import (
    AdversarialTraining,
    CatastrophicOverfittingWarning,
    FastAdversarialTraining,
    OverfittingWatch,
    fast,
)
from advnotes.threats import L2, Linf
from tests.advnotes.robust.small import batch, net


def test_the_step_is_the_papers():
    model, (x, y), eps = net(), batch(), 0.2
    x = x.round()  # at both ends of the range, where clipping the start would show
    torch.manual_seed(2)
    start = (x + eps * (2 * torch.rand(len(x), 16).view_as(x) - 1)).requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(start), y), start)
    delta = (start.detach() - x + 1.25 * eps * gradient.sign()).clamp(-eps, eps)
    expected = F.cross_entropy(model((x + delta).clamp(0, 1)), y)

    torch.manual_seed(2)
    torch.testing.assert_close(FastAdversarialTraining(model, Linf(eps)).model_loss(x, y), expected)


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.4)])
def test_without_a_random_start_a_step_of_eps_is_fgsm(threat):
    model, (x, y) = net(), batch()
    fast = FastAdversarialTraining(model, threat, step=1.0, random_start=False)
    assert torch.equal(fast.model_loss(x, y), AdversarialTraining(model, FGSM(threat)).model_loss(x, y))


def test_one_forward_and_one_backward_more_than_ordinary_training():
    model, (x, y) = net(), batch()
    forward, weight_gradients = [], []
    model.register_forward_hook(lambda module, inputs, output: forward.append(len(output)))
    model[1].weight.register_hook(lambda gradient: weight_gradients.append(1))
    FastAdversarialTraining(model, Linf(0.1)).model_loss(x, y).backward()
    assert forward == [len(x)] * 2
    assert weight_gradients == [1]  # the attack's backward pass takes no gradient of the weights


def test_warmup_grows_the_radius_and_the_step():
    model, (x, y) = net(), batch(64)
    game = FastAdversarialTraining(model, Linf(0.2), warmup=2)
    reach = []
    for _ in range(3):
        game.model_loss(x, y)
        moved = game.current_attack()(model, x, y)
        reach.append(float((moved - x).abs().max()))
    assert reach == [pytest.approx(r, abs=1e-6) for r in (0.1, 0.2, 0.2)]


def looked(model: nn.Module, watch: OverfittingWatch, metrics: list[dict[str, float]], step: int) -> None:
    """One look, as play makes it."""
    game = AdversarialTraining(model, None, share=0.0)
    state = State(game, step, 0, averages={}, history=History({}, [], metrics, {}))
    metrics.append({"step": float(step), **watch(state)})


class Scripted(nn.Module):
    """Right where the first coordinate says so, up to a radius that differs between FGSM and PGD."""

    def __init__(self, robust: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.robust = robust

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        away = self.scale * (x - 0.5).abs().sum(dim=1)
        # A wall at 0.1: PGD's random starts and shorter steps land beneath it, FGSM's jump of 0.2 goes over it.
        score = 0.5 - away if self.robust else torch.where(away < 0.19, 0.1 - away, away - 0.1)
        return torch.stack([score, -score], dim=1)


SAMPLES = (torch.full((20, 1), 0.5) + 0.01, torch.zeros(20, dtype=torch.int64))


def test_a_model_that_withstands_one_step_only_is_named_once():
    watch, metrics = OverfittingWatch(*SAMPLES, Linf(0.2), patience=1), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        looked(Scripted(robust=True), watch, metrics, step=10)
    with pytest.warns(CatastrophicOverfittingWarning, match=r"at step 20: 100% of 20 .* 0% withstand 10"):
        looked(Scripted(robust=False), watch, metrics, step=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the gap was open already
        looked(Scripted(robust=False), watch, metrics, step=30)
        looked(Scripted(robust=True), watch, metrics, step=40)
    with pytest.warns(CatastrophicOverfittingWarning, match="at step 50"):
        looked(Scripted(robust=False), watch, metrics, step=50)
    assert [row["pgd accuracy"] for row in metrics] == [1, 0, 0, 1, 0]
    assert [row["fgsm accuracy"] for row in metrics] == [1] * 5


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0.9, 0.0)], []),  # the first look has nothing to compare with
        ([(0.4, 0.0), (0.7, 0.1), (0.8, 0.2), (0.9, 0.85)], []),  # one step first, several on their way
        ([(0.4, 0.0), (0.7, 0.16), (0.8, 0.16), (0.9, 0.4)], []),  # one look without a rise may be chance
        ([(0.2, 0.1), (0.5, 0.0), (0.9, 0.0), (0.9, 0.0)], [3]),
        ([(0.9, 0.8), (0.9, 0.1), (0.9, 0.3), (0.9, 0.8), (0.9, 0.2), (0.9, 0.2)], [3, 6]),
        ([(0.5, 0.45), (0.55, 0.36), (0.55, 0.36)], []),  # a gap of 19 points
    ],
)
def test_the_warning_is_for_a_gap_that_does_not_close(monkeypatch, pairs, expected):
    values = iter([value for pair in pairs for value in pair])
    monkeypatch.setattr(fast, "robust_accuracy", lambda *arguments, **options: next(values))
    watch, metrics, warned = OverfittingWatch(*SAMPLES, Linf(0.2)), [], []
    for step in range(1, len(pairs) + 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            looked(Scripted(robust=True), watch, metrics, step)
        warned += [step] * len(caught)
    assert warned == expected


def test_the_watch_keeps_the_weights_of_its_best_look():
    watch, metrics, good, bad = (
        OverfittingWatch(*SAMPLES, Linf(0.2), gap=0.99),
        [],
        Scripted(True),
        Scripted(False),
    )
    good.scale.data.fill_(0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CatastrophicOverfittingWarning)
        looked(bad, watch, metrics, 1)
        looked(good, watch, metrics, 2)
        looked(bad, watch, metrics, 3)
    assert watch.best is not None
    assert float(watch.best["scale"]) == pytest.approx(0.7)
    good.scale.data.fill_(0.1)
    assert float(watch.best["scale"]) == pytest.approx(0.7)  # a copy


def test_the_watch_in_play_leaves_the_training_as_it_was_and_can_stop_it():
    x, y = batch(32)

    def trained(callbacks) -> tuple[torch.Tensor, History]:
        game = FastAdversarialTraining(net(), Linf(0.1))
        torch.manual_seed(3)
        optimizer = torch.optim.SGD(game.model.parameters(), lr=0.1)
        history = play(
            game,
            batches(x, y, batch_size=8),
            optimizer,
            steps=6,
            callbacks=callbacks,
            callback_every=2,
            progress=False,
        )
        return torch.cat([p.detach().flatten() for p in game.model.parameters()]), history

    watch = OverfittingWatch(x, y, Linf(0.1), gap=0.9)
    alone, watched = trained([]), trained([watch])
    assert torch.equal(alone[0], watched[0])
    assert [row["step"] for row in watched[1].metrics] == [2, 4, 6]
    assert {"clean accuracy", "fgsm accuracy", "pgd accuracy"} <= set(watched[1].metrics[0])

    game, collapsed = (
        AdversarialTraining(Scripted(robust=False), None, share=0.0),
        batches(*SAMPLES, batch_size=5),
    )
    optimizer, watch = (
        torch.optim.SGD(game.parameters(), lr=1e-6),
        OverfittingWatch(*SAMPLES, Linf(0.2), patience=1),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", CatastrophicOverfittingWarning)
        with pytest.raises(CatastrophicOverfittingWarning, match="at step 4"):
            play(game, collapsed, optimizer, steps=8, callbacks=[watch], callback_every=2, progress=False)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FastAdversarialTraining(net(), Linf(0.1), step=0.0), "step must be a finite number above 0"),
        (lambda: FastAdversarialTraining(net(), Linf(0.1), warmup=-1), "warmup must be"),
        (lambda: OverfittingWatch(*SAMPLES, Linf(0.1), gap=0.0), "gap is a difference"),
        (lambda: OverfittingWatch(*SAMPLES, Linf(0.1), gap=1.0), "gap is a difference"),
        (lambda: OverfittingWatch(*SAMPLES, Linf(0.1), patience=0), "patience must be a whole number"),
        (lambda: OverfittingWatch(*SAMPLES, Linf(0.1), steps=1), "at least 2"),
        (lambda: OverfittingWatch(SAMPLES[0] + 1, SAMPLES[1], Linf(0.1)), "within"),
    ],
)
def test_bad_arguments_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_resumed_watch_goes_on_where_it_was():
    first, metrics = OverfittingWatch(*SAMPLES, Linf(0.2)), []
    looked(Scripted(robust=True), first, metrics, step=10)
    looked(Scripted(robust=False), first, metrics, step=20)
    resumed = OverfittingWatch(*SAMPLES, Linf(0.2))
    resumed.load_state_dict(first.state_dict())
    assert resumed.state_dict() == {"best": first.best, "highest": 1.0, "shortfalls": 1}
    with pytest.warns(CatastrophicOverfittingWarning, match="at step 30"):  # the second call in a row
        looked(Scripted(robust=False), resumed, metrics, step=30)
    assert resumed.best is first.best
