"""Data: digits, mail and things without a download, three sets of images with one, toys in closed form, and batches."""

from advnotes.data.bundled import digits, mnist, spam, spam_words
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
from advnotes.data.things import Things, on_photographs, things
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
    "Things",
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
    "on_photographs",
    "ring",
    "ring_centres",
    "spam",
    "spam_words",
    "svhn",
    "things",
]
