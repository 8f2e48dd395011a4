"""CuRTAIL: fine-tune a copy of the classifier, so that its features cluster by class."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import check_count, check_inputs, check_number, logits_of
from advnotes.game import Game

__all__ = ["Curtail", "Defender", "centre_loss"]


class Defender(nn.Module):
    r"""A copy of a classifier, cut in two at one layer, with a centre :math:`C_k` for each class in the features there.

    Args:
        features: from inputs to the features of the layer; flattened where they have more dimensions than one.
        head: from the features, as they come, to logits. Both are copied: the classifier stays as it is, and the copies
            can be trained where the classifier is frozen too.
        classes: how many centres there are, at least 2.
        size: how many numbers the flattened features of an input are.

    The centres begin as random directions, from torch's global generator.

    Raises:
        ValueError: where a part is no module, or ``classes`` or ``size`` is too small; when called, where the features
            have another size.
    """

    def __init__(self, features: nn.Module, head: nn.Module, classes: int, size: int) -> None:
        super().__init__()
        for name, part in (("features", features), ("head", head)):
            if not isinstance(part, nn.Module):
                raise ValueError(
                    f"{name} must be a module: of a Sequential `net`, features=net[:-1] and head=net[-1], got "
                    f"{type(part).__name__}"
                )
        self.features, self.head = copy.deepcopy(features), copy.deepcopy(head)
        for parameter in (*self.features.parameters(), *self.head.parameters()):
            if parameter.is_floating_point():
                parameter.requires_grad_()
        centres = torch.randn(check_count("classes", classes, 2), check_count("size", size))
        like = next(self.head.parameters(), centres)
        self.centres = nn.Parameter(F.normalize(centres, dim=1).to(like))

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The copy's logits."""
        logits: Tensor = self.head(self.features(x))
        return logits

    def unit(self, features: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch size"]:
        r"""Features as a direction, :math:`\phi` with :math:`|\phi| = 1`."""
        flat = features.flatten(1)
        if flat.shape[1] != self.centres.shape[1]:
            raise ValueError(
                f"the features of an input are {flat.shape[1]} numbers, and the centres have {self.centres.shape[1]}: "
                f"size={flat.shape[1]}"
            )
        return F.normalize(flat, dim=1)

    def latent(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch size"]:
        r""":math:`\phi(x)`."""
        return self.unit(self.features(x))


def centre_loss(
    phi: Float[Tensor, "batch size"], centres: Float[Tensor, "classes size"], y: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    r"""Draw features to the centre of their class and away from the others, and keep centres near length 1.

    .. math:: \frac1n \sum_i \Bigl[ |C_{y_i} - \phi_i|^2 - \sum_{k \ne y_i} |C_k - \phi_i|^2 \Bigr]
        + \sum_k (|C_k| - 1)^2

    It has a least value only where :math:`|\phi|` is limited, and where every class occurs: otherwise features, or the
    centre of the class that is missing, would run away from the others for ever.
    """
    squares = (phi[:, None] - centres).square().sum(dim=2)
    own = squares.gather(1, y[:, None]).squeeze(1)
    return (2 * own - squares.sum(dim=1)).mean() + (centres.norm(dim=1) - 1).square().sum()


class Curtail(Game):
    r"""Fine-tune the copy so that its features cluster by class (Rouhani et al. 2017).

    .. math:: L = \mathrm{CE}(f(x), y) + \gamma \Bigl[ |C_y - \phi|^2 - \sum_{k \ne y} |C_k - \phi|^2
        + \sum_k (|C_k| - 1)^2 \Bigr]

    No adversary takes part: only clean inputs are seen.

    Args:
        defender: the copy.
        weight: :math:`\gamma`, at least 0; the paper has 0.01.

    Differs from the paper: one module; the paper trains several that complement each other
    (:class:`~advnotes.defences.AnyOf` joins them).
    The features are of length 1 on the way to the centres, and not on the way to the logits.

    Raises:
        ValueError: where ``defender`` is none or ``weight`` is negative; when called, where inputs, labels or logits
            are not as expected.
    """

    turns = ("defender",)

    def __init__(self, defender: Defender, weight: float = 0.01) -> None:
        super().__init__()
        if not isinstance(defender, Defender):
            raise ValueError(
                f"Curtail wants a Defender(features, head, classes, size), got {type(defender).__name__}"
            )
        self.defender = defender
        self.weight = check_number("weight", weight, least=0.0)

    def defender_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Cross-entropy, and the loss of the centres."""
        check_inputs(x, y, None)
        features = self.defender.features(x)
        logits = logits_of(self.defender.head, features, y)
        phi = self.defender.unit(features)
        return F.cross_entropy(logits, y) + self.weight * centre_loss(phi, self.defender.centres, y)
