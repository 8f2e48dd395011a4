"""HiFi-GAN of Kong et al. 2020: a vocoder, and critics of periods and of scales."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.game import Game, Turns
from advnotes.gan.standard import check_generated, check_real
from advnotes.generators.parts.voice_networks import PhaseShuffle, SoundCritic

__all__ = ["HiFiGAN"]


class HiFiGAN(Game):
    r"""A vocoder: a generator that turns mel spectrograms into sounds, and its critics.

    With :math:`s = \phi(x)` the spectrogram of a sound, :math:`D_k(x)` the scores of critic :math:`k`, each a mean over
    stretches, and :math:`D_k^i` its layer :math:`i`:

    .. math::
        L_D &= \sum_k \mathbb E\, (D_k(x) - 1)^2 + D_k(G(s))^2 \\
        L_G &= \sum_k \Bigl[ \mathbb E\, (D_k(G(s)) - 1)^2
            + \lambda_{fm} \sum_i \mathbb E\, \lvert D_k^i(x) - D_k^i(G(s)) \rvert \Bigr]
            + \lambda_{mel}\, \mathbb E\, \lvert \phi(x) - \phi(G(s)) \rvert

    (Kong, Kim and Bae 2020, equations 1 to 8.) There is no noise: one sound for each spectrogram is
    enough. Without critics what is left is a regression on spectrograms.

    Args:
        generator: maps spectrograms ``[batch, bands, frames]`` to sounds ``[batch, 1, samples]``.
        critics: :class:`~advnotes.generators.PeriodCritic`, :class:`~advnotes.generators.ScaleCritic` or others below
            :class:`~advnotes.generators.SoundCritic`; there may be none.
        mel: :math:`\phi`, such as :class:`~advnotes.audio.MelSpectrogram`.
        mel_weight: :math:`\lambda_{mel}`, at least 0; the paper's is 45.
        feature_weight: :math:`\lambda_{fm}`, at least 0; the paper's is 2.

    Raises:
        ValueError: where a weight is negative, a critic is no ``SoundCritic``, or one shuffles phases and its layers
            are to be matched, since it shifts real and generated sounds differently; when called, where the generator's
            sounds have not the data's shape.

    Differs from the paper: the features matched are all layers before the scores, as in the authors' code without its
    last one. Norms of weights (weight and spectral normalisation) are left to the networks.
    """

    discriminator: nn.ModuleList

    def __init__(
        self,
        generator: nn.Module,
        critics: Sequence[nn.Module],
        mel: nn.Module,
        *,
        mel_weight: float = 45.0,
        feature_weight: float = 2.0,
    ) -> None:
        super().__init__()
        if odd := [critic for critic in critics if not isinstance(critic, SoundCritic)]:
            raise ValueError(
                f"expected critics such as [PeriodCritic(2), ScaleCritic()], got {type(odd[0]).__name__}: derive yours "
                "from SoundCritic"
            )
        self.turns: Turns = ("discriminator", "generator") if len(critics) else ("generator",)
        self.generator, self.discriminator, self.mel = generator, nn.ModuleList(critics), mel
        self.mel_weight = check_number("mel_weight", mel_weight, least=0.0)
        self.feature_weight = check_number("feature_weight", feature_weight, least=0.0)
        if self.feature_weight and any(
            isinstance(m, PhaseShuffle) and m.n for m in self.discriminator.modules()
        ):
            raise ValueError(
                "a critic with phase shuffle shifts real and generated sounds differently, so its layers cannot be "
                "matched: pass feature_weight=0, or critics with shuffle=0"
            )

    @property
    def critics(self) -> list[SoundCritic]:
        """The critics, which move as one player."""
        return [critic for critic in self.discriminator if isinstance(critic, SoundCritic)]

    def discriminator_loss(self, real: Float[Tensor, "batch 1 time"]) -> Float[Tensor, ""]:
        """Squared distance of the scores from 1 at real sounds and from 0 at generated ones, summed over critics."""
        with torch.no_grad():  # the generator does not move in this turn
            fake = self.vocode(real)
        return sum_of(
            (critic.features(real)[-1] - 1).square().mean() + critic.features(fake)[-1].square().mean()
            for critic in self.critics
        )

    def generator_loss(self, real: Float[Tensor, "batch 1 time"]) -> Float[Tensor, ""]:
        """What the critics find wrong, how far their layers are apart, and how far the spectrograms are."""
        fake = self.vocode(real)
        loss = self.mel_weight * (self.mel(real) - self.mel(fake)).abs().mean()
        for critic in self.critics:
            *layers, scores = critic.features(fake)
            loss = loss + (scores - 1).square().mean()
            if self.feature_weight:
                with torch.no_grad():
                    goals = critic.features(real)[:-1]
                apart = sum_of((goal - layer).abs().mean() for goal, layer in zip(goals, layers, strict=True))
                loss = loss + self.feature_weight * apart
        return loss

    def vocode(self, real: Float[Tensor, "batch 1 time"]) -> Float[Tensor, "batch 1 time"]:
        """The sounds that the generator makes of the spectrograms of real ones."""
        check_real(real)
        fake: Tensor = self.generator(self.mel(real))
        check_generated(fake, real)
        return fake


def sum_of(losses: Iterable[Tensor]) -> Tensor:
    """The sum of several losses."""
    return torch.stack(list(losses)).sum()
