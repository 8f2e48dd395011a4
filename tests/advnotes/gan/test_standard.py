"""The GAN's two losses against closed forms, its two generators against each other, and what a turn leaves alone."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from advnotes.data import line, line_density
from advnotes.gan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    WGAN,
    WGANGP,
    ConditionalGAN,
    Conditioned,
    MinimaxGAN,
    ParticleGAN,
    Particles,
    UnrolledGAN,
)
from advnotes.nets import digit_discriminator, digit_generator, mlp

#: The plain game with each of the penalties that have no class of games.
PENALISED = [partial(GAN, penalties=[penalty()]) for penalty in (R1, R2, DRAGAN)]


class Constant(nn.Module):
    """A discriminator that gives the same logit to everything."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(logit))

    def forward(self, x: Tensor) -> Tensor:
        return self.level.expand(len(x), 1)


def linear_game(kind: type[GAN], logit: float = 0.0, slope: float = 1.0) -> GAN:
    """One-dimensional: G(z) = z + shift, and the logit is slope * x + logit."""
    generator, discriminator = nn.Linear(1, 1), nn.Linear(1, 1)
    with torch.no_grad():
        generator.weight.fill_(1.0)
        generator.bias.zero_()
        discriminator.weight.fill_(slope)
        discriminator.bias.fill_(logit)
    return kind(generator, discriminator, latent_size=1)


