"""Expectation over transformations: attacks on models that draw at random when they are asked."""

import dataclasses
import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.apgd import TargetedAPGD
from advnotes.attacks.parts.wrapper import Wrapper
from advnotes.checks import check_counts, check_logits
from advnotes.losses import Loss
from advnotes.model_state import Model
from advnotes.seeds import Source

__all__ = ["EOT"]


@dataclass(frozen=True)
class EOT(Wrapper):
    r"""Any attack, in expectation over what a randomised model draws (Athalye et al. 2018, section 4.2).

    .. math:: \max_{\delta \in \Delta} \mathbb E_t\, L(f_t(x + \delta), y)
        \approx \max_{\delta \in \Delta} \frac1n \sum_{t=1}^n L(f_t(x + \delta), y)

    The model is asked ``samples`` times wherever the attack asks once, and draws anew each time. An attack with a
    ``loss`` raises the mean of the losses, not the loss of the mean logits: the model will answer with one draw,
    and what counts is how often that fools it. For a convex loss (cross-entropy, the margin loss) the loss of the
    mean logits is smaller (Jensen), and it hears the draws with the largest logits only. A margin loss suits best:
    cross-entropy has its largest gradients from the draws that are fooled already.

    What counts as fooled is decided by the vote, the mean of the probabilities. Single draws would fool the attack:
    it looks often, and would keep the points at which it was lucky. An attack without a loss to choose (DeepFool or
    APGD-T, say) sees the vote's logarithm as its logits.

    Args:
        attack: the attack, such as ``PGD(Linf(8 / 255), loss=margin_loss)``.
        samples: how many draws each mean takes.

    A generator, or one seed for each sample, decides what the attack draws and cannot reach what the model draws:
    that comes from wherever the model takes it and may depend on the batch, so seed it to repeat a result. Judge the
    result by draws that the attack has not seen. In eval mode there is no dropout: ``training=True`` in the
    attack keeps it.

    Raises:
        ValueError: where ``samples`` is below 1 or ``attack`` is none.
    """

    _: KW_ONLY
    samples: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(samples=self.samples)

    @property
    def estimated_passes(self) -> int:
        """The wrapped attack's, times the draws."""
        return self.samples * self.attack.estimated_passes

    def perturb(  # noqa: D102
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        vote, changes = Vote(model, self.samples), dict[str, Any]()
        if callable(loss := getattr(self.attack, "loss", None)) and not isinstance(self.attack, TargetedAPGD):
            changes["loss"] = vote.mean_of(loss)
        return dataclasses.replace(self.attack, **changes).perturb(vote, x, y, generator)


class Vote:
    """The logarithm of a model's mean probabilities over several draws, which it keeps until it is asked again."""

    def __init__(self, model: Model, samples: int) -> None:
        self.model, self.samples = model, samples
        self.draws: list[Tensor] = []

    def __call__(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        self.draws = [self.model(x) for _ in range(self.samples)]
        for logits in self.draws:
            check_logits(logits, torch.zeros(len(x), dtype=torch.int64))
        each = torch.stack([logits.log_softmax(dim=1) for logits in self.draws])
        return each.logsumexp(dim=0) - math.log(self.samples)

    def mean_of(self, loss: Loss) -> Loss:
        """The mean of a loss over the draws behind the vote that was asked last."""

        def mean_loss(_: Tensor, y: Tensor) -> Tensor:
            return torch.stack([loss(logits, y) for logits in self.draws]).mean(dim=0)

        return mean_loss
