"""What an attack on a classifier raises, also where the model gives no class."""

import warnings

import pytest
import torch
from torch import nn

from advnotes.attacks import APGD, BIM, FAB, PGD, Classification, Square
from advnotes.losses import cross_entropy, margin_loss
from advnotes.model_state import NonFiniteLogitsWarning
from advnotes.threats import Linf

NOT_FINITE = [float("nan"), float("inf"), -float("inf")]


def given(logits):
    """A model whose logits are its inputs."""
    return logits


@pytest.mark.parametrize("loss", [cross_entropy, margin_loss])
@pytest.mark.parametrize("bad", NOT_FINITE)
def test_no_class_is_fooled_and_never_reached_whatever_the_label(loss, bad):
    logits = torch.tensor([[0.5, 1.0, 0.0], [bad, 0.0, 1.0], [0.0, 2.0, bad]])
    for label in range(3):
        y = torch.full((3,), label)
        value, fooled = Classification(given, y, loss)(logits)
        assert fooled.tolist() == [label != 1, True, True]
        assert value[1:].tolist() == [torch.inf, torch.inf]
        aim, reached = Classification(given, y, loss, targeted=True)(logits)
        assert reached.tolist() == [label == 1, False, False]
        assert aim[1:].tolist() == [-torch.inf, -torch.inf]
        torch.testing.assert_close(value[0], loss(logits[:1], y[:1])[0])
        torch.testing.assert_close(aim[0], -value[0])


def test_some_samples_are_the_same_aim_for_these():
    logits, y = torch.rand(5, 3), torch.arange(5) % 3
    rows = torch.tensor([4, 1])
    whole = Classification(given, y, margin_loss, targeted=True)
    part = whole.rows(rows)
    for all_values, values in zip(whole(logits), part(logits[rows]), strict=True):
        assert torch.equal(all_values[rows], values)
    assert torch.equal(whole.y, y)


def test_the_shape_of_logits_is_looked_at_every_time():
    aim = Classification(lambda x: x if x.sum() < 1 else x[0], torch.tensor([0, 1]), cross_entropy)
    aim(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="a squeeze"):
        aim(torch.ones(2, 3))


class Breaks(nn.Module):
    """Right by the mean pixel, until that is farther than ``limit`` from the middle: there a logarithm breaks."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        middle = x.flatten(1).mean(dim=1) - 0.5
        room = (self.limit - middle.abs()).sqrt()  # not a number beyond the limit
        return torch.stack([-middle + 0 * room, middle + 0 * room, middle - 1], dim=1)


@pytest.mark.parametrize(
    "attack",
    [
        BIM(Linf(0.2), steps=5),
        PGD(Linf(0.2), steps=5, early_stop=True),
        APGD(Linf(0.2), steps=5),
        Square(Linf(0.2), queries=200),
    ],
    ids=lambda attack: type(attack).__name__,
)
@pytest.mark.parametrize("label", [0, 1])
def test_an_attack_takes_points_without_a_class_for_success_and_says_how_many(attack, label):
    # Half of the samples stand so far from the boundary that only the break can be reached.
    x = torch.full((6, 1, 4, 4), 0.5 + (0.25 if label else -0.25), dtype=torch.float64)
    x[3:] = 0.5 + (0.05 if label else -0.05)
    y, model = torch.full((6,), label), Breaks(0.3)
    assert (model(x).argmax(dim=1) == y).all()
    away = 1 if label else -1

    def loss(logits, y):  # leads away from the boundary, where the model breaks
        return away * (logits[:, 1] - logits[:, 0])

    attack = type(attack)(**{**vars(attack), "loss": loss})
    with pytest.warns(NonFiniteLogitsWarning) as said:
        x_adv = attack(model, x, y, torch.arange(6))
    no_class = model(x_adv).isnan().any(dim=1)
    assert no_class[:3].all()
    counts = [str(w.message) for w in said if w.category is NonFiniteLogitsWarning]
    assert len(counts) == 1
    assert counts[0].startswith(f"the logits of {int(no_class.sum())} of 6 perturbed samples are not finite")


def test_a_targeted_attack_prefers_any_class_to_none():
    x = torch.full((4, 1, 4, 4), 0.25, dtype=torch.float64)
    model, target = Breaks(0.3), torch.zeros(4, dtype=torch.int64)

    def loss(logits, y):
        return logits[:, 0] - logits[:, 1]  # its negative leads up, past the class to reach

    with warnings.catch_warnings():
        warnings.simplefilter("error", NonFiniteLogitsWarning)
        x_adv = BIM(Linf(0.6), steps=10, targeted=True, loss=loss)(model, x, target, torch.arange(4))
        FAB(Linf(0.6), steps=3, targeted=True)(model, x, 1 - target, torch.arange(4))
    assert model(x_adv).isfinite().all()
