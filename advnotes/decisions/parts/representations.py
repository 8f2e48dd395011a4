"""Four ways to turn a sequence of any length into a row of numbers, as Yang and Chen 2011 use them.

Each takes a sequence ``[length, channels]`` and returns one row ``[size]``, of the same size for every length: time is
counted in shares of the sequence. All are scaled alike: where nothing is left out, the squares of a row add up to the
mean square of its sequence, so that distances between rows are distances between curves.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from advnotes.checks import check_count
from advnotes.decisions.parts.arrays import float_array

__all__ = ["fourier", "local_statistics", "polynomial", "wavelets"]

Array = NDArray[np.float64]


def local_statistics(sequence: ArrayLike, segments: int = 4) -> Array:
    r"""Piecewise local statistics (PLS): mean and deviation of each segment, :math:`(\mu_k, \sigma_k) / \sqrt{K}`.

    Args:
        sequence: ``[length, channels]`` or ``[length]``.
        segments: how many, :math:`K`, of about equal length; a sequence of fewer than :math:`2K` steps is first
            interpolated to so many.

    Returns:
        ``[segments * 2 * channels]``.

    Raises:
        ValueError: where there is no such sequence of finite numbers.

    Source: Yang and Chen 2011, "piecewise local statistics". Differs from the paper: a fixed number of
    segments in place of a fixed length.
    """
    parts = np.array_split(at_least(sequence, 2 * check_count("segments", segments)), segments)
    statistics = [np.stack([part.mean(axis=0), part.std(axis=0)]) for part in parts]
    return np.concatenate(statistics, axis=None) / np.sqrt(segments)


def wavelets(sequence: ArrayLike, segments: int = 4, steps: int = 8, keep: int = 2) -> Array:
    r"""Piecewise discrete wavelet transform (PDWT): the coarsest ``keep`` Haar coefficients of each segment.

    A step of the Haar transform parts a segment into :math:`(a \pm b) / \sqrt 2` of neighbours :math:`a, b`; the sums
    are parted again, until one is left.

    Args:
        sequence: ``[length, channels]`` or ``[length]``.
        segments: how many.
        steps: of each segment, a power of 2; the sequence is interpolated to ``segments * steps``.
        keep: how many coefficients of each segment are kept, from 1 to ``steps``.

    Returns:
        ``[segments * keep * channels]``.

    Raises:
        ValueError: as :func:`local_statistics`; where ``steps`` is no power of 2 or ``keep`` is larger.

    Source: Yang and Chen 2011, "piecewise discrete wavelet transform". Differs from the paper: Haar's
    wavelets, and the finest coefficients are left out, where the paper maps all of them to a few dimensions.
    """
    steps, keep = check_count("steps", steps), check_count("keep", keep)
    if steps & (steps - 1) or keep > steps:
        raise ValueError(f"steps must be a power of 2 and keep at most steps, got steps={steps}, keep={keep}")
    length = check_count("segments", segments) * steps
    sums = resample(read(sequence), length).reshape(segments, steps, -1)
    coefficients: list[Array] = []
    while sums.shape[1] > 1:
        one, other = sums[:, ::2], sums[:, 1::2]
        coefficients.insert(0, (one - other) / np.sqrt(2))
        sums = (one + other) / np.sqrt(2)
    return np.concatenate([sums, *coefficients], axis=1)[:, :keep].ravel() / np.sqrt(length)


def polynomial(sequence: ArrayLike, degree: int = 7) -> Array:
    r"""Polynomial curve fitting (PCF): least squares on Legendre polynomials :math:`\sqrt{2k+1}\,P_k(t)`.

    Args:
        sequence: ``[length, channels]`` or ``[length]``; its time is mapped to [-1, 1], and a sequence of fewer than
            twice ``degree + 1`` steps is first interpolated to so many.
        degree: the largest :math:`k`.

    Returns:
        ``[(degree + 1) * channels]``.

    Raises:
        ValueError: as :func:`local_statistics`.

    Source: Yang and Chen 2011, "polynomial curve fitting". Differs from the paper: orthogonal polynomials
    in place of powers of t, whose coefficients say nothing about distances between curves.
    """
    size = check_count("degree", degree, least=0) + 1
    curve = at_least(sequence, 2 * size)
    time = (np.arange(len(curve)) + 0.5) / len(curve) * 2 - 1
    basis = np.polynomial.legendre.legvander(time, degree) * np.sqrt(2 * np.arange(size) + 1)
    return np.asarray(np.linalg.lstsq(basis, curve, rcond=None)[0].ravel())


def fourier(sequence: ArrayLike, frequencies: int = 4) -> Array:
    r"""Discrete Fourier transform (DFT): real and imaginary parts of the lowest frequencies.

    :math:`\sqrt{2}\, \frac1T \sum_t x_t\, e^{-2\pi i k t / T}` for :math:`k = 1, \dots`, in periods of the whole
    sequence, and the mean for :math:`k = 0`.

    Args:
        sequence: ``[length, channels]`` or ``[length]``; one of fewer than :math:`2 \cdot` ``frequencies`` steps is
            first interpolated to so many.
        frequencies: how many, the mean among them.

    Returns:
        ``[(2 * frequencies - 1) * channels]``.

    Raises:
        ValueError: as :func:`local_statistics`.

    Source: Yang and Chen 2011, "discrete Fourier transforms".
    """
    curve = at_least(sequence, 2 * check_count("frequencies", frequencies))
    waves = np.fft.rfft(curve, axis=0)[:frequencies] / len(curve)
    parts = [waves.real[:1], np.sqrt(2) * waves.real[1:], np.sqrt(2) * waves.imag[1:]]
    return np.concatenate(parts, axis=None)


def read(sequence: ArrayLike) -> Array:
    """A sequence as ``[length, channels]``; ValueError where it is none, is empty, or is not finite."""
    try:
        curve = float_array(sequence)
    except ValueError as error:
        raise ValueError(f"expected a sequence of numbers, [length, channels]: {error}") from None
    curve = curve[:, None] if curve.ndim == 1 else curve
    if curve.ndim != 2 or 0 in curve.shape or not np.isfinite(curve).all():
        raise ValueError(
            f"expected one sequence of finite numbers, [length, channels], got the shape {np.shape(sequence)}"
            + (
                ""
                if np.isfinite(curve).all()
                else " with NaN or infinite numbers: fill them by interpolation"
            )
        )
    return curve


def at_least(sequence: ArrayLike, steps: int) -> Array:
    """The sequence, interpolated to so many steps where it has fewer."""
    curve = read(sequence)
    return curve if len(curve) >= steps else resample(curve, steps)


def resample(curve: Array, steps: int) -> Array:
    """A curve ``[length, channels]`` at so many evenly spaced moments from its first to its last, on straight lines."""
    given, wanted = np.arange(len(curve)), np.linspace(0, len(curve) - 1, steps)
    return np.stack([np.interp(wanted, given, channel) for channel in curve.T], axis=1)
