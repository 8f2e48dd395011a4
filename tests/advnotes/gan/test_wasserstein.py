"""Wasserstein GANs and the slope penalty against critics whose slope is known."""

import pytest
import torch
from torch import Tensor, nn

from advnotes import play
from advnotes.gan import WGAN, WGANGP, SlopePenalty, gradient_norm_penalty
from advnotes.nets import mlp


class Cone(nn.Module):
    """A critic whose gradient at x is x itself."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).square().sum(dim=1, keepdim=True) / 2


def test_a_linear_critic_pays_for_its_weights_length() -> None:
    critic = nn.Linear(5, 1)
    expected = (critic.weight.norm() - 1.5).square()
    for x in (torch.zeros(1, 5), torch.randn(7, 5)):
        torch.testing.assert_close(gradient_norm_penalty(critic, x, 1.5), expected)


def test_lengths_are_of_each_sample_by_itself_over_all_its_pixels() -> None:
    """Slopes 5 and 1: neither of the mean gradient, nor of the batch's gradients in a row, nor of single columns."""
    x = torch.tensor([[3.0, 4.0], [-1.0, 0.0]])
    assert gradient_norm_penalty(Cone(), x).item() == pytest.approx((16 + 0) / 2)
    assert gradient_norm_penalty(Cone(), x.view(2, 1, 1, 2).repeat(9, 1, 1, 1)).item() == pytest.approx(8)
    assert gradient_norm_penalty(Cone(), torch.full((3, 1, 4, 4), 2.0)).item() == pytest.approx((8 - 1) ** 2)


def test_its_gradient_agrees_with_finite_differences_and_no_slope_gives_none() -> None:
    torch.manual_seed(0)
    critic, x = mlp(3, 8, 1, activation=nn.Tanh).double(), torch.randn(4, 3, dtype=torch.float64)
    weight, h = critic[0].weight, 1e-6
    (exact,) = torch.autograd.grad(gradient_norm_penalty(critic, x), weight)
    ends = []
    for sign in (1, -2):
        weight.data[2, 1] += sign * h
        ends.append(gradient_norm_penalty(critic, x).item())
    assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(exact[2, 1].item(), rel=1e-6)
    flat = nn.Linear(3, 1)
    nn.init.zeros_(flat.weight)
    (gradient,) = torch.autograd.grad(gradient_norm_penalty(flat, x.float()), flat.weight)
    assert torch.equal(gradient, torch.zeros(1, 3))


def test_it_can_be_measured_without_training_and_leaves_the_callers_tensor_alone() -> None:
    x = torch.randn(4, 3)
    with torch.no_grad():
        assert gradient_norm_penalty(mlp(3, 8, 1), x) > 0
    assert not x.requires_grad


class Shift(nn.Module):
    """A generator that puts everything in one place."""

    def __init__(self, place: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.full((1, 2), place))

    def forward(self, z: Tensor) -> Tensor:
        return self.place.expand(len(z), 2)


def test_the_losses_are_a_linear_critics_difference() -> None:
    critic = nn.Linear(2, 1)
    nn.init.constant_(critic.weight, 0.5)
    gan = WGAN(Shift(3.0), critic, 1, clip=1.0)
    real = torch.zeros(6, 2)
    assert gan.discriminator_loss(real).item() == pytest.approx(3.0)
    assert gan.generator_loss(real).item() == pytest.approx(-3.0 - critic.bias.item())


def test_no_loss_is_ever_taken_with_a_weight_beyond_the_clip() -> None:
    torch.manual_seed(0)
    gan = WGAN(mlp(2, 4, 2), mlp(2, 8, 1), 2, clip=0.05)
    for player in gan.players:
        nn.init.constant_(gan.discriminator[0].weight, 7.0)
        gan(player, torch.randn(4, 2)).backward()
        assert max(p.abs().max() for p in gan.discriminator.parameters()) <= 0.05
        assert torch.equal(gan.discriminator[0].weight, torch.full((8, 2), 0.05))


