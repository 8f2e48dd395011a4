"""Convolutional generators and discriminators of square pictures, without normalisation across the batch.

Each halving of the side has one convolution of 4×4 with stride 2, as in DCGAN (Radford, Metz and Chintala 2015). That
network's batch normalisation is left out: a penalty on gradients, and a loss that compares samples in pairs, want each
sample to be judged by itself (Huang et al. 2024, section 3).

A class-conditional pair for :class:`~advnotes.gan.ConditionalGAN`::

    generator = Conditioned(conv_generator(shape, latent_size + classes), classes)
    features = conv_features(shape)
    discriminator = Projection(features, features.size, classes)
"""

from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_count
from advnotes.nets.layers import Normalize

__all__ = ["Projection", "conv_discriminator", "conv_features", "conv_generator"]

SMALLEST = 4  # the side at which halving stops


def conv_generator(
    shape: tuple[int, int, int] = (3, 32, 32), latent_size: int = 64, width: int = 32
) -> nn.Sequential:
    """From a latent vector to a picture in [0, 1].

    A linear layer makes the smallest grid, such as 4×4 for 32×32 and 7×7 for 28×28; each transposed convolution doubles
    its side and halves its channels.

    Args:
        shape: of a picture: channels, rows, columns.
        latent_size: coordinates of the latent vector.
        width: channels at half of the side; there are twice as many at a quarter, and so on.

    Raises:
        ValueError: where the pictures are not square with a side of 8 or more that can be halved, or a number is less
            than 1.
    """
    sides = _sides(shape)
    channels = [check_count("width", width) * 2**k for k in range(len(sides) - 1)]
    grid = (channels[-1], sides[-1], sides[-1])
    layers: list[nn.Module] = [
        nn.Linear(check_count("latent_size", latent_size), channels[-1] * sides[-1] ** 2),
        nn.Unflatten(1, grid),
    ]
    for coarse, fine in zip(channels[::-1], [*channels[-2::-1], shape[0]], strict=True):
        layers += [nn.LeakyReLU(0.2), nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, nn.Sigmoid())


class _Features(nn.Sequential):
    """Layers, and how many numbers come out of all of them for each sample; a slice does not know its number."""

    size: int


def conv_features(shape: tuple[int, int, int] = (3, 32, 32), width: int = 32) -> _Features:
    """From a picture in [0, 1] to features, a row for each sample; ``.size`` says how many.

    The picture is spread over [-1, 1] first. Arguments and errors are those of :func:`conv_generator`.
    """
    sides = _sides(shape)
    layers: list[nn.Module] = [Normalize([0.5] * shape[0], [0.5] * shape[0])]
    fine = shape[0]
    for k in range(len(sides) - 1):
        coarse = check_count("width", width) * 2**k
        layers += [nn.Conv2d(fine, coarse, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        fine = coarse
    features = _Features(*layers, nn.Flatten())
    features.size = fine * sides[-1] ** 2
    return features


def conv_discriminator(shape: tuple[int, int, int] = (3, 32, 32), width: int = 32) -> nn.Sequential:
    """From a picture in [0, 1] to one logit: :func:`conv_features` and a linear layer."""
    features = conv_features(shape, width)
    return nn.Sequential(*features, nn.Linear(features.size, 1))


class Projection(nn.Module):
    r"""A discriminator that knows the class, by projection: :math:`\ell(x, y) = (w + v_y) \cdot \phi(x) + b`.

    (Miyato and Koyama 2018, equation 3.) Each class has a direction :math:`v_y` of its own among the features.

    Args:
        features: maps samples to features ``[batch, size]``, such as :func:`conv_features`.
        size: how many features there are.
        classes: how many classes there are, at least 2.

    Raises:
        ValueError: where a number is less than that.
    """

    def __init__(self, features: nn.Module, size: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.shared = nn.Linear(check_count("size", size), 1)
        self.own = nn.Embedding(check_count("classes", classes, least=2), size)
        nn.init.zeros_(self.own.weight)  # at first all classes are alike

    def forward(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, "batch 1"]:
        """The logit of each sample as one of its class."""
        features = call_model(self.features, x)
        return self.shared(features) + (self.own(y) * features).sum(dim=1, keepdim=True)


def _sides(shape: tuple[int, int, int]) -> list[int]:
    """The picture's side, its half, and so on down to the smallest grid."""
    if len(shape) != 3 or shape[1] != shape[2] or shape[0] < 1 or shape[1] < 2 * SMALLEST or shape[1] % 2:
        raise ValueError(
            f"expected the shape (channels, side, side) of square pictures, the side even and {2 * SMALLEST} or more, "
            f"got {shape}"
        )
    sides = [shape[1]]
    while sides[-1] % 2 == 0 and sides[-1] > SMALLEST:
        sides.append(sides[-1] // 2)
    return sides
