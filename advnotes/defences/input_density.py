"""A detector that looks at the input itself: how far is it from the pictures of the class that the classifier says?"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.checks import check_count, check_inputs, check_model
from advnotes.defences.parts.class_gaussians import principal_directions
from advnotes.defences.parts.detector import Detector
from advnotes.defences.parts.said import class_said
from advnotes.model_state import Model

__all__ = ["InputDensity"]


class InputDensity(Detector):
    r"""What the principal directions of a class leave over of an input.

    .. math:: s(x) = \bigl| (1 - V_k V_k^\top)(x - m_k) \bigr|^2, \qquad k = \arg\max_j f_j(x)

    Rouhani et al. 2017 have a dictionary of atoms for each class in the place of the directions.

    Args:
        model: the classifier :math:`f` that is guarded.
        x, y: clean training inputs and their labels.
        size: how many directions each class has; below its number of samples.

    Raises:
        ValueError: where an argument is not as expected, or a class has no more samples than directions; when called,
            where the classifier has more classes than ``y``.
    """

    middles: Tensor
    directions: Tensor

    def __init__(
        self, model: Model, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], *, size: int = 30
    ) -> None:
        super().__init__()
        check_model(model)
        check_inputs(x, y, None)
        check_count("size", size)
        self.model = model
        groups = [x[y == k].flatten(1) for k in range(int(y.max()) + 1)]
        least = min(range(len(groups)), key=lambda k: len(groups[k]))
        if len(groups[least]) <= size:
            raise ValueError(
                f"{size} directions want more than {size} samples of each class, got {len(groups[least])} of class "
                f"{least}: a smaller size, or more data"
            )
        fitted = [principal_directions(group, size) for group in groups]
        self.register_buffer("middles", torch.stack([middle for middle, _ in fitted]).to(x.dtype))
        self.register_buffer("directions", torch.stack([kept for _, kept in fitted]).to(x.dtype))

    def suspicion(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """In squares of the input's unit; no number where the classifier's logits are none."""
        said, nothing = class_said(self.model, x, len(self.middles))
        away = x.flatten(1) - self.middles[said]
        inside = torch.einsum("bd,bdr->br", away, self.directions[said])
        return (away.square().sum(dim=1) - inside.square().sum(dim=1)).masked_fill(nothing, torch.nan)
