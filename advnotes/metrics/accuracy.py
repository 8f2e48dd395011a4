"""Clean and robust accuracy, each with the interval that its number of samples allows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.checks import (
    check_count,
    check_finite_logits,
    check_labels,
    check_logits,
    check_model,
)
from advnotes.model_state import (
    GuardedModel,
    Model,
    attacked,
    device_of,
    prediction,
    warn_of_non_finite_logits,
)
from advnotes.seeds import Source

__all__ = ["Proportion", "accuracy", "robust_accuracy"]


@dataclass(frozen=True)
class Proportion:
    r"""``count`` of ``total``, with Wilson's 95% interval.

    .. math::
        \frac{1}{1 + z^2/n}\Bigl(\hat p + \frac{z^2}{2n} \pm z\sqrt{\frac{\hat p(1 - \hat p)}{n}
        + \frac{z^2}{4n^2}}\Bigr), \qquad z = 1.96

    (Wilson 1927.) Unlike the normal approximation it stays inside [0, 1] and says something at 0 of n.

    Raises:
        ValueError: where ``count`` is not within 0 and ``total``, or ``total`` is 0.
    """

    count: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.total or self.total == 0:
            raise ValueError(f"expected 0 <= count <= total and total > 0, got {self.count} of {self.total}")

    def __float__(self) -> float:
        return self.value

    @property
    def value(self) -> float:
        """The share itself, in [0, 1]."""
        return self.count / self.total

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self._ends()[0]

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self._ends()[1]

    def _ends(self) -> tuple[float, float]:
        z, n, p = 1.959964, self.total, self.value
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        # At 0 and at n of n the end is exactly p, up to rounding.
        return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


def accuracy(
    model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], *, batch_size: int = 500
) -> Proportion:
    """The share of samples that the model, in eval mode, puts into their class.

    Args:
        model: maps inputs to logits ``[batch, classes]``. Its modes are put back afterwards.
        x, y: inputs in their natural range and their classes, moved to the model's device batch by batch.
        batch_size: how many samples at a time.

    Raises:
        ValueError: where there are no samples, the labels or the logits are not as expected (a logit that is not finite
            is named by its sample), or ``batch_size`` is less than 1.
    """
    return robust_accuracy(model, None, x, y, batch_size=batch_size)


def robust_accuracy(
    model: Model,
    attack: Attack | Callable[..., Tensor] | None,
    x: Float[Tensor, "batch ..."],
    y: Int[Tensor, " batch"],
    *,
    batch_size: int = 500,
    generator: Source = None,
) -> Proportion:
    """The share of samples that stay in their class under an untargeted attack; None is no attack.

    Args:
        model, x, y, batch_size: as in :func:`accuracy`.
        attack: an :class:`~advnotes.attacks.Attack`, or whatever is called as ``attack(model, x, y, generator)``. A
            sample that is wrong without it counts as wrong. Where an attack has a radius for each sample, these are
            divided along with the samples.
        generator: the attack's randomness; per-sample seeds are divided along with the samples.

    Warns:
        NonFiniteLogitsWarning: where the logits of perturbed samples are not finite; these count as wrong.

    Raises:
        ValueError: as :func:`accuracy`; and where the attack is targeted, or there are not as many per-sample seeds, or
            radii, as samples.
    """
    check_model(model)
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"expected as many labels as samples, and at least one: got {len(x)} and {len(y)}")
    check_labels(y, len(x))
    check_count("batch_size", batch_size)
    if isinstance(generator, Tensor) and generator.shape != (len(x),):
        raise ValueError(
            f"expected one seed for each of {len(x)} samples, got seeds of shape {tuple(generator.shape)}"
        )
    if isinstance(attack, Attack):
        attack.check_batch(len(x))
        if attack.targeted:
            raise ValueError(
                "robust accuracy is about leaving the true class: give an attack with targeted=False"
            )
    device = device_of(model, x)
    guarded, right, perturbed = GuardedModel(model, device), 0, []
    for first in range(0, len(x), batch_size):
        part = slice(first, first + batch_size)
        inputs, labels = x[part].to(device), y[part].to(device)
        with torch.no_grad(), attacked(model):
            logits = guarded(inputs)
            check_logits(logits, labels)
            check_finite_logits(logits, torch.arange(first, first + len(labels)))
        robust = logits.argmax(dim=1) == labels
        if attack is not None:
            source = generator[part] if isinstance(generator, Tensor) else generator
            divided = attack.rows(part) if isinstance(attack, Attack) else attack
            x_adv = divided(model, inputs, labels, source)
            if x_adv.shape != inputs.shape:
                raise ValueError(
                    f"an attack must return a point for each input, of shape {tuple(inputs.shape)}, got shape "
                    f"{tuple(x_adv.shape)}"
                )
            with torch.no_grad(), attacked(model):
                predicted = prediction(guarded(x_adv))
            perturbed.append(predicted)
            robust &= predicted == labels
        right += int(robust.sum())
    if perturbed:
        warn_of_non_finite_logits(torch.cat(perturbed))
    return Proportion(right, len(x))
