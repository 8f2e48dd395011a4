"""A GAN whose generator descends the divergence that you name: Nowozin et al. 2016 and Poole et al. 2016."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.gan.divergences import Divergence
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN

__all__ = ["FGAN"]


class FGAN(GAN):
    r"""One f-divergence for the generator to descend, and one by which the discriminator learns the ratio.

    The discriminator's logit is an estimate of :math:`\log r`, :math:`r = p/q`. With :math:`f` the generator's
    divergence and :math:`g` the discriminator's:

    .. math::
        L_D &= -\mathbb E_x\, g'(r(x)) + \mathbb E_z\, g^*\bigl(g'(r(G(z)))\bigr) \\
        L_G &= \mathbb E_z\, h(r(G(z))), \qquad h(r) = f(r) - r f'(r) = -f^*(f'(r))

    Any :math:`g` has its optimum at the true ratio. ``ratio=None`` is the cross-entropy of a plain GAN, which is
    Jensen-Shannon's; that a generator may then descend another divergence is the point of Poole, Alemi,
    Sohl-Dickstein and Angelova 2016. With ``ratio=divergence`` it is f-GAN (Nowozin, Cseke and Tomioka
    2016, equations 4 and 6), whose generator loss :math:`-\mathbb E f^*(T)` is :math:`h` where :math:`T = f'(r)`.

    Args:
        generator, discriminator, latent_size, penalties: as in :class:`~advnotes.gan.standard.GAN`.
        divergence: what the generator descends, such as ``Alpha(1.0)`` for :math:`\mathrm{KL}(p, q)`.
        ratio: what the discriminator's loss is a bound of; None: cross-entropy.
        limit: beyond :math:`\pm` this log-ratio, in nats, a sample counts as if it lay there: its gradient keeps
            the direction and the weight of the limit. Without it a single sample with a ratio of :math:`e^{30}` is
            the whole batch's gradient.

    Differs from the paper: Poole et al.'s loss, as others implemented it, is :math:`\mathbb E f(r)` with the
    discriminator frozen, whose gradient is not the divergence's but for the reverse KL divergence. The limit is
    ours.

    Raises:
        ValueError: where ``limit`` is not positive, and as in :class:`~advnotes.gan.standard.GAN`.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        divergence: Divergence,
        *,
        ratio: Divergence | None = None,
        limit: float = 10.0,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        for name, value in {"divergence": divergence, "ratio": ratio}.items():
            if not isinstance(value, Divergence) and (value is not None or name == "divergence"):
                raise ValueError(
                    f"{name} must be a divergence, such as Alpha(1.0) or JensenShannon(), got {value!r}"
                )
        self.divergence, self.ratio = divergence, ratio
        self.limit = check_number("limit", limit, above=0.0)

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the bound that ``ratio`` gives, or cross-entropy."""
        if self.ratio is None:
            return super().discriminator_objective(real, fake, *labels)
        on_real, on_fake = (self.log_ratio(x, *labels) for x in (real, fake))
        return -self.ratio.slope(on_real).mean() - self.ratio.objective(on_fake).mean()

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """The mean of :math:`h` over generated samples."""
        return self.divergence.objective(self.log_ratio(self.generated(real, *labels), *labels)).mean()

    def log_ratio(self, x: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, " batch"]:
        """The logit within the limit; the gradient passes as if it had not been clamped."""
        logit = self.logit(x, *labels)
        with torch.no_grad():
            beyond = logit.clamp(-self.limit, self.limit) - logit
        return logit + beyond