@given(st.floats(-30, 30))
def test_losses_of_a_discriminator_that_says_the_same_of_everything(logit: float) -> None:
    gan = GAN(nn.Linear(2, 1), Constant(logit), latent_size=2)
    real = torch.zeros(8, 1)
    d = torch.sigmoid(torch.tensor(logit, dtype=torch.float64))
    minus_log_d, minus_log_rest = -F.logsigmoid(torch.tensor([logit, -logit], dtype=torch.float64))
    assert d > 0
    torch.testing.assert_close(
        gan.discriminator_loss(real).double(), minus_log_d + minus_log_rest, rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(gan.generator_loss(real).double(), minus_log_d, rtol=1e-5, atol=1e-6)
    minimax = MinimaxGAN(nn.Linear(2, 1), Constant(logit), latent_size=2)
    torch.testing.assert_close(minimax.generator_loss(real).double(), -minus_log_rest, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_the_surest_discriminator_gives_finite_losses(logit: float) -> None:
    for kind in (GAN, MinimaxGAN):
        gan = kind(nn.Linear(2, 1), Constant(logit), latent_size=2)
        assert torch.isfinite(gan.discriminator_loss(torch.zeros(4, 1)))
        assert torch.isfinite(gan.generator_loss(torch.zeros(4, 1)))


def test_at_the_equilibrium_the_discriminators_loss_is_log_4() -> None:
    gan = GAN(nn.Linear(2, 1), Constant(0.0), latent_size=2)
    assert gan.discriminator_loss(torch.zeros(4, 1)).item() == pytest.approx(math.log(4))


def test_no_discriminator_does_better_than_p_over_p_plus_q() -> None:
    """Proposition 1: the loss at D* is 2 log 2 - 2 JSD(p, q), and any other logit has a higher one."""
    x = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    p, q = line_density(x), line_density(x, means=[0.5], sigmas=[1.0], weights=None)
    dx = x[1] - x[0]

    def loss(logit: Tensor) -> Tensor:
        return (p * F.softplus(-logit) + q * F.softplus(logit)).sum() * dx

    best = p.log() - q.log()
    middle = (p + q) / 2
    divergence = 0.5 * ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()) * dx
    assert loss(best).item() == pytest.approx(2 * math.log(2) - 2 * divergence.item(), abs=1e-9)
    for other in (best + 0.1, best - 0.1, 1.1 * best, best + torch.sin(x) / 10):
        assert loss(other) > loss(best)


def test_the_discriminators_loss_estimates_the_integral() -> None:
    torch.manual_seed(0)
    gan = linear_game(GAN, logit=0.3, slope=-0.7)
    x = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    p, q = line_density(x), line_density(x, means=[0.0], sigmas=[1.0], weights=None)
    logit = 0.3 - 0.7 * x
    exact = ((p * F.softplus(-logit) + q * F.softplus(logit)).sum() * (x[1] - x[0])).item()
    assert gan.discriminator_loss(line(200_000)).item() == pytest.approx(exact, abs=0.01)


@given(st.floats(-8, 8))
def test_both_generators_want_the_same_but_by_how_much_depends_on_d(logit: float) -> None:
    """On one sample the two gradients are parallel, D(G(z)) and 1 - D(G(z)) times the same vector."""
    gradients = []
    for kind in (GAN, MinimaxGAN):
        game = linear_game(kind, logit)
        torch.manual_seed(3)
        loss = game.generator_loss(torch.zeros(1, 1))
        gradients.append(torch.autograd.grad(loss, game.generator.bias)[0].item())
    torch.manual_seed(3)
    d = torch.sigmoid(game.logit(game.sample(1))).item()
    assert gradients[0] == pytest.approx(-(1 - d), rel=1e-3)
    assert gradients[1] == pytest.approx(-d, rel=1e-3)


def test_both_generators_rest_where_the_discriminator_is_flat_and_nowhere_else() -> None:
    for slope, rests in ((0.0, True), (1.0, False)):
        for kind in (GAN, MinimaxGAN):
            game = linear_game(kind, logit=-2.0, slope=slope)
            gradients = torch.autograd.grad(
                game.generator_loss(torch.zeros(64, 1)), [*game.generator.parameters()]
            )
            assert all((g == 0).all() for g in gradients) is rests


def test_minimax_is_zero_sum_for_the_generator() -> None:
    """The generator's share of the value: its loss is minus the discriminator's term on generated samples."""
    game = linear_game(MinimaxGAN, logit=0.4)
    torch.manual_seed(1)
    generated = game.sample(32)
    torch.manual_seed(1)
    assert game.generator_loss(torch.zeros(32, 1)) == -F.softplus(game.logit(generated)).mean()


def test_the_discriminators_turn_leaves_no_gradient_at_the_generator() -> None:
    gan = GAN(digit_generator(8, 16), digit_discriminator(16), latent_size=8)
    gan.discriminator_loss(torch.rand(4, 1, 28, 28)).backward()
    assert all(parameter.grad is None for parameter in gan.generator.parameters())
    assert all(parameter.grad is not None for parameter in gan.discriminator.parameters())


def test_labels_in_the_batch_change_nothing() -> None:
    gan = GAN(mlp(2, 4, 1), mlp(1, 4, 1), latent_size=2)
    real = torch.randn(8, 1)
    for player in gan.players:
        torch.manual_seed(0)
        alone = gan(player, real)
        torch.manual_seed(0)
        assert gan(player, real, torch.arange(8)) == alone


def test_samples_repeat_with_a_generator_and_leave_the_global_one_alone() -> None:
    gan = GAN(mlp(2, 4, 1), mlp(1, 4, 1), latent_size=2)
    before = torch.get_rng_state()
    first = gan.sample(5, torch.Generator().manual_seed(7))
    assert torch.equal(first, gan.sample(5, torch.Generator().manual_seed(7)))
    assert first.shape == (5, 1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_discriminator_with_more_than_one_output_is_refused(player: str) -> None:
    gan = GAN(mlp(2, 4, 1), mlp(1, 4, 10), latent_size=2)
    with pytest.raises(ValueError, match=r"one logit for each of 8 samples, got shape \(8, 10\)"):
        gan(player, torch.randn(8, 1))


def test_a_latent_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="latent_size must be a whole number of at least 1, got 0"):
        GAN(mlp(2, 4, 1), mlp(1, 4, 1), latent_size=0)


def test_latents_are_drawn_where_their_source_is_and_go_where_the_network_is() -> None:
    # The device "meta" stands for a GPU, which refuses to draw from a generator of the CPU.
    gan = GAN(nn.Linear(2, 1, device="meta"), Constant(0.0), latent_size=2)
    source = torch.Generator().manual_seed(0)
    before = source.get_state()
    assert gan.latent(3, source).device.type == "meta"
    assert not torch.equal(source.get_state(), before)


def test_latents_have_the_precision_of_the_network() -> None:
    gan = GAN(nn.Linear(2, 1, dtype=torch.float64), Constant(0.0), latent_size=2)
    assert gan.sample(3).dtype == torch.float64


@pytest.mark.parametrize("kind", [GAN, MinimaxGAN, WGAN, WGANGP, *PENALISED])
@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize(
    ("real", "words"),
    [
        (torch.rand(8, 3), r"generated samples have the shape \(2,\), the data's \(3,\)"),
        (torch.rand(8, 1, 2), r"nn.Unflatten\(1, \(1, 2\)\)"),
    ],
)
def test_samples_of_another_shape_than_the_datas_are_refused(kind, player, real, words) -> None:
    discriminator = nn.Sequential(nn.Flatten(), nn.LazyLinear(1))
    discriminator(real)
    with pytest.raises(ValueError, match=words):
        kind(mlp(2, 4, 2), discriminator, 2)(player, real)


def test_a_generator_that_begins_with_a_convolution_gets_its_advice() -> None:
    gan = GAN(nn.Sequential(nn.ConvTranspose2d(5, 1, 4), nn.Flatten()), mlp(16, 1), 5)
    with pytest.raises(ValueError, match=r"nn.Unflatten\(1, \(5, 1, 1\)\) in front"):
        gan.sample(3)
    assert GAN(nn.Sequential(nn.Unflatten(1, (5, 1, 1)), gan.generator), mlp(16, 1), 5).sample(3).shape == (
        3,
        16,
    )


def test_one_last_sample_and_batch_norm_get_their_advice() -> None:
    generator = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="drop_last=True"):
        GAN(generator, mlp(2, 4, 1), 2).discriminator_loss(torch.rand(1, 2))


