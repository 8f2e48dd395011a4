"""Accuracy against eps: at which radii, by which attack, and the share of samples that is left at each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from torch import Tensor

from advnotes.attacks import APGD, PGD, Square
from advnotes.attacks.attack import Attack
from advnotes.evaluation.suite import averaged_pgd
from advnotes.losses import margin_loss
from advnotes.metrics.accuracy import Proportion
from advnotes.threats import L1, Bounds, Linf, Threat

if TYPE_CHECKING:
    from advnotes.evaluation.runner import EvaluationRunner

__all__ = ["curve_radii", "measure_curve"]

#: The radii of the curve, as multiples of eps.
FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)

#: Of Square at each radius, for a model without gradients.
QUERIES = 1000

HOW = (
    "Up to eps: the perturbations that the attacks found, and {name} at each smaller radius on the samples that they "
    "fooled. Beyond eps: {name} at each radius on those that are left. A sample that is fooled at one radius counts as "
    "fooled at every larger one. Except at eps, this is one attack and not the worst case of all: an upper bound."
)


def curve_radii(curve: bool | Sequence[float], threat: Threat, bounds: Bounds) -> list[float]:
    """The radii of the curve as multiples of eps, in ascending order, from 0.

    Raises:
        ValueError: where a radius is negative or not finite.
    """
    eps = torch.as_tensor(threat.eps, dtype=torch.float64)
    largest = float(eps.max())
    if curve is False or largest == 0:
        return []
    if curve is True:
        factors = [0.0, *FACTORS]
    else:
        scale = 1.0 if eps.ndim else largest
        factors = [float(radius) / scale for radius in curve]
        if not all(0 <= factor < float("inf") for factor in factors):
            raise ValueError(f"curve gives radii from 0 on, got {list(curve)}")
        # What was meant as eps is eps, however it was rounded.
        factors = [0.0, 1.0, *(1.0 if abs(factor - 1) < 1e-6 else factor for factor in factors)]
    if isinstance(threat, Linf):  # beyond it there is nothing more to change
        factors = [factor for factor in factors if factor * largest <= bounds[1] - bounds[0]]
    return sorted(set(factors))


def measure_curve(
    runner: EvaluationRunner, factors: list[float], correct: Bool[Tensor, " batch"]
) -> tuple[tuple[tuple[float, Proportion], ...], str]:
    """The points of the curve, and in words how they were measured.

    Args:
        runner: after all attacks.
        factors: the radii as multiples of eps, in ascending order.
        correct: which samples are right without an attack.
    """
    if not factors:
        return (), ""
    eps = torch.as_tensor(runner.data.threat.eps, dtype=torch.float64).cpu().expand(len(correct))
    distances = runner.state.distances
    fell = torch.where(distances.isfinite(), distances / eps, torch.inf)
    points = []
    for factor in factors:
        if factor > 0 and factor != 1:
            # What all attacks at eps did not fool is not tried again at less.
            left = correct & (fell > factor) & ((fell <= 1) if factor < 1 else (fell > 1))
            threat = runner.data.threat.scaled(factor)
            attack, _ = _attack(runner, threat)
            rows = left.nonzero().squeeze(1)
            for part in runner.run_attack("the attack of the curve", attack, threat, rows):
                won = part.rows[part.fooled]
                fell[won] = fell[won].clamp_max(factor)
        points.append((factor, Proportion(int((correct & (fell > factor)).sum()), len(correct))))
    scale = 1.0 if isinstance(runner.data.eps, tuple) else float(eps[0])
    how = HOW.format(name=_attack(runner, runner.data.threat)[1])
    return tuple((factor * scale, share) for factor, share in points), how


def _attack(runner: EvaluationRunner, threat: Threat) -> tuple[Attack, str]:
    """The attack of the curve, and its name."""
    bounds, randomised = runner.data.bounds, runner.attacker.votes > 1
    if not runner.has_gradient:
        square = Square(threat, queries=QUERIES, bounds=bounds, early_stop=not randomised)
        return square, f"Square ({QUERIES:,} queries, because the model has no gradients)"
    if randomised:
        return averaged_pgd(threat, bounds), "EOT of PGD (margin loss, 20 steps, 8 draws)"
    # In L1, PGD's steps are sparse and do not get far.
    kind: type[PGD | APGD] = APGD if isinstance(threat, L1) else PGD
    attack = kind(threat, steps=20, loss=margin_loss, bounds=bounds, early_stop=True)
    return attack, f"{kind.__name__} (margin loss, 20 steps)"
