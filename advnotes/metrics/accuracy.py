"""Clean and robust accuracy, each with the interval that its number of samples allows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.attack import Attack, NormAttack
from advnotes.checks import check_logits
from advnotes.model_state import Model, attacked, device_of
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

    Raises:
        ValueError: where there are no samples, the attack is targeted, ``batch_size`` is less than 1, or there are not
            as many per-sample seeds, or radii, as samples.
    """
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"expected as many labels as samples, and at least one: got {len(x)} and {len(y)}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if isinstance(generator, Tensor) and generator.shape != (len(x),):
        raise ValueError(
            f"expected one seed for each of {len(x)} samples, got seeds of shape {tuple(generator.shape)}"
        )
    if getattr(attack, "targeted", False):
        raise ValueError(
            "robust accuracy is about leaving the true class: give an attack with targeted=False"
        )
    eps = torch.as_tensor(attack.threat.eps) if isinstance(attack, NormAttack) else torch.zeros(())
    if eps.ndim and len(eps) != len(x):
        raise ValueError(f"eps has one radius for each of {len(eps)} samples, but there are {len(x)}")
    device = device_of(model, x)
    right = 0
    for first in range(0, len(x), batch_size):
        part = slice(first, first + batch_size)
        inputs, labels = x[part].to(device), y[part].to(device)
        source = generator[part] if isinstance(generator, Tensor) else generator
        own = attack.rows(part) if isinstance(attack, Attack) else attack
        candidates = [inputs] if own is None else [inputs, own(model, inputs, labels, source)]
        standing = torch.ones_like(labels, dtype=torch.bool)
        with torch.no_grad(), attacked(model):
            for candidate in candidates:
                logits = model(candidate)
                check_logits(logits, labels)
                standing &= logits.argmax(dim=1) == labels
        right += int(standing.sum())
    return Proportion(right, len(x))
