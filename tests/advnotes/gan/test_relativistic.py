"""The relativistic pairing: its losses by hand, what it does not see, and two numbers, where it is the plain GAN."""

import math

import pytest
import torch
from torch import Tensor, nn

from advnotes import play
from advnotes.gan import (
    GAN,
    R1,
    R2,
    ConditionalGAN,
    Conditioned,
    ParticleGAN,
    Particles,
    RelativisticGAN,
    dirac_gan,
)
from advnotes.nets import mlp


class Listed(nn.Module):
    """A generator that makes given points, whatever it is asked."""

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self.points = nn.Parameter(points)

    def forward(self, z: Tensor) -> Tensor:
        return self.points


REAL, FAKE = torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([[0.5], [3.0], [0.0]])


def line() -> RelativisticGAN:
    """The discriminator's logit is 2 x + 5."""
    slope = nn.Linear(1, 1)
    nn.init.constant_(slope.weight, 2.0)
    nn.init.constant_(slope.bias, 5.0)
    return RelativisticGAN(Listed(FAKE), slope, 1)


def test_the_losses_are_those_of_a_pair_being_told_apart() -> None:
    game, leads = line(), [2 * (0.5), 2 * (-1.0), 2 * (-1.0)]
    chance = [1 / (1 + math.exp(-lead)) for lead in leads]  # that the real one is taken for it
    assert game.discriminator_loss(REAL).item() == pytest.approx(-sum(map(math.log, chance)) / 3, rel=1e-6)
    assert game.generator_loss(REAL).item() == pytest.approx(
        -sum(math.log(1 - c) for c in chance) / 3, rel=1e-6
    )


def test_a_threshold_is_not_seen_and_order_within_pairs_is() -> None:
    game, other = line(), line()
    nn.init.constant_(other.discriminator.bias, -40.0)
    for loss in ("discriminator_loss", "generator_loss"):
        torch.testing.assert_close(
            getattr(game, loss)(REAL), getattr(other, loss)(REAL), rtol=1e-4, atol=1e-5
        )
    assert game.discriminator_loss(REAL.flip(0)) != game.discriminator_loss(REAL)
    game.discriminator_loss(REAL).backward()
    assert game.discriminator.bias.grad.item() == pytest.approx(0.0, abs=1e-7)


def test_the_generator_goes_where_its_loss_falls() -> None:
    game = line()
    (slope,) = torch.autograd.grad(game.generator_loss(REAL), game.generator.points)
    leads = 2 * (REAL - FAKE)
    torch.testing.assert_close(slope, -2 * torch.sigmoid(leads) / 3)


@pytest.mark.parametrize("penalties", [[], [R1(0.3), R2(0.3)]])
def test_with_two_numbers_it_is_the_plain_gan(penalties: list[nn.Module]) -> None:
    """The real logit is 0 there: nothing to compare with."""
    paths = []
    for kind in (GAN, RelativisticGAN):
        game = dirac_gan(kind, (0.8, -0.5), penalties=penalties).double()
        optimizers = {n: torch.optim.SGD(p.parameters(), lr=0.1) for n, p in game.players.items()}
        play(game, [torch.zeros(4, 1, dtype=torch.float64)], optimizers, steps=50, progress=False)
        paths.append((game.generator.theta.item(), game.discriminator.weight.item()))
    assert paths[0] == pytest.approx(paths[1], rel=1e-9)


def test_pairs_are_of_one_class_in_a_conditional_game() -> None:
    class Conditional(ConditionalGAN, RelativisticGAN):
        pass

    torch.manual_seed(0)
    seen = []

    class Judge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = mlp(2, 1)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            seen.append(y)
            return self.network(x)

    game = Conditional(Conditioned(mlp(5, 2), 3), Judge(), 2, classes=3)
    y = torch.tensor([2, 0, 1, 1])
    game.discriminator_loss(torch.randn(4, 2), y)
    game.generator_loss(torch.randn(4, 2), y)
    assert len(seen) == 4
    assert all(torch.equal(labels, y) for labels in seen)


def test_unequal_numbers_are_refused() -> None:
    class Pairs(RelativisticGAN, ParticleGAN):
        pass

    game = Pairs(Particles(torch.rand(3, 1), 0.5), mlp(1, 1))
    with pytest.raises(ValueError, match="as many generated samples as real ones, got 3 and 5"):
        game.generator_loss(torch.zeros(5, 1))
