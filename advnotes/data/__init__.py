"""Data: digits, mail and things without a download, three sets of images with one, toys in closed form, and batches."""

from advnotes.data.adult import Adult, adult
from advnotes.data.blended import mnist_m, photographs
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
from advnotes.data.reviews import Reviews, reviews
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
    shifted_gaussians,
)

__all__ = [
    "CIFAR10",
    "FASHION_MNIST",
    "SVHN",
    "Adult",
    "DownloadError",
    "Reviews",
    "Source",
    "Stream",
    "Things",
    "adult",
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
    "mnist_m",
    "moons",
    "on_photographs",
    "photographs",
    "reviews",
    "ring",
    "ring_centres",
    "shifted_gaussians",
    "spam",
    "spam_words",
    "svhn",
    "things",
]
