"""BiGAN: its losses by hand, what a pair is, that joints and not marginals are matched, and that E inverts G."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from advnotes import play
from advnotes.gan import GAN, R1, R2
from advnotes.generators import BiGAN, GaussianEncoder, PairDiscriminator
from advnotes.nets import conv_features, mlp


def line(weight: float, bias: float = 0.0) -> nn.Linear:
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, weight)
    nn.init.constant_(layer.bias, bias)
    return layer


class Product(nn.Module):
    """The logit of a pair of numbers is c x z."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.factor * x * z


REAL = torch.tensor([[1.0], [-2.0], [0.5]])


def numbers(penalties: Sequence[nn.Module] = ()) -> BiGAN:
    """E(x) = 2x + 1, G(z) = 3z, and the logit is 0.7 x z."""
    return BiGAN(line(2.0, 1.0), line(3.0), Product(0.7), 1, (1,), penalties=penalties)


def softplus(a: float) -> float:
    return math.log1p(math.exp(a))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_losses_are_those_of_pairs_being_told_apart() -> None:
    game = numbers()
    torch.manual_seed(0)
    z = torch.randn(3, 1).flatten().tolist()
    inferred = [0.7 * x * (2 * x + 1) for x in REAL.flatten().tolist()]
    generated = [0.7 * 3 * a * a for a in z]
    expected = {
        "discriminator": mean([softplus(-a) for a in inferred]) + mean([softplus(a) for a in generated]),
        "encoder": mean([softplus(a) for a in inferred]),
        "generator": mean([softplus(-a) for a in generated]),
    }
    for player, value in expected.items():
        torch.manual_seed(0)
        assert game(player, REAL).item() == pytest.approx(value, rel=1e-5)


def test_encoder_and_generator_move_at_once_down_the_sum_of_their_losses() -> None:
    """Algorithm 1 has one loss for both: neither part reaches the other player."""
    game = numbers()
    assert game.turns == ("discriminator", ("encoder", "generator"))
    both = game.encoder_loss(REAL) + game.generator_loss(REAL)
    torch.autograd.grad(both, list(game.encoder.parameters()), retain_graph=True)
    for player, other in (("encoder", game.generator), ("generator", game.encoder)):
        slopes = torch.autograd.grad(game(player, REAL), list(other.parameters()), allow_unused=True)
        assert all(slope is None for slope in slopes)


def test_a_discriminator_that_ignores_z_makes_it_the_plain_gan() -> None:
    class Marginal(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor, z: Tensor) -> Tensor:
            return self.network(x)

    torch.manual_seed(0)
    G, D, x = mlp(2, 8, 3), mlp(3, 8, 1), torch.randn(6, 3)
    pairs, plain = (
        BiGAN(mlp(3, 2), G, Marginal(D), 2, (3,), penalties=[R1(0.3)]),
        GAN(G, D, 2, penalties=[R1(0.3)]),
    )
    for player in ("discriminator", "generator"):
        torch.manual_seed(1)
        mine = pairs(player, x)
        torch.manual_seed(1)
        torch.testing.assert_close(mine, plain(player, x))
    (slope,) = torch.autograd.grad(pairs.encoder_loss(x), next(pairs.encoder.parameters()))
    assert not slope.any()


@pytest.mark.parametrize(("penalty", "at"), [(R1, "inferred"), (R2, "generated")])
def test_a_penalty_sees_both_parts_of_a_pair(penalty: type[R1], at: str) -> None:
    """The slope of 0.7 x z is 0.7 (z, x)."""
    plain, priced = numbers(), numbers(penalties=[penalty(0.5)])
    torch.manual_seed(0)
    z = torch.randn(3, 1)
    x, z = (REAL, 2 * REAL + 1) if at == "inferred" else (3 * z, z)
    extra = []
    for game in (priced, plain):
        torch.manual_seed(0)
        extra.append(game.discriminator_loss(REAL))
    expected = 0.5 * 0.5 * 0.49 * (x.square() + z.square()).mean()
    torch.testing.assert_close(extra[0] - extra[1], expected, rtol=1e-4, atol=1e-6)


def test_pairs_and_not_marginals_decide() -> None:
    """E(x) = x and E(x) = -x give the same marginals; with G(z) = z only the first gives the same pairs."""
    torch.manual_seed(0)
    x, losses = torch.randn(4000, 1), {}
    for sign in (1.0, -1.0):
        game = BiGAN(line(sign), line(1.0), Product(0.0), 1, (1,))
        optimizer = {"discriminator": torch.optim.SGD(game.discriminator.parameters(), lr=0.5)}
        game.turns = ("discriminator",)
        play(game, [x], optimizer, steps=40, progress=False)
        losses[sign] = game.discriminator_loss(x).item()
    assert losses[1.0] == pytest.approx(2 * math.log(2), abs=0.03)
    assert losses[-1.0] < 1.2


def test_the_encoder_learns_to_invert_a_generator_that_stands_still() -> None:
    """G(z) = 2z + 1 and data of that distribution: E(x) = (x - 1) / 2 is the only one with the same pairs."""
    ends = []
    for seed in range(3):
        torch.manual_seed(seed)
        critic = PairDiscriminator(nn.Identity(), mlp(2, 16, 16, 1))
        game = BiGAN(nn.Linear(1, 1), line(2.0, 1.0), critic, 1, (1,), penalties=R1(0.1))
        game.turns = ("discriminator", "encoder")
        optimizers = {
            name: torch.optim.Adam(player.parameters(), 1e-2, betas=(0.0, 0.99))
            for name, player in game.players.items()
        }
        data = [1 + 2 * torch.randn(128, 1) for _ in range(200)]
        play(game, data, optimizers, steps=200, progress=False)
        with torch.no_grad():
            x = torch.linspace(-3, 5, 50)[:, None]
            ends.append((game.reconstruct(x) - x).abs().mean().item())
    assert mean(ends) < 0.5  # a constant guess is off by 2


