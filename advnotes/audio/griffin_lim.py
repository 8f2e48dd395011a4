"""Griffin and Lim's way from magnitudes to a sound: guess the phases, and let the overlaps correct them."""

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.audio.mel import MelSpectrogram
from advnotes.checks import check_count, check_number

__all__ = ["griffin_lim", "unmel"]


def unmel(
    log_mel: Float[Tensor, "batch bands frames"], mel: MelSpectrogram
) -> Float[Tensor, "batch bins frames"]:
    """Magnitudes of the bins that give the mel bands, of least squares among all, negative ones set to 0.

    Raises:
        ValueError: where it is no finite, floating-point ``[batch, bands, frames]`` with the bands of ``mel``.
    """
    bands = len(mel.filters)
    if log_mel.ndim != 3 or not len(log_mel) or log_mel.shape[1] != bands or not log_mel.is_floating_point():
        raise ValueError(
            f"expected mel spectrograms [batch, {bands}, frames] of floating-point numbers, got {log_mel.dtype} of the "
            f"shape {tuple(log_mel.shape)}"
        )
    if not bool(log_mel.isfinite().all()):
        raise ValueError(
            "mel spectrograms must be finite numbers: no NaN, and silence is the logarithm of the floor"
        )
    inverse = torch.linalg.pinv(mel.filters.double()).to(log_mel.dtype)
    return (inverse @ log_mel.exp()).clamp_min(0)


def griffin_lim(
    log_mel: Float[Tensor, "batch bands frames"],
    mel: MelSpectrogram,
    steps: int = 32,
    momentum: float = 0.99,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch 1 samples"]:
    r"""A sound with the given mel spectrogram, without any training.

    .. math::
        c_t = \mathrm{STFT}(\mathrm{ISTFT}(A\, e^{i \angle t_{t-1}})), \qquad
        t_t = c_t + \alpha (c_t - c_{t-1})

    from random phases, with the magnitudes :math:`A` of :func:`unmel` (Griffin and Lim 1984; with the momentum
    :math:`\alpha` of Perraudin, Balazs and Sondergaard 2013).

    Args:
        log_mel: as ``mel`` makes it.
        mel: how it was made.
        steps: how often the phases are corrected.
        momentum: :math:`\alpha`, at least 0; 0 for the method of 1984.
        generator: of the first phases.

    Raises:
        ValueError: where ``steps`` is less than 1, ``momentum`` negative or no number, or ``log_mel`` no finite
            spectrogram that ``mel`` could have made.
    """
    check_count("steps", steps)
    momentum = check_number("momentum", momentum, least=0.0)
    sizes = unmel(log_mel, mel)
    source = sizes.device if generator is None else generator.device
    phases = torch.rand(sizes.shape, generator=generator, device=source, dtype=sizes.dtype).to(sizes.device)
    goal = torch.polar(sizes, 2 * torch.pi * phases)
    before = torch.zeros_like(goal)
    for _ in range(steps):
        now = mel.stft(mel.istft(goal))
        ahead = now + momentum * (now - before)
        goal, before = torch.polar(sizes, ahead.angle()), now
    return mel.istft(goal)
