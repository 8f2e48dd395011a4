"""DRAGAN's penalty where the slope is known, and where it is taken."""

import pytest
import torch
from torch import Tensor, nn

from advnotes.gan import DRAGAN, GAN
from advnotes.nets import mlp


class Cone(nn.Module):
    """A discriminator whose gradient at x is x itself, and that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return x.flatten(1).square().sum(dim=1, keepdim=True) / 2


def game(**options: float) -> GAN:
    return GAN(mlp(2, 4, 2), Cone(), 2, penalties=[DRAGAN(**options)])


def added(gan: GAN, real: Tensor) -> float:
    """What the penalty adds to the plain loss."""
    plain = GAN(gan.generator, gan.discriminator, gan.latent_size)
    nn.init.zeros_(gan.generator[-1].weight)  # then both generate the same whatever they draw
    return gan.discriminator_loss(real).item() - plain.discriminator_loss(real).item()


def test_slopes_are_of_each_sample_by_itself() -> None:
    real = torch.tensor([[3.0, 4.0], [-1.0, 0.0]])
    gan = game(weight=2.0, noise=0.0)
    assert added(gan, real) == pytest.approx(2.0 * (16 + 0) / 2, rel=1e-5)
    assert added(gan, real.repeat(7, 1)) == pytest.approx(16.0, rel=1e-5)
    steep = game(weight=2.0, noise=0.0, slope=3.0)
    assert added(steep, real) == pytest.approx(2.0 * (4 + 4) / 2, rel=1e-5)


def test_it_is_taken_around_the_data_and_not_where_the_generator_is() -> None:
    torch.manual_seed(0)
    generator, cone = mlp(2, 4, 2), Cone()
    nn.init.constant_(generator[-1].bias, 1000.0)
    GAN(generator, cone, 2, penalties=[DRAGAN(noise=0.3)]).discriminator_loss(torch.full((4000, 2), 5.0))
    near = next(x for x in cone.seen if 0 < (x - 5).abs().max() < 3)
    assert near.mean(dim=0) == pytest.approx([5.0, 5.0], abs=0.03)
    assert near.std(dim=0) == pytest.approx([0.3, 0.3], rel=0.05)
    assert abs(torch.corrcoef(near.T)[0, 1]) < 0.06


def test_weight_0_is_the_plain_game() -> None:
    torch.manual_seed(0)
    assert added(game(weight=0.0), torch.randn(8, 2)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["weight", "noise", "slope"])
def test_what_cannot_be_meant_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a finite number of at least 0"):
        DRAGAN(**{name: -0.1})
