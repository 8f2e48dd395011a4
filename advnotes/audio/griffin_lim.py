"""Griffin and Lim's way from magnitudes to a sound: guess the phases, and let the overlaps correct them."""

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.audio.mel import MelSpectrogram
from advnotes.checks import check_count

__all__ = ["griffin_lim", "unmel"]


def unmel(
    log_mel: Float[Tensor, "batch bands frames"], mel: MelSpectrogram
) -> Float[Tensor, "batch bins frames"]:
    """Magnitudes of the bins that give the mel bands, of least squares among all, negative ones set to 0."""
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
        momentum: :math:`\alpha`, 0 for the method of 1984.
        generator: of the first phases.

    Raises:
        ValueError: where ``steps`` is less than 1.
    """
    check_count("steps", steps)
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
