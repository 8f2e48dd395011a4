"""The small named networks for 28×28 digits."""

from torch import nn

from advnotes.nets.layers import Normalize

__all__ = ["digit_discriminator", "digit_generator", "madry_cnn", "small_cnn"]


def small_cnn(classes: int = 10) -> nn.Sequential:
    """For 28×28 digits: two strided 4×4 convolutions with 16 and 32 channels, 100 hidden units.

    166,406 parameters; an epoch of MNIST takes seconds on one thread. It is the network of Wong et al. 2020,
    section 5.1, with the digits normalised in front.
    """
    return nn.Sequential(
        Normalize([0.1307], [0.3081]),  # of MNIST's training digits
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 100),
        nn.ReLU(),
        nn.Linear(100, classes),
    )


def madry_cnn(classes: int = 10) -> nn.Sequential:
    """For 28×28 digits: the network of Madry et al. 2017, section 5.

    Two 5×5 convolutions with 32 and 64 channels, each followed by 2×2 max-pooling, and 1,024 hidden units.
    """
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 1024),
        nn.ReLU(),
        nn.Linear(1024, classes),
    )


def digit_generator(latent_size: int = 64, width: int = 512) -> nn.Sequential:
    """From a latent vector to a 28×28 digit in [0, 1]: two hidden layers with batch normalisation."""
    return nn.Sequential(
        nn.Linear(latent_size, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, 28 * 28),
        nn.Sigmoid(),
        nn.Unflatten(1, (1, 28, 28)),
    )


def digit_discriminator(width: int = 512) -> nn.Sequential:
    """From a 28×28 image in [0, 1] to one logit: real or generated. No normalisation across the batch.

    Its input is spread over [-1, 1] first.
    """
    return nn.Sequential(
        Normalize([0.5], [0.5]),
        nn.Flatten(),
        nn.Linear(28 * 28, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width // 2),
        nn.LeakyReLU(0.2),
        nn.Linear(width // 2, 1),
    )