def test_data_of_another_precision_is_named() -> None:
    with pytest.raises(ValueError, match=r"inputs are torch.float64, the model torch.float32: x.to"):
        GAN(mlp(2, 4, 2), mlp(2, 4, 1), 2).discriminator_loss(torch.rand(4, 2).double())


class Wrapped(nn.Module):
    """As tutorials write a discriminator down."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.main = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


@pytest.mark.parametrize(
    "discriminator",
    [
        nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()),
        Wrapped(nn.Linear(2, 1), nn.Sigmoid(), nn.Flatten(0)),
        nn.Sequential(nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 2), nn.Softmax(1))),
    ],
)
def test_a_discriminator_that_ends_with_probabilities_is_refused(discriminator: nn.Module) -> None:
    for kind in (GAN, WGAN, *PENALISED):
        with pytest.raises(
            ValueError, match=r"the discriminator ends with (Sigmoid|Softmax), but a logit is wanted"
        ):
            kind(mlp(2, 4, 2), discriminator, 2)
    GAN(nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()), Wrapped(nn.Sigmoid(), nn.Linear(2, 1)), 2)


@pytest.mark.parametrize("kind", [*PENALISED, WGANGP, UnrolledGAN])
def test_batch_norm_in_a_penalised_discriminator_is_refused(kind: type[GAN]) -> None:
    discriminator = Wrapped(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    options = {"optimizer": torch.optim.SGD(discriminator.parameters(), 0.1)} if kind is UnrolledGAN else {}
    with pytest.raises(
        ValueError, match="the discriminator has BatchNorm1d, by which a sample's gradient depends"
    ):
        kind(mlp(2, 4, 2), discriminator, 2, **options)


def test_batch_norm_is_welcome_where_nothing_is_penalised() -> None:
    discriminator = Wrapped(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    assert GAN(mlp(2, 4, 2), discriminator, 2).generator_loss(torch.rand(8, 2)).isfinite()


@pytest.mark.parametrize("kind", [GAN, MinimaxGAN, WGAN, WGANGP, *PENALISED])
def test_losses_under_autocast_are_float32_and_penalties_are_not_rounded(kind: type[GAN]) -> None:
    torch.manual_seed(0)
    gan, real = kind(mlp(2, 32, 2), mlp(2, 32, 1), 2), torch.randn(64, 2)
    losses = []
    for half in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses.append(gan.discriminator_loss(real))
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(losses[1], losses[0], atol=0.02, rtol=0.02)


@pytest.mark.parametrize("labels", [3, torch.tensor([0, 1, 2, 0])])
def test_an_unconditional_game_is_not_asked_for_a_class(labels: int | Tensor) -> None:
    particles = ParticleGAN(Particles(torch.randn(4, 2), 0.5), mlp(2, 4, 1))
    for gan in (GAN(mlp(2, 4, 2), mlp(2, 4, 1), 2), particles):
        with pytest.raises(
            ValueError, match=r"GAN cannot be asked for a class, got labels: play a ConditionalGAN"
        ):
            gan.sample(4, labels=labels)


def test_labels_in_the_batch_of_an_unconditional_game_change_nothing() -> None:
    torch.manual_seed(0)
    gan, real = GAN(mlp(2, 4, 2), mlp(2, 4, 1), 2, penalties=[R1(), R2()]), torch.randn(8, 2)
    for player in ("discriminator", "generator"):
        values = []
        for batch in ((real,), (real, torch.randint(3, (8,)))):
            torch.manual_seed(1)
            values.append(gan(player, *batch).item())
        assert values[0] == values[1]


class Doubles(nn.Module):
    """A generator whose view makes two samples of each latent vector."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.network = mlp(latent, 6)

    def forward(self, z: Tensor, *_: Tensor) -> Tensor:
        return self.network(z).view(-1, 3)


