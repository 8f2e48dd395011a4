"""What an evaluation knows of each sample and of each attack."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.evaluation.batch import BatchResult
from advnotes.evaluation.names import config_text
from advnotes.evaluation.results import AttackResult
from advnotes.model_state import NO_CLASS

__all__ = ["AttackNotes", "SampleState", "summarise"]


class SampleState:
    """What is known of each sample, in canonical order.

    Args:
        predictions: the model's class of each without an attack.
    """

    def __init__(self, predictions: Int[Tensor, " batch"]) -> None:
        count = len(predictions)
        #: The number of the attack that fooled it, or -1.
        self.fooled_by = torch.full((count,), -1)
        #: The model's class under attack.
        self.predictions = predictions.clone()
        #: The norm of the perturbation that fooled it, or infinity.
        self.distances = torch.full((count,), torch.inf, dtype=torch.float64)
        #: The perturbed inputs that were kept.
        self.points: dict[int, Tensor] = {}

    def record(self, number: int, part: BatchResult) -> None:
        """What the attack with this number did to one batch."""
        won = part.rows[part.fooled]
        self.fooled_by[won] = number
        self.predictions[won] = part.predictions[part.fooled]
        self.distances[won] = part.distances[part.fooled]
        self.points |= dict(zip(part.kept_rows.tolist(), part.points, strict=True))


class AttackNotes:
    """What a reader should know about the attacks; the same of several attacks is said once."""

    def __init__(self) -> None:
        self.skipped: dict[str, list[str]] = {}
        self.zero_gradient: list[str] = []
        self.non_finite: dict[str, int] = {}

    def add(self, name: str, parts: Sequence[BatchResult]) -> None:
        """Look at what an attack did."""
        why = next((part.skipped for part in parts if part.skipped), "")
        non_finite = sum(int((part.fooled & (part.predictions == NO_CLASS)).sum()) for part in parts)
        if why:
            self.skipped.setdefault(why, []).append(name)
        elif any(part.zero_gradient for part in parts):
            self.zero_gradient.append(name)
        if non_finite:
            self.non_finite[name] = non_finite

    def lines(self) -> list[str]:
        """The notes: attacks that were skipped, zero gradients, and logits that are not finite."""
        lines = [f"Left out: {', '.join(names)}. {why}" for why, names in self.skipped.items()]
        if self.zero_gradient:
            lines.append(
                f"{', '.join(self.zero_gradient)} met gradients that were zero or not finite on samples that they did "
                "not fool: masked gradients, which do not mean robustness."
            )
        if self.non_finite:
            lines.append(
                f"The logits are not finite at {sum(self.non_finite.values())} of the perturbed inputs (found by "
                f"{', '.join(self.non_finite)}). They count as fooled: an answer that is no number is no answer."
            )
        return lines


def summarise(name: str, attack: Attack, parts: Sequence[BatchResult]) -> AttackResult:
    """What an attack did to all its batches."""
    return AttackResult(
        name=name,
        tried=sum(len(part.rows) for part in parts if not part.skipped),
        fooled=sum(int(part.fooled.sum()) for part in parts),
        seconds=sum((part.seconds for part in parts), 0.0),
        passes=sum(part.passes for part in parts),
        unverified=sum(int((part.claimed & ~part.fooled).sum()) for part in parts),
        settings=config_text(attack),
    )
