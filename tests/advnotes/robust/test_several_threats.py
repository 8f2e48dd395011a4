"""Several threats in one training: the worst of them for each sample, the mean of all, and their warm-up."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.attacks import FGSM, PGD
from advnotes.data import batches
from advnotes.robust import AdversarialTraining, SeveralThreats
from advnotes.threats import L2, Linf
from tests.advnotes.robust.small import batch, net


def brighter(model, x, y):
    return (x + 0.2).clamp(max=1)


def darker(model, x, y):
    return (x - 0.2).clamp(min=0)


@pytest.mark.parametrize("worst", [True, False])
def test_the_worst_is_the_mean_of_maxima_and_the_average_the_mean_of_all(worst):
    model, (x, y), attacks = net(), batch(16), [FGSM(Linf(0.1)), FGSM(L2(0.4)), brighter, darker]
    losses = torch.stack([F.cross_entropy(model(a(model, x, y)), y, reduction="none") for a in attacks])
    assert len(losses.argmax(dim=0).unique()) > 1
    expected = losses.amax(dim=0).mean() if worst else losses.mean()
    torch.testing.assert_close(SeveralThreats(model, attacks, worst=worst).model_loss(x, y), expected)


@pytest.mark.parametrize("worst", [True, False])
def test_one_attack_is_adversarial_training(worst):
    model, (x, y), attack = net(), batch(16), FGSM(Linf(0.1))
    ours = SeveralThreats(model, [attack], worst=worst).model_loss(x, y)
    assert torch.equal(ours, AdversarialTraining(model, attack).model_loss(x, y))


def test_warmup_scales_every_threat():
    (x, y), game = batch(16), SeveralThreats(net(), [FGSM(Linf(0.2)), FGSM(L2(0.4))], warmup=4)
    for fraction in (0.25, 0.5, 0.75, 1.0, 1.0):
        game.model_loss(x, y)
        linf, l2 = game.points(x, y)
        assert float((linf - x).abs().max()) == pytest.approx(0.2 * fraction, abs=1e-6)
        assert float(L2(1.0).norm(l2 - x).max()) == pytest.approx(0.4 * fraction, abs=1e-5)
    assert int(game.moves) == 4
    fresh = SeveralThreats(net(), [FGSM(Linf(0.2))], warmup=4)
    fresh.eval().model_loss(x, y)
    assert int(fresh.moves) == 0


def test_training_on_the_worst_withstands_both_where_training_on_one_does_not():
    # Three features: each of the last two separates perfectly, and each adversary reaches one of them.
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(256) % 2
    safe = torch.where(torch.rand(256, generator=generator) < 0.9, y, 1 - y).float()
    x = torch.stack([safe, y.float(), y.float()], dim=1) * 0.6 + 0.2

    def flip(column: int):
        def attack(model, x, y):
            turned = x.clone()
            turned[:, column] = 1 - turned[:, column]
            return turned

        return attack

    def weakest(attacks) -> float:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        play(
            SeveralThreats(model, attacks), batches(x, y, batch_size=64), optimizer, epochs=40, progress=False
        )
        moved = [flip(column)(model, x, y) for column in (1, 2)]
        return min(float((model(point).argmax(dim=1) == y).float().mean()) for point in moved)

    assert weakest([flip(1)]) < 0.3
    assert weakest([flip(1), flip(2)]) > 0.8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"attacks": []}, "at least one attack"),
        ({"warmup": -1}, "warmup must be"),
        ({"attacks": [brighter], "warmup": 3}, "warm-up wants"),
    ],
)
def test_bad_arguments_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        SeveralThreats(**{"model": net(), "attacks": [PGD(Linf(0.1))], **options})
