"""How periodic a sound is, and with which pitch, frame by frame."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from advnotes.audio.mel import check_heard
from advnotes.checks import check_count

__all__ = ["Pitch", "periodicity_error", "pitch"]


class Pitch(NamedTuple):
    """What :func:`pitch` returns, for each frame."""

    periodicity: Float[Tensor, "batch frames"]
    frequency: Float[Tensor, "batch frames"]
    loud: Bool[Tensor, "batch frames"]


def pitch(x: Float[Tensor, "batch 1 samples"], rate: int = 8000, frame: int = 512, hop: int = 128) -> Pitch:
    r"""The highest normalised autocorrelation of each frame, among lags between 70 and 400 Hz.

    .. math:: r(\tau) = \frac{\sum_t x_t\, x_{t + \tau}}{\sqrt{\sum_t x_t^2 \sum_t x_{t + \tau}^2}}

    with sums over half a frame. It is 1 where the sound repeats itself after :math:`\tau` samples, and near 0 in noise.
    Among lags that repeat it almost as well as the best one, the shortest is the pitch's.

    Args:
        x: sounds; whatever is far softer than 0.001 counts as not periodic.
        rate: samples a second, 400 or more.
        frame: samples looked at, twice the longest lag or more.
        hop: samples from frame to frame.

    Returns:
        The periodicity in [-1, 1]; the frequency of the pitch in Hz; and which frames are loud enough to be judged,
        above a twentieth of the sound's loudest.

    Raises:
        ValueError: where ``frame`` is shorter than two of the longest lags, the sound shorter than a frame, or its
            numbers are not finite or not of single precision at least.
    """
    check_count("hop", hop)
    shortest, longest = check_count("rate", rate, least=400) // 400, rate // 70
    if check_count("frame", frame) < 2 * longest:
        raise ValueError(
            f"expected a frame of {2 * longest} samples or more, two of the longest lags, got {frame}"
        )
    check_heard(x, frame)
    half = frame - longest
    frames = x.squeeze(1).unfold(1, frame, hop)
    still = frames[..., :half]
    energy = still.square().sum(dim=2)
    found = torch.stack(
        [
            (still * moved).sum(dim=2) / (energy * moved.square().sum(dim=2) + 1e-9).sqrt()
            for moved in (frames[..., lag : lag + half] for lag in range(shortest, longest + 1))
        ],
        dim=2,
    )
    best = found.amax(dim=2)
    early = (found > best[..., None] - 0.05).float().argmax(dim=2)  # the first such lag
    rise = (found[..., 1:] > found[..., :-1]).float()  # from there on up to its peak
    steps = torch.arange(found.shape[2] - 1, device=x.device)
    climbing = torch.where(steps < early[..., None], 1.0, rise).cumprod(dim=2).sum(dim=2)
    loud = energy > energy.amax(dim=1, keepdim=True) / 400
    return Pitch(best, rate / (shortest + climbing), loud)


def periodicity_error(
    real: Float[Tensor, "batch 1 samples"], made: Float[Tensor, "batch 1 others"], rate: int = 8000
) -> float:
    """The root mean square of the difference in periodicity, over the frames in which the real sound is loud.

    Raises:
        ValueError: where the sounds differ in shape, all real ones are silent, or :func:`pitch` refuses them.
    """
    if real.shape != made.shape:
        raise ValueError(
            f"expected two times the same sounds, got the shapes {tuple(real.shape)} and {tuple(made.shape)}"
        )
    wanted, found = pitch(real, rate), pitch(made, rate)
    if not bool(wanted.loud.any()):
        raise ValueError("the real sounds are silent: there is no frame to compare")
    return float((wanted.periodicity - found.periodicity)[wanted.loud].square().mean().sqrt())