def test_pictures_come_back_in_their_shape() -> None:
    features = conv_features((1, 8, 8), 4)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    generator = nn.Sequential(nn.Linear(5, 64), nn.Unflatten(1, (1, 8, 8)))
    discriminator = PairDiscriminator(features, mlp(features.size + 5, 8, 1))
    game, x = BiGAN(encoder, generator, discriminator, 5, (1, 8, 8)), torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(game.reconstruct(x), generator(encoder(x)))
    assert game.sample(2).shape == (2, 1, 8, 8)
    z = torch.randn(3, 5)
    pairs = torch.cat([x.flatten(1), z], dim=1)
    torch.testing.assert_close(game.logit(pairs), discriminator(x, z).flatten())
    torch.testing.assert_close(game.inferred(x), torch.cat([x.flatten(1), encoder(x)], dim=1))


def test_a_gaussian_encoder_draws_what_it_says_and_learns_both() -> None:
    network = nn.Linear(1, 4)
    encoder, x = GaussianEncoder(network), torch.full((40_000, 1), 0.5)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.copy_(torch.tensor([1.0, -2.0, math.log(0.5), math.log(2.0)]))
    torch.manual_seed(0)
    z = encoder(x)
    torch.testing.assert_close(encoder.mean(x)[0], torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(z.mean(dim=0), torch.tensor([1.0, -2.0]), atol=0.06, rtol=0)
    torch.testing.assert_close(z.std(dim=0), torch.tensor([0.5, 2.0]), atol=0.06, rtol=0)
    (slope,) = torch.autograd.grad(z.square().mean(dim=0).sum(), network.bias)
    # of (mean² + sigma²): 2 mean, and 2 sigma² in log sigma
    torch.testing.assert_close(slope, torch.tensor([2.0, -4.0, 0.5, 8.0]), atol=0.4, rtol=0.05)


def test_what_does_not_fit_is_refused() -> None:
    game = numbers()
    with pytest.raises(ValueError, match=r"samples have the shape \(2,\) each, this game's are \(1,\)"):
        game.discriminator_loss(torch.rand(3, 2))
    with pytest.raises(ValueError, match="expected a batch of real samples"):
        game.encoder_loss(torch.rand(0, 1))
    with pytest.raises(ValueError, match=r"encoder makes the shape \(3, 4\) of 3 samples, expected \(3, 1\)"):
        BiGAN(nn.Linear(1, 4), line(1.0), Product(1.0), 1, (1,)).encoder_loss(REAL)
    with pytest.raises(ValueError, match="the generator's samples have the shape"):
        BiGAN(line(1.0), nn.Linear(1, 2), Product(1.0), 1, (1,)).generator_loss(REAL)
    with pytest.raises(ValueError, match="shape"):
        BiGAN(line(1.0), line(1.0), Product(1.0), 1, (0,))
    with pytest.raises(ValueError, match="ends with Sigmoid"):
        BiGAN(line(1.0), line(1.0), nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()), 1, (1,))
    with pytest.raises(ValueError, match="rows of an even number"):
        GaussianEncoder(nn.Linear(1, 3))(REAL)
    normalised = PairDiscriminator(nn.Identity(), nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)))
    with pytest.raises(ValueError, match="BatchNorm1d"):
        BiGAN(line(1.0), line(1.0), normalised, 1, (1,), penalties=[R1()])
    with pytest.raises(ValueError, match="cannot be asked for a class"):
        game.sample(2, labels=1)


@pytest.mark.usefixtures("unchecked")
def test_a_pair_discriminator_refuses_a_sigmoid_and_features_that_are_no_rows() -> None:
    """Which of its two networks comes last a game cannot see: it would train on the sigmoid of a sigmoid."""
    with pytest.raises(ValueError, match="the head ends with Sigmoid"):
        PairDiscriminator(nn.Linear(1, 1), nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()))
    with pytest.raises(ValueError, match=r"have the shape \(3, 1, 2, 2\), the latent vectors \(3, 5\)"):
        PairDiscriminator(nn.Identity(), mlp(9, 1))(torch.rand(3, 1, 2, 2), torch.rand(3, 5))
    with pytest.raises(ValueError, match=r"the latent vectors \(2, 5\): expected a row of each"):
        PairDiscriminator(nn.Flatten(), mlp(9, 1))(torch.rand(3, 1, 2, 2), torch.rand(2, 5))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [784, ()])
def test_a_shape_without_sides_is_refused(shape: Sequence[int]) -> None:
    with pytest.raises(ValueError, match="shape must have the sides of one sample"):
        BiGAN(line(1.0), line(1.0), Product(1.0), 1, shape)


def test_an_encoder_that_mixes_up_the_batch_is_refused() -> None:
    mixed = nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (9, 2)))
    with pytest.raises(ValueError, match="of each of 6 samples"):
        GaussianEncoder(mixed)(torch.rand(6, 3))
