"""Adversarial training at scale: batches of clean and adversarial samples, attacked within radii that are drawn."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.attacks.attack import NormAttack
from advnotes.checks import check_count, check_inputs, logits_of
from advnotes.game import Game
from advnotes.gradients import while_training
from advnotes.model_state import attacked
from advnotes.seeds import uniform

__all__ = ["MixedBatchTraining"]


class MixedBatchTraining(Game):
    r"""Train on batches in which some samples are replaced by adversarial ones (Kurakin et al. 2016, Algorithm 1).

    Of a batch of :math:`m` samples the first :math:`k` are attacked, and the loss is

    .. math::
        \frac{1}{(m - k) + \lambda k} \Bigl( \sum_{i > k} L(f_\theta(x_i), y_i)
        + \lambda \sum_{i \le k} L(f_\theta(x'_i), y_i) \Bigr)

    Both kinds go through the model in one pass, so that batch statistics are those of the mix. Each attacked sample
    has a radius of its own (section 3), drawn from the half of :math:`\mathcal N(0, \sigma^2)` between 0 and the
    attack's eps, so that the model does not become robust to a single one. With ``per_batch`` all samples of a batch
    share one, which is not the paper's way: in a step the model then meets the adversary at one strength only.

    **Label leaking** (section 4): an attack of one step with the true label makes samples that a trained model reads
    *better* than clean ones, as the perturbation tells which label it was made with. So the attack is given the label
    that the model itself predicts. A targeted attack is given the least likely class instead, the paper's "step l.l.".

    Args:
        model: maps inputs to logits.
        attack: makes the adversarial samples; its eps is the largest. It sees the model in eval mode unless it has
            ``training=True``, and so do the predictions that stand for the labels.
        adversarial: how many samples of each batch are attacked (:math:`k`); half of them, and at
            least one, where it is not given. Of a smaller last batch all are, where it has no more.
        weight: the weight :math:`\lambda > 0` of an adversarial sample beside a clean one.
        spread: the :math:`\sigma` of the radii in units of the largest; None gives every sample the largest.
        per_batch: draw one radius for all samples of a batch. False is the paper's: each sample draws its own.
        use_predicted_labels: attack the predicted label instead of the true one. False is the control that leaks.

    Raises:
        ValueError: where a number is out of range or the attack is none; when called, where inputs, labels or logits
            are not as expected.
    """

    turns = ("model",)

    def __init__(
        self,
        model: nn.Module,
        attack: NormAttack,
        *,
        adversarial: int | None = None,
        weight: float = 0.3,
        spread: float | None = 0.5,
        per_batch: bool = False,
        use_predicted_labels: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(attack, NormAttack):
            raise ValueError(
                f"the radii are drawn for an advnotes NormAttack such as FGSM(Linf(0.3)), got {attack!r}"
            )
        if torch.as_tensor(attack.threat.eps).ndim:
            raise ValueError(
                "the attack's eps is the largest radius, one number: those of the samples are drawn below it"
            )
        if adversarial is not None:
            check_count("adversarial", adversarial)
        if not (weight > 0 and (spread is None or spread > 0)):
            raise ValueError(f"weight and spread must be positive, got {weight} and {spread}")
        if attack.targeted and not use_predicted_labels:
            raise ValueError(
                "a targeted attack is given the least likely class: set use_predicted_labels=True"
            )
        self.model, self.attack, self.adversarial = model, attack, adversarial
        self.weight, self.spread, self.per_batch = weight, spread, per_batch
        self.use_predicted_labels = use_predicted_labels

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The weighted loss of a batch of inputs in their natural range."""
        check_inputs(x, y, self.attack.bounds)
        k = max(1, len(x) // 2) if self.adversarial is None else min(self.adversarial, len(x))
        inputs = torch.cat([self.perturbed(x[:k], y[:k]), x[k:]])
        losses = F.cross_entropy(logits_of(self.model, inputs, y), y, reduction="none")
        weights = torch.ones_like(losses)
        weights[:k] = self.weight
        return (weights * losses).sum() / weights.sum()

    def perturbed(
        self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch ..."]:
        """The samples that the attack makes, each within the radius drawn for it, made from :meth:`labels`."""
        with while_training():
            return self.drawn(x)(self.model, x, self.labels(x, y) if self.use_predicted_labels else y)

    def labels(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """What the attack is told: the model's own prediction or, where it is targeted, the least likely class."""
        with torch.no_grad(), attacked(self.model, self.attack.training):
            logits = logits_of(self.model, x, y)
        return logits.argmin(dim=1) if self.attack.targeted else logits.argmax(dim=1)

    def drawn(self, x: Float[Tensor, "batch ..."]) -> NormAttack:
        """The attack with a radius for each sample, its step size scaled along."""
        if self.spread is None:
            return self.attack
        # The truncated normal by its inverse distribution function, in units of the largest radius.
        scale = self.spread * math.sqrt(2)
        u = uniform(x[:1] if self.per_batch else x, 1).squeeze(1).expand(len(x))
        share = scale * torch.erfinv(u * math.erf(1 / scale))
        return self.attack.scaled(share.clamp(max=1))
