"""Feature matching of Salimans et al. 2016: a generator that imitates the mean of what the discriminator looks at."""

from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model
from advnotes.gan.standard import GAN
from advnotes.precision import at_least_float32

__all__ = ["FeatureMatchingGAN"]


class FeatureMatchingGAN(GAN):
    r"""A GAN whose generator matches the mean features of real samples, and is not told how real it looks.

    .. math:: L_G = \bigl\lVert \mathbb E_x f(x) - \mathbb E_z f(G(z)) \bigr\rVert_2^2

    (Salimans et al. 2016, section 3.1), where :math:`f` are the activations of an inner layer of the discriminator. The
    discriminator's loss is that of :class:`~advnotes.gan.GAN`: it learns features in which the two differ. Since only a
    mean over the batch is matched, a single sample may look like nothing real.

    With class labels it is the generator of the semi-supervised GAN: see :class:`~advnotes.gan.SemiSupervisedGAN`.

    Args:
        generator, discriminator, latent_size, penalties: as in :class:`~advnotes.gan.GAN`.
        features: maps samples to features, ``[batch, ...]``, by layers that it shares with the discriminator, such as
            ``discriminator[:-1]``; None: that, all but the last layer of an ``nn.Sequential``.

    Raises:
        ValueError: as :class:`~advnotes.gan.GAN`; where ``features`` is not given and the discriminator is no
            Sequential of two layers or more, or shares no parameter with the discriminator.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        features: nn.Module | None = None,
        **options: object,
    ) -> None:
        super().__init__(generator, discriminator, latent_size, **options)  # type: ignore[arg-type]
        if features is None:
            plain = (
                isinstance(discriminator, nn.Sequential)
                and type(discriminator).forward is nn.Sequential.forward
            )
            if not plain or len(discriminator) < 2:  # type: ignore[arg-type]
                raise ValueError(
                    "features must be the layers of the discriminator whose output is matched; they are found by "
                    "themselves in an nn.Sequential of two layers or more without a forward of its own, got "
                    f"{type(discriminator).__name__}: pass features=, a module that shares its layers"
                )
            features = nn.Sequential(*list(discriminator.children())[:-1])  # a slice would be of its class
        known = set(discriminator.parameters())
        if not known.intersection(features.parameters()):
            raise ValueError(
                "features must share layers with the discriminator, got a network of its own, which nobody would "
                "train: pass a part of the discriminator, such as discriminator[:-1]"
            )
        self.features = features

    def generator_loss(self, real: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, ""]:
        """The squared distance of the mean features."""
        aim = self.mean_features(real).detach()
        return (aim - self.mean_features(self.generated(real, *labels))).square().sum()

    def mean_features(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " features"]:
        """The mean over the samples of each feature."""
        return at_least_float32(call_model(self.features, x)).flatten(1).mean(dim=0)
