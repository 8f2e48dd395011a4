"""The conditional GAN: its losses, whose classes are generated, and that a trained one makes what it is asked for."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.data import batches
from advnotes.gan import ConditionalGAN, Conditioned
from advnotes.nets import mlp

CENTRES = torch.tensor([[math.cos(a), math.sin(a)] for a in (0.5, 2.6, 4.7)])


def game(width: int = 16, classes: int = 3) -> ConditionalGAN:
    generator = Conditioned(mlp(2 + classes, width, 2), classes)
    return ConditionalGAN(generator, Conditioned(mlp(2 + classes, width, 1), classes), 2, classes=classes)


def batch(n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(n) % 3
    return CENTRES[y] + 0.1 * torch.randn(n, 2), y


def test_losses_are_the_formulas_with_the_classes_of_the_batch():
    torch.manual_seed(0)
    gan, (x, y) = game(), batch()
    torch.manual_seed(1)
    with torch.no_grad():
        fake = gan.generator.network(torch.cat([torch.randn(12, 2), F.one_hot(y, 3).float()], dim=1))
    real, generated = (
        gan.discriminator.network(torch.cat([points, F.one_hot(y, 3).float()], dim=1)).sigmoid()
        for points in (x, fake)
    )
    torch.manual_seed(1)
    expected = -real.log().mean() - (1 - generated).log().mean()
    torch.testing.assert_close(gan("discriminator", x, y), expected)
    torch.manual_seed(1)
    torch.testing.assert_close(gan("generator", x, y), -generated.log().mean())


def test_samples_have_the_classes_that_are_asked_for():
    class Tells(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, z, y):
            return self.scale * y[:, None].float()

    gan = ConditionalGAN(Tells(), Conditioned(mlp(1 + 4, 8, 1), 4), 2, classes=4)
    assert gan.sample(3, labels=torch.tensor([2, 0, 3])).flatten().tolist() == [2, 0, 3]
    assert gan.sample(2, labels=1).flatten().tolist() == [1, 1]
    drawn = gan.sample(400, torch.Generator().manual_seed(0)).flatten()
    assert torch.equal(drawn, gan.sample(400, torch.Generator().manual_seed(0)).flatten())
    assert min(drawn.long().bincount(minlength=4)) > 60
    for labels in (4, torch.tensor([0, 4])):
        with pytest.raises(ValueError, match="labels must lie from 0 to 3, got 4"):
            gan.sample(2, labels=labels)
    with pytest.raises(ValueError, match="as many labels as samples, 3"):
        gan.sample(3, labels=torch.tensor([0, 1]))


def test_a_trained_one_generates_the_class_that_it_is_asked_for():
    right = []
    for seed in range(3):
        torch.manual_seed(seed)
        gan, (x, y) = game(width=32), batch(512)
        optimizers = {
            name: torch.optim.Adam(player.parameters(), 1e-2, betas=(0.5, 0.99))
            for name, player in gan.players.items()
        }
        play(gan, batches(x, y, batch_size=64), optimizers, steps=150, progress=False)
        labels = torch.arange(300) % 3
        with torch.no_grad():
            made = gan.sample(300, torch.Generator().manual_seed(0), labels=labels)
        right.append(float((torch.cdist(made, CENTRES).argmin(dim=1) == labels).float().mean()))
    assert sum(right) / 3 > 0.8  # chance is a third


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ((), r"expected batches \(x, y\)"),
        ((torch.arange(12) % 3, torch.arange(12) % 3), r"expected batches \(x, y\)"),
        ((torch.arange(12) % 4,), "labels must lie from 0 to 2, got 3 for sample 3"),
        ((torch.arange(12) % 3 - 1,), "class numbers from 0, got -1"),
        (((torch.arange(12) % 3).float(),), "y.long"),
    ],
)
def test_batches_without_their_classes_are_refused(labels, words):
    for player in ("discriminator", "generator"):
        with pytest.raises(ValueError, match=words):
            game()(player, torch.rand(12, 2), *labels)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="classes must be a whole number of at least 2, got 1"):
        game(classes=1)
