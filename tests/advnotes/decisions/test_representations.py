"""Rows of sequences: Parseval's equation, curves whose row is known, and what unequal length must not change."""

from functools import partial

import numpy as np
import pytest
import torch

from advnotes.decisions import fourier, local_statistics, polynomial, wavelets

ALL = [local_statistics, wavelets, polynomial, fourier]
NOISE = np.random.default_rng(0).normal(size=(64, 2))


@pytest.mark.parametrize(
    "whole",
    [
        local_statistics,  # of 4 equal segments: mean square = mean of (mean squared + variance)
        partial(wavelets, segments=4, steps=16, keep=16),
        partial(fourier, frequencies=32),
    ],
)
def test_the_squares_of_a_whole_row_are_the_mean_square_of_the_sequence(whole):
    odd = NOISE.copy()
    odd -= (-1.0) ** np.arange(64)[:, None] * (odd * (-1.0) ** np.arange(64)[:, None]).mean(
        axis=0
    )  # no fastest wave
    assert (whole(odd) ** 2).sum() == pytest.approx((odd**2).mean(axis=0).sum(), rel=1e-12)


def test_a_polynomial_of_its_degree_is_kept_and_its_squares_are_its_mean_square():
    time = (np.arange(4000) + 0.5) / 2000 - 1
    row = polynomial(1 + 2 * time - 3 * (3 * time**2 - 1) / 2, degree=3)
    np.testing.assert_allclose(row, [1, 2 / np.sqrt(3), -3 / np.sqrt(5), 0], atol=1e-5)


def test_a_wave_has_one_frequency_and_a_step_one_wavelet():
    time = np.arange(50) / 50
    row = fourier(3 + np.cos(2 * np.pi * 2 * time), frequencies=4)
    np.testing.assert_allclose(row, [3, 0, np.sqrt(0.5), 0, 0, 0, 0], atol=1e-12)
    step = np.r_[np.ones(4), -np.ones(4)]
    np.testing.assert_allclose(
        wavelets(step, segments=1, steps=8, keep=8), [0, 1, 0, 0, 0, 0, 0, 0], atol=1e-12
    )


def test_statistics_are_those_of_the_segments():
    row = local_statistics(np.arange(8.0), segments=2)
    np.testing.assert_allclose(row * np.sqrt(2), [1.5, np.sqrt(1.25), 5.5, np.sqrt(1.25)])


@pytest.mark.parametrize("represent", ALL)
def test_the_same_curve_in_more_steps_has_nearly_the_same_row(represent):
    def curve(steps):
        t = np.linspace(0, 1, steps)
        return np.stack([np.sin(3 * t), t**2], axis=1)

    short, long = represent(curve(60)), represent(curve(200))
    assert short.shape == long.shape
    assert np.abs(short - long).max() < 0.02
    assert np.abs(long).max() > 0.2


@pytest.mark.parametrize("represent", ALL)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 9])
def test_very_short_sequences_have_a_row_of_the_same_size(represent, steps):
    row = represent(np.full((steps, 3), 2.0))
    assert row.shape == represent(np.zeros((100, 3))).shape
    np.testing.assert_allclose((row**2).sum(), 12, rtol=1e-9)  # constant: its mean square


@pytest.mark.parametrize("represent", ALL)
def test_channels_are_treated_alike_and_the_row_is_linear_but_for_deviations(represent):
    row = represent(NOISE).reshape(-1, 2)
    np.testing.assert_allclose(represent(NOISE[:, 1]), row[:, 1], atol=1e-12)
    np.testing.assert_allclose(represent(3 * NOISE), 3 * represent(NOISE), atol=1e-12)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("represent", ALL)
@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((0, 2)),
        np.zeros((3, 2, 2)),
        [1.0, np.nan],
        "ACGT",
        3.0,
        ["1", "2"],
        np.ones(5) + 1j,
        np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]"),
    ],
)
def test_what_is_no_sequence_is_refused(represent, bad):
    with pytest.raises(ValueError, match=r"expected (one|a) sequence"):
        represent(bad)


def test_numbers_out_of_range_are_refused():
    for call in (
        partial(local_statistics, segments=0),
        partial(wavelets, steps=6),
        partial(wavelets, keep=9),
        partial(polynomial, degree=-1),
        partial(fourier, frequencies=0),
    ):
        with pytest.raises(ValueError, match="must be"):
            call(NOISE)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("represent", ALL)
def test_a_tensor_with_a_gradient_is_a_sequence(represent):
    curve = torch.arange(12.0, requires_grad=True)
    np.testing.assert_array_equal(represent(curve), represent(np.arange(12.0)))
