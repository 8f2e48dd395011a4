"""Domain-adversarial training: features that predict the label and do not tell where a sample comes from."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import (
    call_model,
    check_count,
    check_inputs,
    check_logits,
    check_number,
    check_same_kind,
)
from advnotes.counter import add_one, number_of
from advnotes.game import Game, Turns
from advnotes.invariance.gradient_reversal import growing_strength, reverse_gradient
from advnotes.nets import check_logit_network, one_logit

__all__ = ["DANN", "AlternatingDANN"]


class DANN(Game):
    r"""Domain-adversarial neural networks (Ganin et al. 2016, equations 9 to 15), in one backward pass.

    Source samples have labels, target samples have none. Two heads see the features :math:`h`:

    .. math::
        L_y &= \mathbb E_\text{source}\, L(c(h), y) \\
        L_d &= \tfrac12\, \mathbb E_\text{source}\, \mathrm{softplus}(\ell(h))
            + \tfrac12\, \mathbb E_\text{target}\, \mathrm{softplus}(-\ell(h))

    The label head :math:`c` goes down :math:`L_y`, the domain head :math:`\ell` down :math:`L_d`, and the features
    down :math:`L_y - \lambda L_d`. With the gradient reversed between features and domain head, all three are the
    gradient of the one number :math:`L_y + L_d`, so the three players are one ``network`` to the loop. A domain loss
    of ln 2 says that *this* head has lost, no more: :func:`~advnotes.invariance.fresh_adversary` judges.

    A batch is ``(x, y, x_target)``; the domains may differ in number, not in shape. Both go through the features
    together, so that batch statistics are those of the mix.

    Differs from the paper: :math:`L_d` is the mean over the two domains, where equation 9 has their sum.

    Args:
        features: maps inputs to features, ``[batch, ...]``.
        label_head: maps features to logits ``[batch, classes]``.
        domain_head: maps features to one logit, above 0 for *target*, ``[batch, 1]`` or ``[batch]``.
        strength: the trade-off :math:`\lambda \ge 0` at its full size; 0 trains on the source alone, while the
            domain head is trained beside it.
        warmup: over how many losses :math:`\lambda` follows :func:`~advnotes.invariance.growing_strength`: in the
            paper all of the training. With 0 it has its full size at once, as in eval mode.

    Raises:
        ValueError: where ``strength`` is negative or not finite, ``warmup`` negative, or the domain head ends with a
            sigmoid; when called, where inputs, labels or logits are not as expected, or the domains' samples differ in
            shape.
    """

    turns: Turns = ("network",)
    moves: Tensor

    def __init__(
        self,
        features: nn.Module,
        label_head: nn.Module,
        domain_head: nn.Module,
        *,
        strength: float = 1.0,
        warmup: int = 0,
    ) -> None:
        super().__init__()
        check_logit_network("domain_head", domain_head)
        parts = {"features": features, "label_head": label_head, "domain_head": domain_head}
        self.network = nn.ModuleDict(parts)
        self.strength = check_number("strength", strength, least=0.0)
        self.warmup = check_count("warmup", warmup, least=0)
        # A buffer, so that a resumed run goes on where the schedule was.
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    @property
    def classifier(self) -> nn.Sequential:
        """What is used after training: from inputs to logits, the domain head left out."""
        return nn.Sequential(self.network["features"], self.network["label_head"])

    @property
    def domain_head(self) -> nn.Module:
        """Who tells the domains apart."""
        return self.network["domain_head"]

    def network_loss(
        self, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], *x_target: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_y + L_d`, the features' gradient from :math:`L_d` reversed; in train mode a step of the warm-up."""
        h = self.features_of(x, y, *x_target)
        strength = self.scheduled()
        return self.label_loss(h, y) + domain_loss(self.domain_head, reverse_gradient(h, strength), len(x))

    def features_of(
        self, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], *x_target: Tensor
    ) -> Float[Tensor, "both ..."]:
        """The features of a batch, those of the source first.

        Raises:
            ValueError: where the batch is not ``(x, y, x_target)``, or its parts do not go together.
        """
        check_inputs(x, y, None)
        if len(x_target) != 1:
            more = ": leave the target's labels out" if len(x_target) > 1 else ""
            raise ValueError(f"expected batches (x, y, x_target), got {2 + len(x_target)} tensors{more}")
        check_same_kind("target samples", x_target[0], "source samples", x)
        return call_model(self.network["features"], torch.cat([x, x_target[0]]))

    def label_loss(self, h: Float[Tensor, "both ..."], y: Int[Tensor, " n"]) -> Float[Tensor, ""]:
        """The cross-entropy of the source's labels."""
        logits = self.network["label_head"](h[: len(y)])
        check_logits(logits, y)
        return F.cross_entropy(logits, y)

    def scheduled(self) -> float:
        """The strength at this loss; in train mode the next one is a step further."""
        if not self.training or self.warmup == 0:
            return self.strength
        progress = min(number_of(self.moves) / self.warmup, 1.0)
        add_one(self.moves)
        return self.strength * growing_strength(progress)


class AlternatingDANN(DANN):
    r"""The same game in two turns: first the domain head goes down :math:`L_d`, then the classifier answers.

    .. math:: J_\text{domain head} = L_d, \qquad J_\text{classifier} = L_y - \lambda L_d

    It costs the features' forward pass and the domain head's passes twice, and the classifier moves against a head
    that has moved already.

    Arguments, batches, errors and what differs from the paper as in :class:`DANN`; ``warmup`` counts the classifier's
    losses.
    """

    turns = ("domain_head", "classifier")

    def domain_head_loss(
        self, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], *x_target: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_d`, of frozen features."""
        with torch.no_grad():
            h = self.features_of(x, y, *x_target)
        return domain_loss(self.domain_head, h, len(x))

    def classifier_loss(
        self, x: Float[Tensor, "n ..."], y: Int[Tensor, " n"], *x_target: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_y - \lambda L_d`; in train mode a step of the warm-up."""
        h = self.features_of(x, y, *x_target)
        strength = self.scheduled()
        return self.label_loss(h, y) - strength * domain_loss(self.domain_head, h, len(x))


def domain_loss(domain_head: nn.Module, h: Float[Tensor, "both ..."], source: int) -> Float[Tensor, ""]:
    """The cross-entropy of telling the first ``source`` features from the others, both domains weighing the same."""
    if not 0 < source < len(h):
        raise ValueError(
            f"expected samples of both domains, got {source} of the source and {len(h) - source} others"
        )
    logits = one_logit(domain_head, h)
    return 0.5 * (F.softplus(logits[:source]).mean() + F.softplus(-logits[source:]).mean())