def test_a_generator_makes_one_sample_of_each_latent_vector() -> None:
    y = torch.arange(4) % 2
    for game, batch in (
        (GAN(Doubles(2), mlp(3, 1), 2), (torch.rand(4, 3),)),
        (ConditionalGAN(Doubles(2), Conditioned(mlp(5, 1), 2), 2, classes=2), (torch.rand(4, 3), y)),
    ):
        for loss in (game.discriminator_loss, game.generator_loss):
            with pytest.raises(
                ValueError, match=r"makes the shape \(8, 3\) of 4 latent vectors: one sample of each"
            ):
                loss(*batch)


def test_a_conditional_generator_of_another_width_is_told_as_a_plain_one_is() -> None:
    wrong = ConditionalGAN(Conditioned(mlp(2, 3), 2), Conditioned(mlp(5, 1), 2), 2, classes=2)
    for game in (wrong, GAN(mlp(5, 3), mlp(3, 1), 2)):
        with pytest.raises(ValueError, match=r"fails on latent vectors of shape \(4, 2\)"):
            game.sample(4)


def test_an_empty_batch_and_no_number_of_samples_are_refused() -> None:
    game = GAN(mlp(2, 3), mlp(3, 1), 2)
    with pytest.raises(ValueError, match=r"expected a batch of real samples, got the shape \(0, 3\)"):
        game.discriminator_loss(torch.rand(0, 3))
    for n in (-1, -8):
        with pytest.raises(ValueError, match="n must be a whole number of at least 0"):
            game.sample(n)


def test_a_generator_without_parameters_gets_latent_vectors() -> None:
    assert GAN(nn.Identity(), mlp(3, 1), 3).sample(4).shape == (4, 3)
