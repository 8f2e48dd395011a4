"""How alike two waves are, stretch by stretch, where each may come a little earlier or later."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.audio.mel import check_heard
from advnotes.checks import check_count

__all__ = ["WaveMatch", "wave_match"]


class WaveMatch(NamedTuple):
    """What :func:`wave_match` returns."""

    upright: float
    mirrored: float


def wave_match(
    real: Float[Tensor, "batch 1 samples"],
    made: Float[Tensor, "batch 1 others"],
    frame: int = 160,
    reach: int = 20,
) -> WaveMatch:
    r"""The cosine between stretches of two waves, at the best shift; and the same with one of them upside down.

    .. math:: \max_{\lvert \tau \rvert \le \text{reach}}
        \frac{\pm \sum_t x_t\, y_{t + \tau}}{\sqrt{\sum_t x_t^2 \sum_t y_{t + \tau}^2}}

    averaged over the stretches in which ``real`` is loud, more than a twentieth of its loudest. Whatever looks at
    magnitudes of a spectrum alone cannot tell a wave from its mirror image, so the two numbers of what it makes agree.

    Args:
        real, made: the sounds to be compared.
        frame: samples in a stretch; 160 are 20 ms at 8,000 Hz.
        reach: the largest shift either way, in samples.

    Raises:
        ValueError: where the sounds differ in shape, are too short for a stretch, or have numbers that are not finite
            or not of single precision at least; or where all real ones are silent.
    """
    check_count("frame", frame)
    check_count("reach", reach, least=0)
    if real.shape != made.shape:
        raise ValueError(
            f"expected two times the same sounds, got the shapes {tuple(real.shape)} and {tuple(made.shape)}"
        )
    for sounds in (real, made):
        check_heard(sounds, frame + 2 * reach)
    stop = real.shape[2] - reach
    x = real.squeeze(1)[:, reach:stop].unfold(1, frame, frame)
    shifted = [
        made.squeeze(1)[:, reach + shift : stop + shift].unfold(1, frame, frame)
        for shift in range(-reach, reach + 1)
    ]
    energy = x.square().sum(dim=2)
    cosines = torch.stack(
        [(x * y).sum(dim=2) / (energy * y.square().sum(dim=2) + 1e-9).sqrt() for y in shifted], dim=2
    )
    loud = energy > energy.amax(dim=1, keepdim=True) / 400
    if not bool(loud.any()):
        raise ValueError("the real sounds are silent: there is no stretch to compare")
    return WaveMatch(float(cosines.amax(dim=2)[loud].mean()), float((-cosines).amax(dim=2)[loud].mean()))
