"""Data: two sets of digits without a download, toys in closed form, and batches of either."""

from advnotes.data.bundled import digits, mnist
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
    "Stream",
    "batches",
    "digits",
    "gaussians",
    "grid",
    "grid_centres",
    "line",
    "line_density",
    "mnist",
    "moons",
    "ring",
    "ring_centres",
]