def test_the_clipped_critic_finds_a_multiple_of_the_distance() -> None:
    """A linear critic, data at 0 and a generator that stands at (3, 3): the corner of the box, 2 * c * 3."""
    gan = WGAN(Shift(3.0), nn.Linear(2, 1), 1, clip=0.1, moves=3)
    optimizers = {name: torch.optim.SGD(p.parameters(), lr=0.1) for name, p in gan.players.items()}
    optimizers["generator"].param_groups[0]["lr"] = 1e-9
    history = play(gan, [torch.zeros(4, 2)], optimizers, steps=10, progress=False)
    assert -history.losses["discriminator"][-1] == pytest.approx(0.6, rel=1e-5)


def test_the_points_in_between_have_a_share_of_their_own_each() -> None:
    """One share for the batch, or one for each pixel, would put them elsewhere than on their segments."""
    seen: list[Tensor] = []

    class Watching(Cone):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach())
            return super().forward(x)

    torch.manual_seed(0)
    gan = WGANGP(Shift(1.0), Watching(), 1)
    real = torch.zeros(50, 2)
    gan.discriminator_loss(real)
    between = next(x for x in seen if len(x[:, 0].unique()) > 2)
    assert torch.equal(between[:, 0], between[:, 1])
    assert len(between[:, 0].unique()) == 50
    assert 0 <= between.min() < 0.1 < 0.9 < between.max() <= 1


def test_gradient_penalty_adds_weight_times_the_penalty() -> None:
    critic = nn.Linear(2, 1)
    nn.init.constant_(critic.weight, 2.0)
    gan = WGANGP(Shift(1.0), critic, 1, weight=3.0)
    length = 8**0.5
    assert gan.discriminator_loss(torch.zeros(5, 2)).item() == pytest.approx(4.0 + 3 * (length - 1) ** 2)


@pytest.mark.parametrize("kind", [WGAN, WGANGP])
def test_the_critic_moves_first_and_more_often(kind: type[WGAN] | type[WGANGP]) -> None:
    gan = kind(mlp(2, 4, 2), mlp(2, 4, 1), 2, moves=3)
    assert gan.turns == ("discriminator",) * 3 + ("generator",)
    with pytest.raises(ValueError, match="moves must be a whole number of at least 1, got 0"):
        kind(mlp(2, 4, 2), mlp(2, 4, 1), 2, moves=0)


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="clip must be a finite number above 0, got 0"):
        WGAN(mlp(2, 4, 2), mlp(2, 4, 1), 2, clip=0.0)
    with pytest.raises(ValueError, match="weight must be a finite number of at least 0, got -1"):
        WGANGP(mlp(2, 4, 2), mlp(2, 4, 1), 2, weight=-1.0)
    with pytest.raises(ValueError, match="one logit for each of 4 samples"):
        WGAN(mlp(2, 4, 2), mlp(2, 4, 3), 2).discriminator_loss(torch.randn(4, 2))


def test_points_between_need_as_many_samples_on_either_side() -> None:
    with pytest.raises(
        ValueError, match=r"as many generated samples as real ones.*got 6 and 8: let the batches"
    ):
        SlopePenalty()(mlp(3, 4, 1), torch.rand(8, 3), torch.rand(6, 3))
    with pytest.raises(ValueError, match="got 1 and 8"):  # which would be broadcast
        SlopePenalty()(mlp(3, 4, 1), torch.rand(8, 3), torch.rand(1, 3))


def test_what_is_measured_in_inference_mode_has_its_penalty() -> None:
    game = WGANGP(mlp(2, 4, 3), mlp(3, 4, 1), 2)
    found = []
    for mode in (torch.no_grad, torch.inference_mode):
        torch.manual_seed(0)
        with mode():
            found.append(float(game.discriminator_loss(torch.rand(5, 3))))
    assert found[0] == found[1]
