"""SRGAN: a small picture made large by a network that a critic and the features of a third network judge."""

import copy

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from advnotes.checks import call_model, check_floating, check_number
from advnotes.game import Game
from advnotes.gan.standard import check_generated, check_real
from advnotes.nets import check_logit_network, one_logit

__all__ = ["SRGAN"]


class SRGAN(Game):
    r"""Photo-realistic super-resolution with a GAN (Ledig et al. 2016, equations 3, 5 and 6).

    With a small picture :math:`s`, the original :math:`x`, fixed features :math:`\phi`, their scale :math:`c` and the
    discriminator's logit :math:`\ell`, so that :math:`-\log D = \mathrm{softplus}(-\ell)`:

    .. math::
        L_D &= \mathbb E\, \mathrm{softplus}(-\ell(x)) + \mathbb E\, \mathrm{softplus}(\ell(G(s))) \\
        L_G &= c^2\, \mathbb E\, \tfrac1n \lVert \phi(G(s)) - \phi(x) \rVert_2^2
        + \lambda\, \mathbb E\, \mathrm{softplus}(-\ell(G(s)))

    where :math:`n` counts the features of a picture. Batches are ``(s, x)``, such as ``(shrink(x), x)``. With
    ``nn.Identity()`` for features, ``scale=1`` and ``adversarial=0`` the generator is trained by plain regression.

    Args:
        generator: maps small pictures to pictures of the originals' size, such as :class:`SRResNet`, trained by plain
            regression before the game begins.
        discriminator: maps pictures to one logit each: an original, or an enlarged one?
        features: maps pictures to features of any shape. The game keeps a copy in eval mode, which does not move.
        adversarial: the weight :math:`\lambda` of passing for an original.
        scale: the number :math:`c` by which features are multiplied. The paper takes 1/12.75 with VGG19, for a loss
            about as large as that of pixels in [-1, 1].

    Differs from the paper: features, networks and sizes are the caller's. The paper's features are VGG19's before its
    fifth pooling.

    Raises:
        ValueError: where ``adversarial`` is negative, ``scale`` is not positive, or the discriminator ends with a
            sigmoid; when called, where pictures are not floating point, there is not one small picture for each
            original, enlarged ones have not the originals' shape, or the features are none or have no gradient.
    """

    turns = ("discriminator", "generator")

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        features: nn.Module,
        *,
        adversarial: float = 1e-3,
        scale: float = 1 / 12.75,
    ) -> None:
        super().__init__()
        check_number("adversarial", adversarial, least=0.0)
        check_number("scale", scale, above=0.0)
        check_logit_network("discriminator", discriminator)
        self.generator, self.discriminator = generator, discriminator
        self.features = copy.deepcopy(features).eval().requires_grad_(False)
        self.adversarial, self.scale = adversarial, scale

    def train(self, mode: bool = True) -> "SRGAN":
        """As ever, but the features stay in eval mode."""
        super().train(mode)
        self.features.eval()
        return self

    def discriminator_loss(
        self, small: Num[Tensor, "smalls ..."], real: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, ""]:
        """Cross-entropy of telling originals from enlarged pictures."""
        with torch.no_grad():
            fake = self.enlarged(small, real)
        real_logit, fake_logit = (one_logit(self.discriminator, at) for at in (real, fake))
        return F.softplus(-real_logit).mean() + F.softplus(fake_logit).mean()

    def generator_loss(
        self, small: Num[Tensor, "smalls ..."], real: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, ""]:
        """The features' squared error, and the weighted cross-entropy of passing for an original."""
        fake = self.enlarged(small, real)
        loss = self.content(fake, real)
        if self.adversarial > 0:
            loss = loss + self.adversarial * F.softplus(-one_logit(self.discriminator, fake)).mean()
        return loss

    def content(
        self, fake: Float[Tensor, "batch ..."], real: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, ""]:
        """The mean squared error of the scaled features."""
        with torch.no_grad():
            wanted = call_model(self.features, real)
        made = call_model(self.features, fake)
        if made.numel() == 0:
            raise ValueError(f"the network of features must return some, got shape {tuple(made.shape)}")
        if torch.is_grad_enabled() and fake.requires_grad and not made.requires_grad:
            raise ValueError(
                "the features have no gradient with respect to the picture, so the generator could not learn from "
                "them: take torch.no_grad(), .detach() and rounding out of their forward"
            )
        return self.scale**2 * (made - wanted).square().mean()

    def enlarged(
        self, small: Num[Tensor, "smalls ..."], real: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, "smalls ..."]:
        """What the generator makes of small pictures, checked beside the originals."""
        check_real(real)
        check_floating(small)
        if len(small) != len(real):
            raise ValueError(
                f"expected one small picture for each original, got {len(small)} and {len(real)}: a batch is "
                "(small, original), such as (shrink(x), x)"
            )
        fake = call_model(self.generator, small)
        check_generated(fake, real)
        return fake
