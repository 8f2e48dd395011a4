"""Data: two sets of digits without a download, three sets with one, toys in closed form, and batches of them."""

from advnotes.data.bundled import digits, mnist
from advnotes.data.downloads import (
    CIFAR10,
    FASHION_MNIST,
    SVHN,
    DownloadError,
    Source,
    cifar10,
    fashion_mnist,
    svhn,
)
from advnotes.data.loading import Stream, batches
from advnotes.data.toy import (
    gaussians,
    grid,
    grid_centres,
    line,
    line_density,
    moons,
    ring,
    ring_centres,
)

__all__ = [
    "CIFAR10",
    "FASHION_MNIST",
    "SVHN",
    "DownloadError",
    "Source",
    "Stream",
    "batches",
    "cifar10",
    "digits",
    "fashion_mnist",
    "gaussians",
    "grid",
    "grid_centres",
    "line",
    "line_density",
    "mnist",
    "moons",
    "ring",
    "ring_centres",
    "svhn",
]
