"""Learning to pivot: a classifier whose output says nothing about a nuisance (Louppe, Kagan and Cranmer 2016)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_inputs, check_logits, check_number
from advnotes.game import Game
from advnotes.precision import at_least_float32

__all__ = ["Pivot"]


class Pivot(Game):
    r"""Algorithm 1 of Louppe, Kagan and Cranmer 2016, with the trade-off :math:`\lambda` of their equation 11.

    A classifier :math:`f` shall predict the label :math:`y`, and its output :math:`s = f(x)` shall have the same
    distribution whatever the nuisance :math:`\nu` is. An adversary :math:`r` models :math:`\nu` given :math:`s`:

    .. math::
        L_f &= \mathbb E\,[-\log p_f(y \mid x)], \qquad L_r = \mathbb E\,[-\log r(\nu \mid f(x))] \\
        J_\text{adversary} &= L_r, \qquad J_\text{model} = L_f - \lambda L_r

    Against the best adversary :math:`L_r = H(\nu \mid s)`, which is :math:`H(\nu)` exactly where the two are
    independent. With :math:`\lambda = 0` the model is trained as usual while the adversary is trained beside it.

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
        ValueError: where ``strength`` is negative or not finite, or ``adversary_steps`` less than 1; when called, where
            inputs, labels (0 and 1 for a model of one logit), logits, nuisances or weights are not as expected.

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
        self.turns = ("adversary",) * check_count("adversary_steps", adversary_steps) + ("model",)
        self.model = model
        self.adversary = adversary
        self.strength = check_number("strength", strength, least=0.0)
        self.weigh = weigh

    def model_loss(
        self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], *nuisances: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_f - \lambda L_r`, in nats."""
        logits = self.logits(x, y, *nuisances)
        loss = label_loss(logits, y)
        if self.strength == 0:
            return loss
        return loss - self.strength * self.nuisance_nll(decision(logits), y, *nuisances)

    def adversary_loss(
        self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], *nuisances: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_r`, in nats."""
        with torch.no_grad():  # the model does not move in this turn
            s = decision(self.logits(x, y, *nuisances))
        return self.nuisance_nll(s, y, *nuisances)

    def logits(
        self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], *nuisances: Tensor
    ) -> Float[Tensor, "batch ..."]:
        """The model's logits for a batch, which is checked.

        Raises:
            ValueError: where inputs, labels, nuisances or logits are not as expected.
        """
        check_inputs(x, y, None)
        for nuisance in nuisances:
            if len(nuisance) != len(x) or not bool(nuisance.isfinite().all()):
                raise ValueError(
                    f"expected a finite nuisance for each of {len(x)} samples, got {len(nuisance)} of shape "
                    f"{list(nuisance.shape)}: leave out the samples whose nuisance is missing"
                )
        logits = at_least_float32(call_model(self.model, x))
        if logits.shape not in ((len(x),), (len(x), 1)):
            check_logits(logits, y)
        elif int(y.max()) > 1:
            raise ValueError(
                f"a model of one logit wants the labels 0 and 1, got labels up to {int(y.max())}: number them from 0, "
                "or give the model a logit for each class"
            )
        return logits

    def nuisance_nll(
        self, s: Float[Tensor, "batch outputs"], y: Int[Tensor, " batch"], *nuisances: Tensor
    ) -> Float[Tensor, ""]:
        r""":math:`L_r` for given outputs: the weighted mean of :math:`-\log r(\nu \mid s)`, 0 without any weight."""
        if not nuisances:
            raise ValueError("expected batches (x, y, nuisance, ...), got (x, y)")
        nll = at_least_float32(-self.adversary(s, *nuisances))
        if nll.shape != y.shape:
            raise ValueError(
                f"the adversary must return the log-density of each of {len(y)} samples, got shape {list(nll.shape)}"
            )
        if self.weigh is None:
            return nll.mean()
        weight = self.weigh(y).to(nll.dtype)
        if weight.shape != nll.shape or bool((weight < 0).any()):
            raise ValueError(
                f"weigh must return a weight >= 0 for each of {len(y)} samples, got {list(weight.shape)}"
                f" with the minimum {weight.min():.3g}"
            )
        return (weight * nll).sum() / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)


def decision(logits: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch outputs"]:
    """What the adversary sees: the probabilities ``[batch, K]`` of K classes, or ``[batch, 1]`` of class 1.

    Not the logits: of several, their common shift changes no prediction, and nobody needs it to be independent.
    """
    return logits.softmax(dim=1) if logits.numel() > len(logits) else torch.sigmoid(logits.view(-1, 1))


def label_loss(logits: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Cross-entropy in nats, of one logit or of K."""
    if logits.numel() > len(logits):
        return F.cross_entropy(logits, y)
    return F.binary_cross_entropy_with_logits(logits.flatten(), y.to(logits.dtype))
