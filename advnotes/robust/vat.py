"""Virtual adversarial training of Miyato et al. 2015 and 2017: a game against an adversary that needs no label."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_inputs, check_logits, check_number, check_same_kind
from advnotes.game import Game
from advnotes.losses import entropy
from advnotes.robust.smoothness import check_settings, virtual_adversary

__all__ = ["VAT"]


class VAT(Game):
    r"""Train a model to say the same around every input, labelled or not.

    .. math::
        \min_\theta\; \mathbb E_{\text{labelled}}\, L(f_\theta(x), y)
        + \mathbb E_{\text{all}} \bigl[\alpha\,\mathrm{LDS}(x) + \beta\,\mathrm{H}(p(\cdot \mid x))\bigr]

    With :math:`\beta = 0` it is the objective of Miyato et al. 2015, section 2, and 2017, equation 8; with
    :math:`\beta = 1` the "VAT + EntMin" of 2017, section 4.2. The maximum inside is that of
    :func:`virtual_adversary`.

    ``play`` it on batches ``(x, y)`` for the supervised game, or ``(x, y, unlabelled)``: labelled and unlabelled
    inputs then go through the model in one pass, and both other terms are means over all of them.

    Args:
        model: maps inputs to logits.
        eps: the length of the perturbation in the unit of the input.
        weight: of the LDS, :math:`\alpha`.
        entropy: weight :math:`\beta` of the entropy of the predictions. It makes the model decide, where LDS alone
            is also content with the same vague answer everywhere.
        xi, steps: as in :func:`virtual_adversary`; ``steps=0`` is the control with a random direction.

    Raises:
        ValueError: where a number is out of range; when called, where inputs, labels or logits are not as expected.
    """

    turns = ("model",)

    def __init__(
        self,
        model: nn.Module,
        eps: float,
        *,
        weight: float = 1.0,
        entropy: float = 0.0,
        xi: float = 0.01,
        steps: int = 1,
    ) -> None:
        super().__init__()
        check_settings(eps, xi, steps)
        check_number("weight", weight, least=0.0)
        check_number("entropy", entropy, least=0.0)
        self.model = model
        self.eps, self.weight, self.entropy, self.xi, self.steps = eps, weight, entropy, xi, steps

    def model_loss(
        self,
        x: Float[Tensor, "labelled ..."],
        y: Int[Tensor, " labelled"],
        unlabelled: Float[Tensor, "unlabelled ..."] | None = None,
    ) -> Float[Tensor, ""]:
        """The objective on a labelled batch and, where there is one, an unlabelled batch."""
        check_inputs(x, y, None)
        everything = x
        if unlabelled is not None:
            check_same_kind("unlabelled inputs", unlabelled, "labelled ones", x)
        if unlabelled is not None and (self.weight > 0 or self.entropy > 0):
            everything = torch.cat([x, unlabelled])
        if self.weight > 0:
            lds, logits, _ = virtual_adversary(self.model, everything, self.eps, xi=self.xi, steps=self.steps)
            smoothness = self.weight * lds.mean()
        else:
            logits = call_model(self.model, everything)
            smoothness = logits.new_zeros(())
        check_logits(logits[: len(x)], y)
        loss = F.cross_entropy(logits[: len(x)], y) + smoothness
        return loss + self.entropy * entropy(logits).mean() if self.entropy > 0 else loss
