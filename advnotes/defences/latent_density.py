"""CuRTAIL's detector: are the features of an input likely in the class that the classifier says?"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.checks import check_inputs, check_model
from advnotes.defences.curtail import Defender
from advnotes.defences.parts.class_gaussians import ClassGaussians
from advnotes.defences.parts.detector import Detector
from advnotes.defences.parts.said import class_said
from advnotes.model_state import Model, attacked

__all__ = ["LatentDensity"]


class LatentDensity(Detector):
    r"""How unlikely the copy's features are in the class that the classifier says, in nats (Rouhani et al. 2017).

    .. math:: s(x) = -\log \mathcal N\bigl(V^\top (\phi(x) - m);\ \mu_k, \Sigma_k\bigr), \qquad k = \arg\max_j f_j(x)

    Args:
        model: the classifier :math:`f` that is guarded.
        defender: gives :math:`\phi`.
        x, y: clean training inputs and their labels, to fit the Gaussians to.
        size: how many directions of the features are kept.
        ridge: as in :class:`~advnotes.defences.parts.class_gaussians.ClassGaussians`.

    Raises:
        ValueError: where an argument is not as expected; when called, where the classifier has more classes than
            ``defender``.
    """

    def __init__(
        self,
        model: Model,
        defender: Defender,
        x: Float[Tensor, "n ..."],
        y: Int[Tensor, " n"],
        *,
        size: int = 16,
        ridge: float = 1e-3,
    ) -> None:
        super().__init__()
        check_model(model)
        if not isinstance(defender, Defender):
            raise ValueError(
                f"LatentDensity wants a Defender(features, head, classes, size), got {type(defender).__name__}"
            )
        check_inputs(x, y, None)
        self.model, self.defender = model, defender
        with torch.no_grad(), attacked(defender):
            phi = torch.cat([defender.latent(part) for part in x.split(1000)])
        self.density = ClassGaussians(phi, y, len(defender.centres), size, ridge)

    def suspicion(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """In nats; no number where the classifier's logits are none."""
        said, nothing = class_said(self.model, x, len(self.defender.centres))
        values: Tensor = self.density(self.defender.latent(x))
        return values.gather(1, said[:, None]).squeeze(1).masked_fill(nothing, torch.nan)
