"""Interval training: bounds that hold and are tight where they can be, both ramps, and what it teaches."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.attacks import FGSM, PGD
from advnotes.data import batches
from advnotes.defences import IntervalTraining, exact_margin, interval_bounds, worst_logits
from advnotes.metrics import accuracy, robust_accuracy
from advnotes.nets import mlp
from advnotes.threats import L2, Linf
from tests.advnotes.robust.small import safe_and_frail


def digits(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(1)), torch.arange(n) % 3


def net(last: bool = True) -> nn.Sequential:
    """Three classes for pictures of 4 x 4; without a linear layer at the end its logits are those of a rectifier."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)]
    return nn.Sequential(*layers, *([] if last else [nn.ReLU()]))


@pytest.mark.parametrize("last", [True, False])
def test_no_point_of_the_ball_is_worse(last):
    model, (x, y) = net(last).double(), digits()
    x = x.double()
    worst = worst_logits(model, x, y, Linf(0.1))
    noise = 0.1 * (2 * torch.rand(2000, *x.shape).double() - 1).sign()
    points = (x + noise).clamp(0, 1)
    logits = model(points.flatten(0, 1)).view(2000, 6, 3)
    gaps = logits - logits.gather(2, y.expand(2000, 6)[..., None])
    assert (gaps <= worst + 1e-9).all()
    assert (worst.gather(1, y[:, None]) == 0).all()


def test_it_is_the_exact_margin_of_a_linear_model_and_a_lower_bound_of_others():
    x, y = torch.rand(4, 6).double(), torch.tensor([0, 1, 2, 0])
    for model, exact in ((mlp(6, 3).double(), True), (mlp(6, 8, 3).double(), False)):
        worst = worst_logits(model, x, y, Linf(0.2)).scatter(1, y[:, None], -torch.inf).amax(dim=1)
        true = exact_margin(model, x, y, Linf(0.2)).margin
        assert (-worst <= true + 1e-9).all()
        assert bool((-worst >= true - 1e-9).all()) is exact


def test_it_is_tighter_than_bounds_of_each_logit():
    model, (x, y) = net().double(), digits()
    x = x.double()
    lower, upper = interval_bounds(model, (x - 0.1).clamp(0, 1), (x + 0.1).clamp(0, 1), rounding=False)
    apart = (upper - lower.gather(1, y[:, None])).scatter(1, y[:, None], 0.0)
    worst = worst_logits(model, x, y, Linf(0.1))
    assert (worst <= apart + 1e-9).all()
    assert (worst < apart - 1e-3).any()


def test_without_a_radius_it_is_the_difference_of_the_logits():
    model, (x, y) = net(), digits()
    logits = model(x)
    torch.testing.assert_close(worst_logits(model, x, y, Linf(0.0)), logits - logits.gather(1, y[:, None]))


def test_the_loss_weighs_clean_and_worst():
    model, (x, y) = net(), digits()
    clean = F.cross_entropy(model(x), y)
    worst = F.cross_entropy(worst_logits(model, x, y, Linf(0.1)), y)
    loss = IntervalTraining(model, Linf(0.1), kappa=0.25).model_loss(x, y)
    torch.testing.assert_close(loss, 0.25 * clean + 0.75 * worst)
    assert worst >= F.cross_entropy(model(FGSM(Linf(0.1))(model, x, y)), y)


def test_the_radius_grows_and_the_clean_weight_falls_while_it_warms_up():
    model, (x, y) = net(), digits()
    game = IntervalTraining(model, Linf(0.2), kappa=0.5, warmup=4)
    for move in range(1, 7):
        grown = min(move / 4, 1.0)
        worst = F.cross_entropy(worst_logits(model, x, y, Linf(0.2 * grown)), y)
        expected = (1 - grown / 2) * F.cross_entropy(model(x), y) + grown / 2 * worst
        torch.testing.assert_close(game.model_loss(x, y), expected)
    moved = game.moves.clone()
    whole = game.eval().model_loss(x, y)
    torch.testing.assert_close(whole, IntervalTraining(model, Linf(0.2), kappa=0.5).model_loss(x, y))
    assert game.moves == moved


def test_kappa_1_is_ordinary_training():
    model, (x, y) = net(), digits()
    assert torch.equal(
        IntervalTraining(model, Linf(0.2), kappa=1.0).model_loss(x, y), F.cross_entropy(model(x), y)
    )


def test_steps_are_read_anew_where_inputs_or_the_model_change():
    game = IntervalTraining(net(), Linf(0.1))
    x, y = digits()
    game.model_loss(x, y)
    for parameter in game.model.parameters():  # as an optimizer does
        parameter.data *= 1.5
    torch.testing.assert_close(
        game.model_loss(x, y), IntervalTraining(game.model, Linf(0.1)).model_loss(x, y)
    )
    game.model = mlp(5, 7, 3)
    assert game.model_loss(torch.rand(6, 5), y).isfinite()


def test_it_learns_the_feature_that_is_safe():
    """Of two features one is perfect and within reach of the adversary: bounds rule it out, as attacks do."""
    x, y = safe_and_frail()
    found = {}
    for kappa in (1.0, 0.0):
        torch.manual_seed(0)
        game = IntervalTraining(mlp(2, 16, 2), Linf(0.2), kappa=kappa, warmup=60)
        optimizer = torch.optim.Adam(game.model.parameters(), lr=0.02)
        play(game, batches(x, y, batch_size=64), optimizer, steps=200, progress=False)
        worst = worst_logits(game.model, x, y, Linf(0.2))
        proved = float((worst.argmax(dim=1) == y).float().mean())
        attacked = float(robust_accuracy(game.model, PGD(Linf(0.2)), x, y))
        assert proved <= attacked <= float(accuracy(game.model, x, y))
        found[kappa] = proved
    assert found[1.0] < 0.2
    assert found[0.0] > 0.7


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threat": L2(0.1)}, "in Linf"),
        ({"kappa": 1.5}, "kappa must be a finite number"),
        ({"warmup": -1}, "warmup must be a whole number"),
        ({"bounds": (1, 0)}, "lowest < highest"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_options_are_told(options, says):
    with pytest.raises(ValueError, match=says):
        IntervalTraining(**({"model": net(), "threat": Linf(0.1)} | options))


@pytest.mark.parametrize(
    ("model", "y", "says"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Softmax(dim=1)), torch.tensor([0, 1]), "oftmax"),
        (
            nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3)),
            torch.tensor([0, 1]),
            "train mode",
        ),
        (net(), torch.tensor([0, 3]), "from 0 to 2, got 3"),
        (net(), torch.tensor([0.0, 1.0]), "int64|class numbers"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_models_and_labels_are_told(model, y, says):
    with pytest.raises(ValueError, match=says):
        IntervalTraining(model, Linf(0.1)).model_loss(torch.rand(2, 1, 4, 4), y)
