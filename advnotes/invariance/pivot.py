"""Learning to pivot: a classifier whose output says nothing about a nuisance (Louppe, Kagan and Cranmer 2016)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.game import Game

__all__ = ["Pivot"]


class Pivot(Game):
    r"""Algorithm 1 of Louppe, Kagan and Cranmer 2016, with the trade-off :math:`\lambda` of their equation 11.

    A classifier :math:`f` shall predict the label :math:`y`, and its output :math:`s = f(x)` shall have the same
    distribution whatever the nuisance :math:`\nu` is. An adversary :math:`r` models :math:`\nu` given :math:`s`:

    .. math::
        L_f &= \mathbb E\,[-\log p_f(y \mid x)], \qquad L_r = \mathbb E\,[-\log r(\nu \mid f(x))] \\
        J_\text{adversary} &= L_r, \qquad J_\text{model} = L_f - \lambda L_r

    Against the best adversary :math:`L_r = H(\nu \mid s)`, which is :math:`H(\nu)` exactly where the two are
    independent. With :math:`\lambda = 0` the model is trained as usual while the adversary only looks on.

    A batch is ``(x, y, nuisance)``, or ``(x, y, nuisance, another, ...)`` for an adversary of several.

    Args:
        model: maps inputs to logits: ``[batch, K]`` for K classes, or one, ``[batch]`` or ``[batch, 1]``, for two.
        adversary: ``adversary(s, *nuisances)`` is the log-density ``[batch]``, given the outputs ``s``: the
            probabilities ``[batch, K]`` of K classes, or ``[batch, 1]`` of class 1 for a model of one logit. It is a
            :class:`~advnotes.invariance.MixtureDensity`, a :class:`~advnotes.invariance.CategoricalDensity`, or for
            several nuisances a :class:`~advnotes.invariance.ChainDensity`.
        strength: the trade-off :math:`\lambda \ge 0`: how many nats of :math:`L_f` a nat of the adversary's is worth.
        adversary_steps: the adversary's moves before each one of the model's, the paper's K, each on a batch of its
            own.
        weigh: from the labels to a weight >= 0 of each sample in :math:`L_r`, both players'. ``lambda y: y == 0``
            shows the adversary the background only, which makes :math:`s` independent of the nuisance within that
            class (their equation 2). None weighs all alike.

    Raises:
        ValueError: where ``strength`` is negative or not finite, or ``adversary_steps`` less than 1; in training, where
            logits or weights are not as expected, or a batch has no nuisance.

    Differs from the paper: any number of classes.
    """

    def __init__(
        self,
        model: nn.Module,
        adversary: nn.Module,
        strength: float,
        *,
        adversary_steps: int = 1,
        weigh: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        if not (math.isfinite(strength) and strength >= 0):
            raise ValueError(f"strength must be a finite number >= 0, got {strength!r}")
        if adversary_steps < 1:
            raise ValueError(f"adversary_steps must be at least 1, got {adversary_steps}")
        self.turns = ("adversary",) * adversary_steps + ("model",)
        self.model = model
        self.adversary = adversary
        self.strength = strength
        self.weigh = weigh

    def model_loss(
        self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], *nuisances: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_f - \lambda L_r`, in nats."""
        logits = self.model(x)
        loss = label_loss(logits, y)
        if self.strength == 0:
            return loss
        return loss - self.strength * self.surprise(decision(logits), y, *nuisances)

    def adversary_loss(
        self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], *nuisances: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_r`, in nats."""
        with torch.no_grad():  # the model does not move in this turn
            s = decision(self.model(x))
        return self.surprise(s, y, *nuisances)

    def surprise(
        self, s: Float[Tensor, "batch outputs"], y: Int[Tensor, " batch"], *nuisances: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_r` for given outputs: the weighted mean of :math:`-\log r(\nu \mid s)`, 0 without any weight."""
        if not nuisances:
            raise ValueError("expected batches (x, y, nuisance, ...), got (x, y)")
        surprise = -self.adversary(s, *nuisances)
        if self.weigh is None:
            return surprise.mean()
        weight = self.weigh(y).to(surprise.dtype)
        if weight.shape != surprise.shape or bool((weight < 0).any()):
            raise ValueError(
                f"weigh must return a weight >= 0 for each of {len(y)} samples, got {list(weight.shape)}"
                f" with the minimum {weight.min():.3g}"
            )
        return (weight * surprise).sum() / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)


def decision(logits: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch outputs"]:
    """What the adversary sees: the probabilities ``[batch, K]`` of K classes, or ``[batch, 1]`` of class 1.

    Not the logits: of several, their common shift changes no prediction, and nobody needs it to be independent.
    """
    check(logits)
    return logits.softmax(dim=1) if logits.numel() > len(logits) else torch.sigmoid(logits.view(-1, 1))


def label_loss(logits: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Cross-entropy in nats, of one logit or of K."""
    check(logits)
    if logits.numel() > len(logits):
        return F.cross_entropy(logits, y)
    return F.binary_cross_entropy_with_logits(logits.flatten(), y.to(logits.dtype))


def check(logits: Tensor) -> None:
    """Refuse what are not the logits of a classifier."""
    if logits.ndim > 2 or logits.ndim == 0:
        raise ValueError(
            f"expected logits of shape [batch, K], [batch, 1] or [batch], got {list(logits.shape)}: flatten the"
            " model's output"
        )
