"""HiFi-GAN: what its critics see, its losses and the limits of weight 0; phase shuffle."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes.audio import MelSpectrogram
from advnotes.gan import LSGAN, Jury
from advnotes.generators import HiFiGAN, PeriodCritic, PhaseShuffle, ScaleCritic, Vocoder

NARROW = (2, 4)


def sounds(batch: int = 3, samples: int = 256, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 1, samples, generator=torch.Generator().manual_seed(seed)) / 4


def small_mel() -> MelSpectrogram:
    return MelSpectrogram(n_fft=64, hop=16, bands=8)


def small(critics: list | None = None, **weights: float) -> HiFiGAN:
    torch.manual_seed(0)
    mel = small_mel()
    if critics is None:
        critics = [PeriodCritic(3, NARROW), ScaleCritic(2, NARROW, 5, 2)]
    return HiFiGAN(Vocoder(mel, width=4, blocks=1), critics, mel, **weights)


@pytest.mark.parametrize("period", [1, 2, 3, 5, 7, 11])
def test_a_critic_of_periods_sees_each_column_by_itself(period):
    torch.manual_seed(0)
    critic, x = PeriodCritic(period, NARROW).double(), sounds(samples=period * 40).double()
    scores = critic.features(x)[-1]
    for r in range(period):
        h = x[:, :, r::period]
        for layer in critic.layers:
            h = F.leaky_relu(F.conv1d(h, layer.weight.squeeze(3), layer.bias, 3, 2), 0.1)
        alone = F.conv1d(h, critic.last.weight.squeeze(3), critic.last.bias, padding=1)
        torch.testing.assert_close(scores[..., r], alone)


def test_a_sound_that_does_not_fill_its_last_row_is_reflected():
    x = torch.arange(10.0)[None, None]
    rows = PeriodCritic(4, NARROW).arrange(x)
    assert rows[0, 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 8, 7]]


def test_what_repeats_after_a_period_is_constant_in_its_columns_and_in_no_others():
    x = torch.rand(1, 1, 5, generator=torch.Generator().manual_seed(0)).repeat(1, 1, 12)
    assert PeriodCritic(5, NARROW).arrange(x).diff(dim=2).abs().max() == 0
    assert PeriodCritic(3, NARROW).arrange(x).diff(dim=2).abs().max() > 0.1


def test_a_critic_of_scales_does_not_see_what_the_mean_hides():
    torch.manual_seed(0)
    fast = torch.tensor([1.0, -1.0]).repeat(128)[None, None]
    critic, x = ScaleCritic(2, NARROW, 5, 2), sounds()
    torch.testing.assert_close(critic(x + fast), critic(x), atol=1e-6, rtol=1e-5)
    assert (ScaleCritic(1, NARROW, 5, 2)(x + fast) - ScaleCritic(1, NARROW, 5, 2)(x)).abs().min() > 1e-3


def test_losses_are_the_papers():
    game, x = small(mel_weight=7.0, feature_weight=3.0).double(), sounds().double()
    fake = game.generator(game.mel(x))
    D, G = torch.zeros((), dtype=torch.float64), 7 * (game.mel(x) - game.mel(fake)).abs().mean()
    for critic in game.discriminator:
        real_layers, fake_layers = critic.features(x), critic.features(fake)
        D = D + ((real_layers[-1] - 1) ** 2).mean() + (fake_layers[-1] ** 2).mean()
        G = G + ((fake_layers[-1] - 1) ** 2).mean()
        for real, made in zip(real_layers[:-1], fake_layers[:-1], strict=True):
            G = G + 3 * (real - made).abs().mean()
    torch.testing.assert_close(game("discriminator", x), D)
    torch.testing.assert_close(game("generator", x), G)


def test_with_weights_of_0_it_is_a_least_squares_gan_given_spectrograms():
    """A critic whose scores are one number is LSGAN's, whose losses are halves of the paper's."""

    class Whole(PeriodCritic):
        def features(self, x):
            *layers, scores = super().features(x)
            return [*layers, scores.flatten(1).mean(dim=1, keepdim=True)]

    class Given(nn.Module):
        def __init__(self, sounds):
            super().__init__()
            self.sounds = sounds

        def forward(self, z):
            return self.sounds

    game, x = small([Whole(2, NARROW)], mel_weight=0.0, feature_weight=0.0), sounds()
    plain = LSGAN(Given(game.generator(game.mel(x))), game.discriminator[0], 1)
    for player in ("discriminator", "generator"):
        torch.testing.assert_close(game(player, x), 2 * plain(player, x))


def test_without_critics_it_is_a_regression_with_one_player():
    game, x = small([], mel_weight=2.0), sounds()
    assert list(game.players) == ["generator"]
    torch.testing.assert_close(
        game("generator", x), 2 * F.l1_loss(game.mel(game.generator(game.mel(x))), game.mel(x))
    )


def test_a_perfect_generator_pays_the_critics_alone():
    class Perfect(nn.Module):
        def __init__(self, answer):
            super().__init__()
            self.answer = nn.Parameter(answer)

        def forward(self, log_mel):
            return self.answer

    x = sounds()
    game = small(mel_weight=45.0)
    game.generator = Perfect(x.clone())
    expected = sum(((critic.features(x)[-1] - 1) ** 2).mean() for critic in game.discriminator)
    torch.testing.assert_close(game("generator", x), expected)


def test_critics_judge_in_other_games():
    torch.manual_seed(0)
    jury = Jury([PeriodCritic(2, NARROW), ScaleCritic(1, NARROW, 5, 2, shuffle=1)])
    game = LSGAN(nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (1, 64))), jury, 4)
    for player in game.players:
        assert game(player, sounds(4, 64)).isfinite()


def test_a_vocoder_makes_as_many_samples_as_came_in():
    mel = small_mel()
    torch.manual_seed(0)
    G, x = Vocoder(mel, width=4, blocks=1), sounds(samples=320)
    assert G(mel(x)).shape == x.shape
    later = torch.roll(mel(x), 4, dims=2)  # four frames later, 64 samples later
    torch.testing.assert_close(G(later)[..., 192:-192], G(mel(x))[..., 128:-256], atol=0.5, rtol=0.5)


def test_phase_shuffle_shifts_each_sound_and_keeps_its_values():
    torch.manual_seed(0)
    h = torch.arange(40.0).expand(64, 3, 40)
    shifted = PhaseShuffle(2).train()(h)
    assert shifted.shape == h.shape
    first = shifted[:, 0, 5] - 5
    assert set(first.tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}
    torch.testing.assert_close(shifted[:, :, 2:-2], h[:, :, 2:-2] + first[:, None, None])
    assert shifted.min() >= 0
    assert shifted.max() <= 39  # reflected: nothing new comes in


def test_layers_of_a_critic_with_phase_shuffle_are_not_matched():
    x, critic = sounds(), ScaleCritic(1, NARROW, 5, 2, shuffle=1)
    assert small([critic], feature_weight=0.0)("generator", x).isfinite()
    apart = max(
        float((a - b).detach().abs().max())
        for a, b in zip(critic.features(x), critic.features(x), strict=True)
    )
    assert apart > 1e-3  # though it is the same sound


def test_phase_shuffle_is_off_at_0_and_in_eval():
    h = sounds(4, 32)
    assert torch.equal(PhaseShuffle(0)(h), h)
    assert torch.equal(PhaseShuffle(2).eval()(h), h)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small(mel_weight=-1.0), "mel_weight"),
        (lambda: small(feature_weight=float("nan")), "feature_weight"),
        (lambda: small([nn.Linear(4, 1)]), "derive yours from SoundCritic"),
        (lambda: small([ScaleCritic(1, NARROW, shuffle=1)]), "shifts real and generated sounds differently"),
        (lambda: PeriodCritic(0), "period"),
        (lambda: ScaleCritic(0), "scale"),
        (lambda: PhaseShuffle(-1), "n must be"),
        (lambda: small()("generator", torch.zeros(0, 1, 256)), "real samples"),
        (lambda: Vocoder(small_mel(), width=0), "width"),
    ],
)
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_generator_of_another_length_is_refused():
    class Half(Vocoder):
        def forward(self, log_mel):
            return super().forward(log_mel)[..., ::2]

    game = small()
    game.generator = Half(game.mel, width=4, blocks=1)
    with pytest.raises(ValueError, match="generated samples have the shape"):
        game("generator", sounds())
