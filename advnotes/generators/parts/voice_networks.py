"""Networks for sound: critics of periods and of scales, phase shuffle, and a generator that works in frames."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.audio import MelSpectrogram
from advnotes.checks import check_count

__all__ = ["PeriodCritic", "PhaseShuffle", "ScaleCritic", "SoundCritic", "Vocoder"]

SLOPE = 0.1


class PhaseShuffle(nn.Module):
    r"""Shifts each sample's activations by a whole number drawn from -n to n (Donahue et al. 2018, section 3.3).

    What enters at one end is reflected. So a critic cannot learn at which place, modulo the stride, a generator's
    upsampling leaves its traces. Off in ``eval()``.

    Args:
        n: the largest shift, in places of this layer; 0 leaves everything where it is.
    """

    def __init__(self, n: int = 2) -> None:
        super().__init__()
        self.n = check_count("n", n, least=0)

    def forward(self, h: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch channels time"]:
        """The shifted activations, of the same shape."""
        if not self.training or self.n == 0:
            return h
        wide = F.pad(h, (self.n, self.n), mode="reflect")
        first = torch.randint(2 * self.n + 1, (len(h), 1, 1), device=h.device)
        places = first + torch.arange(h.shape[2], device=h.device)
        return wide.gather(2, places.expand_as(h))


class SoundCritic(nn.Module, ABC):
    """Convolutions with leaky ReLU between them, which give a score to each stretch of a sound.

    Args:
        layers: all but the last one.
        last: gives the scores, one channel.
    """

    def __init__(self, layers: Sequence[nn.Module], last: nn.Module) -> None:
        super().__init__()
        self.layers, self.last = nn.ModuleList(layers), last

    @abstractmethod
    def arrange(self, x: Float[Tensor, "batch 1 time"]) -> Tensor:
        """The sound as the first layer sees it."""

    def features(self, x: Float[Tensor, "batch 1 time"]) -> list[Tensor]:
        """The activations of all layers; the last are the scores."""
        h, found = self.arrange(x), []
        for layer in self.layers:
            h = F.leaky_relu(layer(h), SLOPE)
            found.append(h)
        return [*found, self.last(h)]

    def forward(self, x: Float[Tensor, "batch 1 time"]) -> Float[Tensor, " batch"]:
        """The mean score of each sound."""
        return self.features(x)[-1].flatten(1).mean(dim=1)


class PeriodCritic(SoundCritic):
    r"""Lays a sound out in rows of ``period`` samples, and judges each column by itself (Kong et al. 2020, 2.3).

    Column :math:`r` holds the samples :math:`x_r, x_{r + p}, x_{r + 2p}, \dots`. The kernels are one column wide, so
    that the columns share their weights and never meet.

    Args:
        period: :math:`p`, in samples.
        widths: channels of the layers, each of which takes every ``stride``-th place of a column.
        kernel, stride: along a column. The paper has widths 32, 128, 512, 1024 and a layer of stride 1 after them.
    """

    def __init__(
        self, period: int, widths: Sequence[int] = (16, 32, 64), kernel: int = 5, stride: int = 3
    ) -> None:
        self.period = check_count("period", period)  # plain numbers may be set before Module's __init__
        pad = (kernel // 2, 0)
        layers = [
            nn.Conv2d(narrow, wide, (kernel, 1), (stride, 1), pad)
            for narrow, wide in zip((1, *widths), widths, strict=False)
        ]
        super().__init__(layers, nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def arrange(self, x: Float[Tensor, "batch 1 time"]) -> Float[Tensor, "batch 1 rows period"]:
        """The sound in rows, its end reflected to fill the last one."""
        missing = -x.shape[2] % self.period
        return F.pad(x, (0, missing), mode="reflect").unflatten(2, (-1, self.period))


class ScaleCritic(SoundCritic):
    """Judges a sound averaged over ``scale`` samples, by long kernels (Kong et al. 2020, section 2.3).

    Args:
        scale: 1 for the sound itself; the paper has 1, 2 and 4.
        widths: channels of the layers, each of which takes every ``stride``-th place.
        kernel, stride: along the sound; the paper's differ from layer to layer.
        shuffle: the largest shift of a :class:`PhaseShuffle` before each layer but the first; WaveGAN's 2, or 0.
    """

    def __init__(
        self,
        scale: int = 1,
        widths: Sequence[int] = (16, 32, 64),
        kernel: int = 15,
        stride: int = 4,
        shuffle: int = 0,
    ) -> None:
        self.scale = check_count("scale", scale)
        layers: list[nn.Module] = [
            nn.Conv1d(narrow, wide, kernel, stride, kernel // 2)
            for narrow, wide in zip((1, *widths), widths, strict=False)
        ]
        if check_count("shuffle", shuffle, least=0):
            layers[1:] = [nn.Sequential(PhaseShuffle(shuffle), layer) for layer in layers[1:]]
        super().__init__(layers, nn.Conv1d(widths[-1], 1, 3, padding=1))

    def arrange(self, x: Float[Tensor, "batch 1 time"]) -> Float[Tensor, "batch 1 means"]:
        """The means of neighbouring samples."""
        return x if self.scale == 1 else F.avg_pool1d(x, self.scale)


class Vocoder(nn.Module):
    r"""A generator of sounds: of each frame of a mel spectrogram it says magnitudes and phases, which are overlapped.

    .. math:: x = \mathrm{ISTFT}(e^{a + i \varphi}), \qquad (a, \varphi) = \text{convolutions over frames of } s

    All layers work at the rate of the frames, as in Vocos (Siuzdak 2023), which needs a small part of the arithmetic of
    HiFi-GAN's transposed convolutions. The critics see nothing of this but the sound.

    Args:
        mel: how the spectrograms are made that come in.
        width: channels.
        blocks: residual blocks, each of which looks at seven frames.
    """

    def __init__(self, mel: MelSpectrogram, width: int = 96, blocks: int = 3) -> None:
        super().__init__()
        check_count("blocks", blocks, least=0)
        self.mel = mel
        self.net = nn.Sequential(
            nn.Conv1d(len(mel.filters), check_count("width", width), 7, padding=3),
            *(Residual(width) for _ in range(blocks)),
            nn.Conv1d(width, 2 * mel.filters.shape[1], 1),
        )

    def forward(self, log_mel: Float[Tensor, "batch bands frames"]) -> Float[Tensor, "batch 1 samples"]:
        """The sound of each spectrogram."""
        logs, phases = self.net(log_mel).chunk(2, dim=1)
        return self.mel.istft(torch.polar(logs.clamp_max(6).exp(), phases))


class Residual(nn.Module):
    """A convolution of each channel by itself, then a perceptron across channels, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv1d(width, width, 7, padding=3, groups=width),
            nn.GroupNorm(1, width),
            nn.Conv1d(width, 2 * width, 1),
            nn.GELU(),
            nn.Conv1d(2 * width, width, 1),
        )

    def forward(self, h: Float[Tensor, "batch width frames"]) -> Float[Tensor, "batch width frames"]:
        """What came in, changed."""
        changed: Tensor = h + self.change(h)
        return changed
