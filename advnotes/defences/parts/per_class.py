"""Several generators, one for each class, as one that is asked for a class."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_label_range

__all__ = ["PerClass"]


class PerClass(nn.Module):
    """One generator for each class, as one that is asked for a class.

    Args:
        generators: in the order of the classes, at least two; each maps ``[batch, latent]`` to samples of one shape.

    Raises:
        ValueError: where there are fewer; when called, where a class has no generator.
    """

    def __init__(self, generators: Sequence[nn.Module]) -> None:
        super().__init__()
        self.classes = check_count("the number of generators", len(generators), least=2)
        self.generators = nn.ModuleList(generators)

    def forward(
        self, z: Float[Tensor, "batch latent"], y: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch ..."]:
        """A sample of class ``y`` from each latent vector."""
        check_label_range(y, self.classes)
        rows = [(y == label).nonzero()[:, 0] for label in range(self.classes)]
        asked = [pair for pair in zip(self.generators, rows, strict=True) if len(pair[1])]
        made = [call_model(generator, z[row]) for generator, row in asked]
        return torch.cat(made)[torch.cat(rows).argsort()]
