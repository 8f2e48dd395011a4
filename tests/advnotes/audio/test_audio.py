"""Mel spectrograms against SciPy and librosa, Griffin and Lim's way back, pitches of known tones, and the player."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from bs4 import BeautifulSoup

from advnotes.audio import (
    MelSpectrogram,
    griffin_lim,
    listen,
    mel_filters,
    periodicity_error,
    pitch,
    player,
    unmel,
    wav,
    wave_match,
)
from advnotes.audio.mel import check_sounds

RATE = 8000
# librosa 0.11.0: filters.mel(sr=8000, n_fft=256, n_mels=32, htk=True, norm=None), rows 5 and 20, from a first bin on
ROW_5 = 8, [0.286251, 0.849437, 0.610514, 0.078907]
ROW_20 = 49, [0.086983, 0.323979, 0.560976, 0.797973, 0.966991, 0.743283, 0.519575, 0.295867, 0.072159]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tone(frequency: float, samples: int = 2048, partials: int = 5) -> torch.Tensor:
    time = torch.arange(samples, dtype=torch.float64) / RATE
    waves = [torch.sin(2 * torch.pi * k * frequency * time + k) / k for k in range(1, partials + 1)]
    return (torch.stack(waves).sum(dim=0) / 3).float()[None, None]


@pytest.mark.parametrize(("row", "place", "values"), [(5, *ROW_5), (20, *ROW_20)])
def test_filters_are_librosas(row, place, values):
    expected = torch.zeros(129)
    expected[place : place + len(values)] = torch.tensor(values)
    torch.testing.assert_close(mel_filters(RATE, 256, 32)[row], expected, atol=1e-5, rtol=0)


def test_filters_share_out_each_frequency_between_the_first_and_the_last_corner():
    filters = mel_filters(RATE, 512, 24)
    assert filters.shape == (24, 257)
    assert (filters >= 0).all()
    first, last = filters[0].argmax(), filters[-1].argmax()
    torch.testing.assert_close(filters.sum(dim=0)[first + 1 : last], torch.ones(int(last - first - 1)))


def test_magnitudes_are_scipys():
    mel, x = MelSpectrogram(n_fft=64, hop=16, bands=8), noise(2, 1, 320)
    padded = np.pad(x[1, 0].numpy(), 24, mode="reflect")
    window = scipy.signal.get_window("hann", 64)  # periodic, as torch's
    frames = np.stack([padded[start : start + 64] * window for start in range(0, 320, 16)], axis=1)
    torch.testing.assert_close(
        mel.magnitudes(x)[1].numpy(),
        np.abs(np.fft.rfft(frames, axis=0)).astype(np.float32),
        atol=1e-4,
        rtol=1e-4,
    )
    assert mel(x).shape == (2, 8, 20)


def test_silence_is_the_floor_and_has_a_slope():
    mel, x = MelSpectrogram(floor=0.5), torch.zeros(1, 1, 512, requires_grad=True)
    logs = mel(x)
    torch.testing.assert_close(logs, torch.full_like(logs, 0.5).log())
    mel.magnitudes(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_twice_as_loud_is_log_2_more():
    mel, x = MelSpectrogram(floor=1e-6), noise(1, 1, 1024)
    torch.testing.assert_close(mel(2 * x) - mel(x), torch.full((1, 32, 16), 2.0).log(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("hop", [8, 16, 32])
def test_the_inverse_of_a_transform_is_the_sound(hop):
    mel, x = MelSpectrogram(n_fft=64, hop=hop, bands=8).double(), noise(3, 1, 640).double()
    torch.testing.assert_close(mel.istft(mel.stft(x)), x)


def test_the_inverse_is_the_nearest_sound():
    """Least squares: what is left of the frames is orthogonal to the frames of every sound."""
    mel = MelSpectrogram(n_fft=32, hop=8, bands=4).double()
    real, imaginary = noise(2, 1, 17, 16).double()
    wanted = torch.fft.irfft(torch.complex(real, imaginary), n=32, dim=1)
    left = torch.fft.irfft(mel.stft(mel.istft(torch.complex(real, imaginary))), n=32, dim=1) - wanted
    step = torch.zeros(1, 1, 128, dtype=torch.float64)
    step[..., 40:-40] = noise(1, 1, 48).double()  # away from the reflected ends
    moved = torch.fft.irfft(mel.stft(step), n=32, dim=1)
    assert abs(float((left * moved).sum())) < 1e-9 * float(wanted.norm() * moved.norm())


def test_griffin_lim_comes_nearer_with_every_step_and_to_the_sound():
    mel, x = MelSpectrogram(bands=64, n_fft=256, hop=32), tone(170.0)
    goal = mel(x)
    far = [
        float(
            (mel(griffin_lim(goal, mel, steps, generator=torch.Generator().manual_seed(0))) - goal)
            .abs()
            .mean()
        )
        for steps in (1, 8, 40)
    ]
    assert far[2] < far[1] < far[0]
    assert far[2] < far[0] / 2
    assert griffin_lim(goal, mel, 1).shape == x.shape


def test_momentum_brings_it_nearer_in_as_many_steps():
    mel = MelSpectrogram(bands=64, n_fft=256, hop=32)
    goal = mel(tone(170.0)).repeat(4, 1, 1)  # four starts
    plain, fast = (
        (mel(griffin_lim(goal, mel, 40, momentum, torch.Generator().manual_seed(0))) - goal).abs().mean()
        for momentum in (0.0, 0.99)
    )
    assert fast < 0.9 * plain


def test_unmel_gives_the_bands_back():
    mel = MelSpectrogram(n_fft=256, hop=64, bands=20)
    smooth = mel.filters.T @ torch.rand(1, 20, 6, generator=torch.Generator().manual_seed(0))
    found = unmel((mel.filters @ smooth).log(), mel)
    assert (found >= 0).all()
    torch.testing.assert_close(mel.filters @ found, mel.filters @ smooth, atol=0.15, rtol=0.1)


@pytest.mark.parametrize("frequency", [82.0, 110.0, 200.0, 320.0])
def test_a_tone_has_its_pitch_and_noise_has_none(frequency):
    found = pitch(tone(frequency))
    assert found.loud.all()
    assert (found.periodicity > 0.97).all()
    torch.testing.assert_close(
        found.frequency, torch.full_like(found.frequency, frequency), rtol=0.04, atol=0
    )
    assert pitch(noise(1, 1, 4096)).periodicity.mean() < 0.35


def test_periodicity_does_not_ask_for_loudness_or_phase():
    x = tone(140.0)
    assert periodicity_error(x, 0.1 * x) < 1e-3
    assert periodicity_error(x, x.flip(2)) < 0.02
    assert periodicity_error(x, noise(*x.shape)) > 0.5
    quiet = torch.cat([x, 0.001 * noise(1, 1, 2048)], dim=2)
    assert not pitch(quiet).loud[0, -4:].any()


def test_a_wave_matches_itself_a_little_later_and_its_mirror_image_upside_down():
    x = noise(2, 1, 2048)
    same, later, mirror = (wave_match(x, y) for y in (x, 0.3 * x.roll(7, dims=2), -x))
    assert same.upright == pytest.approx(1, abs=1e-5)
    assert later.upright == pytest.approx(1, abs=0.01)
    assert mirror.mirrored == pytest.approx(1, abs=1e-5)
    assert (mirror.upright, mirror.mirrored) == pytest.approx((same.mirrored, same.upright), abs=1e-6)
    assert wave_match(x, x.roll(30, dims=2)).upright < 0.5  # beyond its reach


def test_a_mirror_image_has_the_same_spectrogram():
    x, mel = noise(2, 1, 1024), MelSpectrogram()
    assert torch.equal(mel(x), mel(-x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MelSpectrogram(n_fft=96, hop=32), "twice the hop"),
        (lambda: MelSpectrogram(floor=0.0), "floor"),
        (lambda: mel_filters(RATE, 256, 0), "bands"),
        (lambda: MelSpectrogram()(torch.zeros(1, 1, 192)), r"\[batch, 1, samples\] of 256"),
        (lambda: MelSpectrogram()(torch.zeros(1, 1, 1000)), "multiple of 64"),
        (lambda: griffin_lim(torch.zeros(1, 32, 16), MelSpectrogram(), 0), "steps"),
        (lambda: pitch(torch.zeros(1, 1, 4096), frame=128), "228 samples"),
        (lambda: pitch(torch.zeros(1, 1, 256)), "512 samples or more"),
        (lambda: pitch(tone(100.0), rate=100), "rate"),
        (lambda: MelSpectrogram()(noise(0, 1, 512)), r"got the shape \(0, 1, 512\)"),
        (lambda: check_sounds(torch.zeros(1, 1, 512).short(), 512), "x / 32768 for 16 bits"),
        (lambda: MelSpectrogram().istft(torch.zeros(1, 128, 8) + 0j), r"\[batch, 129, frames\]"),
        (lambda: griffin_lim(torch.zeros(1, 20, 16), MelSpectrogram()), r"\[batch, 32, frames\]"),
        (lambda: griffin_lim(torch.full((1, 32, 16), float("nan")), MelSpectrogram()), "finite"),
        (lambda: griffin_lim(torch.zeros(1, 32, 16), MelSpectrogram(), momentum=-1.0), "momentum"),
        (lambda: periodicity_error(noise(2, 1, 512), noise(2, 1, 640)), "two times the same sounds"),
        (lambda: wave_match(noise(2, 1, 512), noise(2, 1, 256)), "two times the same sounds"),
        (lambda: wave_match(noise(1, 1, 64), noise(1, 1, 64)), "200 samples"),
        (lambda: wav(torch.zeros(2, 8), RATE), "one sound"),
        (lambda: wav(torch.tensor([0.0, float("nan")]), RATE), "finite"),
        (lambda: listen({"a": torch.zeros(8)}, RATE, "short"), "sentence"),
        (lambda: listen({}, RATE, "Nothing to listen to."), "labels"),
        (lambda: listen({"long": torch.zeros(400_000)}, RATE, "Far too long for a page."), "more than"),
    ],
)
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("measure", [periodicity_error, wave_match])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: x * torch.tensor([1.0, torch.nan])[:, None, None], "number 1 is not"),
        (lambda x: torch.zeros_like(x), "silent"),
        (lambda x: x.half(), "half precision"),
        (lambda x: x[:0], "512 samples|200 samples"),
    ],
)
def test_sounds_that_a_measure_would_get_wrong_are_refused(measure, spoil, message):
    """With NaN or silence it would leave out sounds, or take a mean over none; squares of halves are 0."""
    x = spoil(noise(2, 1, 512))
    with pytest.raises(ValueError, match=message):
        measure(x, x)


def test_a_file_holds_the_sound():
    sound = torch.tensor([[0.0, 0.5, -1.0, 3.0]])
    content = wav(sound, RATE)
    assert content == wav(sound[0].double(), RATE)
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        values = np.frombuffer(file.readframes(4), "<i2")
    assert values.tolist() == [0, 16384, -32767, 32767]


def test_the_player_loads_nothing_and_names_every_sound(monkeypatch):
    shown: list[Any] = []
    monkeypatch.setattr(player, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    sounds = {"the original": tone(100.0)[0], "<b>loud</b>": tone(200.0)[0, 0]}
    for _ in range(2):
        listen(sounds, RATE, "Two tones, one after the other.")
    assert shown[0] == shown[1]
    page = BeautifulSoup(shown[0]["text/html"], "html.parser")
    players = page.select("audio")
    assert [p["aria-label"] for p in players] == list(sounds)
    assert all(p.has_attr("controls") and not p.has_attr("autoplay") for p in players)
    assert base64.b64decode(players[0]["src"].split(",")[1]) == wav(sounds["the original"], RATE)
    assert page.select_one("figcaption").text == shown[0]["text/plain"] == "Two tones, one after the other."
