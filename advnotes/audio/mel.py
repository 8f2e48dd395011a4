"""What a vocoder is given of a sound: how loud each band of frequencies is, frame by frame."""

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from torch import Tensor, nn

from advnotes.checks import check_count, check_number

__all__ = ["MelSpectrogram", "mel_filters"]


def mel_filters(rate: int, n_fft: int, bands: int) -> Float[Tensor, "bands bins"]:
    r"""Triangles over the bins of a Fourier transform, evenly spaced on the mel scale.

    .. math:: \mathrm{mel}(f) = 2595\, \log_{10}(1 + f / 700)

    for a frequency :math:`f` in Hz. Each triangle is 1 at its own corner and 0 at its neighbours' corners; the corners
    run from 0 Hz to half the rate.

    Args:
        rate: samples a second.
        n_fft: samples in a frame, so ``n_fft // 2 + 1`` bins.
        bands: the number of triangles; with too many, those at low frequencies hold no bin.

    Raises:
        ValueError: where one of them is less than 1.
    """
    rate, n_fft, bands = (
        check_count(name, value) for name, value in (("rate", rate), ("n_fft", n_fft), ("bands", bands))
    )
    top = torch.log10(torch.tensor(1 + rate / 1400, dtype=torch.float64))
    corners = 700 * (10 ** torch.linspace(0, 1, bands + 2, dtype=torch.float64).mul(top) - 1)
    bins = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    width = corners.diff()[:, None]
    rising = (bins - corners[:-2, None]) / width[:-1]
    falling = (corners[2:, None] - bins) / width[1:]
    return torch.minimum(rising, falling).clamp_min(0).float()


def check_sounds(x: Tensor, least: int, multiple: int = 1) -> None:
    """Raise ValueError for what is no batch of sounds, has fewer samples than ``least``, or is made of whole numbers.

    Args:
        x: sounds, ``[batch, 1, samples]``.
        least: the fewest samples.
        multiple: what the number of samples must be a multiple of.
    """
    if x.ndim != 3 or not len(x) or x.shape[1] != 1 or x.shape[2] % multiple or x.shape[2] < least:
        whole = f", a multiple of {multiple}" if multiple > 1 else ""
        raise ValueError(
            f"expected sounds [batch, 1, samples] of {least} samples or more{whole}, got the shape {tuple(x.shape)}"
        )
    check_floats(x)


def check_floats(x: Tensor) -> None:
    """Raise ValueError for sounds of whole numbers, whose squares overflow."""
    if not x.is_floating_point():
        raise ValueError(
            f"sounds must be floating point, within [-1, 1], got {x.dtype}: x / 32768 for 16 bits"
        )


def check_heard(x: Tensor, least: int) -> None:
    """Raise ValueError for sounds of which a measure would be silently wrong: see :func:`check_sounds`; or not finite.

    Numbers of half precision are refused as well, whose squares are 0 for soft sounds.
    """
    check_sounds(x, least)
    if x.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(f"half precision is too coarse for a sound's energy, got {x.dtype}: x.float()")
    if not bool(x.isfinite().all()):
        bad = int((~x.isfinite()).nonzero()[0, 0])
        raise ValueError(f"sounds must be finite numbers, and number {bad} is not")


class MelSpectrogram(nn.Module):
    r"""The logarithm of the magnitudes of a short-time Fourier transform, summed in mel bands.

    .. math:: s = \log \max(M\, \lvert \mathrm{STFT}(x) \rvert, \text{floor})

    A frame is ``n_fft`` samples under a Hann window; the next one begins ``hop`` samples later. The ends are padded by
    reflection, so that ``samples`` samples give ``samples // hop`` frames, as in the code of HiFi-GAN (Kong et al.
    2020). The phase is lost.

    Args:
        rate: samples a second.
        n_fft: samples in a frame, an even number.
        hop: samples from frame to frame, a divisor of ``n_fft``.
        bands: mel bands.
        floor: magnitudes below it count as silence.

    Raises:
        ValueError: where ``hop`` does not divide ``n_fft`` into two frames or more, or a number is not above 0; when
            called, where the sounds are none, or no floating-point ``[batch, 1, samples]`` with ``samples`` a
            multiple of ``hop``.
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self, rate: int = 8000, n_fft: int = 256, hop: int = 64, bands: int = 32, floor: float = 0.01
    ) -> None:
        super().__init__()
        self.n_fft, self.hop = check_count("n_fft", n_fft), check_count("hop", hop)
        self.floor = check_number("floor", floor, above=0.0)
        if n_fft % (2 * hop):
            raise ValueError(f"n_fft must be a multiple of twice the hop, got {n_fft} and {hop}")
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("filters", mel_filters(rate, n_fft, bands), persistent=False)

    def forward(self, x: Float[Tensor, "batch 1 samples"]) -> Float[Tensor, "batch bands frames"]:
        """The log-mel spectrogram of each sound."""
        return (self.filters @ self.magnitudes(x)).clamp_min(self.floor).log()

    def magnitudes(self, x: Float[Tensor, "batch 1 samples"]) -> Float[Tensor, "batch bins frames"]:
        """The magnitudes, with a slope that is finite at silence."""
        spectrum = self.stft(x)
        return (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()

    def stft(self, x: Float[Tensor, "batch 1 samples"]) -> Complex[Tensor, "batch bins frames"]:
        """The short-time Fourier transform."""
        check_sounds(x, self.n_fft, self.hop)
        edge = (self.n_fft - self.hop) // 2
        padded = F.pad(x, (edge, edge), mode="reflect").squeeze(1)
        return torch.stft(padded, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)

    def istft(self, spectrum: Complex[Tensor, "batch bins frames"]) -> Float[Tensor, "batch 1 samples"]:
        """The sound whose frames are nearest to the given ones: windowed, overlapped and added.

        Raises:
            ValueError: where it is no ``[batch, bins, frames]`` of complex numbers with the bins of :meth:`stft`.
        """
        bins = self.n_fft // 2 + 1
        if not spectrum.is_complex() or spectrum.ndim != 3 or spectrum.shape[1] != bins or not len(spectrum):
            raise ValueError(
                f"expected complex spectra [batch, {bins}, frames], got {spectrum.dtype} of the shape "
                f"{tuple(spectrum.shape)}"
            )
        frames = torch.fft.irfft(spectrum, n=self.n_fft, dim=1) * self.window[:, None]
        count, whole = frames.shape[2], self.n_fft + self.hop * (frames.shape[2] - 1)
        weights = self.window.square()[:, None].expand(1, self.n_fft, count)
        summed, norm = (
            F.fold(part, (1, whole), (1, self.n_fft), stride=(1, self.hop)).squeeze(2)
            for part in (frames, weights)
        )
        edge = (self.n_fft - self.hop) // 2
        return (summed / norm.clamp_min(1e-6))[:, :, edge : edge + count * self.hop]
