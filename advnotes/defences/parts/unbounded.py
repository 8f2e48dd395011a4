"""What is said where the outputs of a model cannot be bounded."""

from __future__ import annotations

__all__ = ["Unbounded"]

#: What is said of every layer that has no bounds.
HAVE_BOUNDS = (
    "there are bounds of Linear, Conv2d, ReLU, LeakyReLU, BatchNorm in eval mode, average and max pooling, flatten, "
    "sums and differences of two values, and of constants that are added or multiplied"
)


class Unbounded(ValueError):  # noqa: N818
    """The outputs of a model cannot be bounded; it says which layer stands in the way, and how to mend it."""

    @classmethod
    def of(cls, what: str) -> Unbounded:
        """For a model that has something of which there are no bounds."""
        return cls(
            f"the model has {what}, of which there are no bounds: {HAVE_BOUNDS}. Replace it, or leave it out"
        )
