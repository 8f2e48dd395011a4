"""The semi-supervised GAN of Salimans et al. 2016: a classifier that is also told apart from what a generator makes."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.checks import call_model, check_inputs, check_logits_shape, check_same_kind, logits_of
from advnotes.gan.standard import GAN
from advnotes.precision import at_least_float32

__all__ = ["SemiSupervisedGAN"]


class SemiSupervisedGAN(GAN):
    r"""A GAN whose discriminator is a classifier of :math:`K` classes: generated samples are class :math:`K + 1`.

    The logit of the last class is fixed at 0, so that the network gives :math:`K` logits :math:`l_k` and

    .. math::
        \ell(x) = \log \sum_{k=1}^K e^{l_k(x)}, \qquad
        D(x) = \sigma(\ell(x)) = \frac{\sum_k e^{l_k}}{\sum_k e^{l_k} + 1}

    .. math::
        L_D = \underbrace{-\mathbb E_{x, y} \log p(y \mid x, y \le K)}_{\text{labelled}}
        - \tfrac12 \mathbb E_x\, \ell(x) + \tfrac12 \mathbb E_x\, \mathrm{softplus}(\ell(x))
        + \tfrac12 \mathbb E_z\, \mathrm{softplus}(\ell(G(z)))

    (Salimans et al. 2016, section 5): cross-entropy where there are labels, and half of the loss of
    :class:`~advnotes.gan.GAN`, at the logit :math:`\ell`, where there are none. A batch is ``(x, y, unlabelled)``; the
    labels of ``unlabelled`` are not asked for, so that nothing can use them.

    The generator's loss is that of the class beside it: here the non-saturating one. The paper's best classifier has
    feature matching, and is one line: ``class Matching(SemiSupervisedGAN, FeatureMatchingGAN): pass``.

    Args:
        generator, latent_size, penalties: as in :class:`~advnotes.gan.GAN`.
        discriminator: maps samples to one logit for each of two classes or more, ``[batch, classes]``.

    Raises:
        ValueError: as :class:`~advnotes.gan.GAN`; and when called, where labels, logits or the unlabelled samples are
            not as expected.
    """

    def discriminator_loss(self, x: Float[Tensor, "labelled ..."], *rest: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy of the labelled samples, half the GAN's loss of the others, and the penalties there."""
        y, unlabelled = self.read(x, rest)
        supervised = F.cross_entropy(at_least_float32(logits_of(self.discriminator, x, y)), y)
        return supervised + super().discriminator_loss(unlabelled)

    def discriminator_objective(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "generated ..."], *labels: Tensor
    ) -> Float[Tensor, ""]:
        """Half the cross-entropy of telling real samples, of whatever class, from generated ones."""
        return 0.5 * super().discriminator_objective(real, fake)

    def generator_loss(self, x: Float[Tensor, "labelled ..."], *rest: Tensor) -> Float[Tensor, ""]:
        """The loss of the generator that this class is combined with, at the unlabelled samples."""
        _, unlabelled = self.read(x, rest)
        return super().generator_loss(unlabelled)

    def logit(self, x: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, " batch"]:
        r""":math:`\ell(x)`, the logit of being real."""
        logits = call_model(self.discriminator, x)
        if check_logits_shape(logits, len(x)) < 2:
            raise ValueError(f"expected logits of two classes or more, got shape {tuple(logits.shape)}")
        return at_least_float32(logits).logsumexp(dim=1)

    def read(self, x: Tensor, rest: tuple[Tensor, ...]) -> tuple[Int[Tensor, " labelled"], Tensor]:
        """The labels and the unlabelled samples of a batch, checked.

        Raises:
            ValueError: where the batch is not ``(x, y, unlabelled)``.
        """
        if len(rest) != 2:
            raise ValueError(
                f"a batch is (x, y, unlabelled), got {1 + len(rest)} tensors: labelled samples, their classes, and "
                "samples without a label"
            )
        y, unlabelled = rest
        check_inputs(x, y, None)
        check_same_kind("unlabelled samples", unlabelled, "labelled ones", x)
        return y, unlabelled
