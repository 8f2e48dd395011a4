"""Feature matching against means written out, and which layers are matched."""

import pytest
import torch
from torch import nn

from advnotes import play
from advnotes.gan import FeatureMatchingGAN
from advnotes.nets import mlp


def game(**options: nn.Module) -> FeatureMatchingGAN:
    torch.manual_seed(0)
    return FeatureMatchingGAN(mlp(2, 8, 3), mlp(3, 6, 1), 2, **options)


def loss_by_hand(gan: FeatureMatchingGAN, features: nn.Module, real: torch.Tensor) -> torch.Tensor:
    return (features(real).mean(dim=0) - features(gan.sample(len(real))).mean(dim=0)).square().sum()


def test_the_mean_features_before_the_last_layer_are_matched() -> None:
    gan, real = game(), torch.randn(9, 3)
    torch.manual_seed(1)
    found = gan.generator_loss(real)
    torch.manual_seed(1)
    torch.testing.assert_close(found, loss_by_hand(gan, gan.discriminator[:-1], real))


def test_other_layers_can_be_chosen() -> None:
    torch.manual_seed(0)
    critic = mlp(3, 6, 6, 1)
    gan, real = FeatureMatchingGAN(mlp(2, 8, 3), critic, 2, features=critic[:2]), torch.randn(9, 3)
    torch.manual_seed(1)
    found = gan.generator_loss(real)
    torch.manual_seed(1)
    torch.testing.assert_close(found, loss_by_hand(gan, critic[:2], real))


def test_a_generator_whose_mean_is_right_pays_nothing_however_wrong_its_samples_are() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.far = nn.Parameter(torch.tensor(5.0))

        def forward(self, z):
            return self.far * torch.tensor([[1.0], [-1.0]]).repeat(len(z) // 2, 1)

    critic = nn.Sequential(nn.Linear(1, 4), nn.Linear(4, 1))  # linear features see the mean only
    gan = FeatureMatchingGAN(Both(), critic, 1)
    real = torch.tensor([[0.1], [-0.1]])
    assert gan.generator_loss(real).item() == pytest.approx(0, abs=1e-10)
    assert gan.generator_loss(real + 1).item() > 0.01


def test_the_features_are_trained_with_the_discriminator() -> None:
    gan = game()
    before = gan.features[0].weight.detach().clone()
    optimizers = {name: torch.optim.SGD(player.parameters(), 0.1) for name, player in gan.players.items()}
    play(gan, [torch.randn(8, 3)], optimizers, steps=2, progress=False)
    assert gan.features[0].weight is gan.discriminator[0].weight
    assert not torch.equal(gan.features[0].weight, before)


def test_layers_that_nobody_trains_are_refused() -> None:
    with pytest.raises(ValueError, match="features must share layers with the discriminator"):
        game(features=mlp(3, 6))
    with pytest.raises(ValueError, match=r"found by themselves in an nn\.Sequential of two layers"):
        FeatureMatchingGAN(mlp(2, 8, 3), nn.Linear(3, 1), 2)


def test_a_sequential_of_ones_own_is_cut_and_one_with_a_forward_of_its_own_is_not() -> None:
    class Critic(nn.Sequential):
        def __init__(self, width: int) -> None:
            super().__init__(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 1))

    class Shifted(Critic):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x - 100)

    critic, x = Critic(4), torch.randn(5, 3)
    gan = FeatureMatchingGAN(mlp(2, 3), critic, 2)
    torch.testing.assert_close(gan.mean_features(x), critic[1](critic[0](x)).mean(dim=0))
    with pytest.raises(ValueError, match="without a forward of its own, got Shifted"):
        FeatureMatchingGAN(mlp(2, 3), Shifted(4), 2)
