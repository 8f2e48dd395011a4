from .adult import Adult, adult
from .blended import mnist_m, photographs
from .bundled import digits, mnist, spam, spam_words
from .census import census
from .downloads import (
    CIFAR10,
    FASHION_MNIST,
    SVHN,
    DownloadError,
    Source,
    cifar10,
    fashion_mnist,
    svhn,
)
from .loading import Stream, batches
from .pairs import Pairs
from .photos import Photos, patches, photos
from .portraits import Portraits, portraits
from .quatrains import Verses, quatrains, verse_lines
from .reviews import Reviews, reviews
from .spoken import Spoken, spoken
from .things import Things, on_photographs, things
from .toy import (
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
from .vowels import Vowels, vowels

__all__ = [
    "CIFAR10",
    "FASHION_MNIST",
    "SVHN",
    "Adult",
    "DownloadError",
    "Pairs",
    "Photos",
    "Portraits",
    "Reviews",
    "Source",
    "Spoken",
    "Stream",
    "Things",
    "Verses",
    "Vowels",
    "adult",
    "batches",
    "census",
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
    "patches",
    "photographs",
    "photos",
    "portraits",
    "quatrains",
    "reviews",
    "ring",
    "ring_centres",
    "shifted_gaussians",
    "spam",
    "spam_words",
    "spoken",
    "svhn",
    "things",
    "verse_lines",
    "vowels",
]
