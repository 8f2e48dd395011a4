"""The aim to be misclassified and not to be flagged: as an objective, and as a model of two classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.parts.scores import check_scores
from advnotes.gradients import not_differentiable
from advnotes.losses import margin
from advnotes.model_state import Model

__all__ = ["Defended", "Evasion", "Guarded"]


@dataclass(frozen=True)
class Guarded:
    """A classifier, a detector beside it and its threshold; with ``targeted``, labels are classes to reach."""

    model: Model
    detector: Callable[[Tensor], Tensor]
    threshold: float
    targeted: bool

    def lead(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """By how much each sample has evaded, positive where it has: see :class:`~advnotes.attacks.Evading`."""
        logits, scores = self.model(x), check_scores(self.detector(x), len(x))
        if x.requires_grad and not scores.requires_grad:
            raise not_differentiable("the detector's scores do")
        ahead = margin(logits, y) if self.targeted else -margin(logits, y)
        # A score that is no number is flagged, and an infinite one must leave the logits finite.
        below = (self.threshold - scores).to(ahead.dtype).nan_to_num(nan=-1.0)
        below = below.sign() * below.abs().log1p()
        # With the detected class written out: where nothing is wrong yet, both are wanted at once.
        return torch.where(ahead <= 0, ahead + below.clamp(max=0), torch.minimum(ahead, below))


@dataclass(frozen=True)
class Evasion:
    """The aim to be misclassified and to pass, for samples of several classes."""

    guarded: Guarded
    y: Int[Tensor, " batch"]

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """Each sample's lead, to be raised, and whether it has one."""
        lead = self.guarded.lead(point, self.y)
        return lead, lead > 0

    def rows(self, rows: Tensor) -> Evasion:
        """The aim of some of the samples."""
        return Evasion(self.guarded, self.y[rows])


@dataclass(frozen=True)
class Defended:
    """A classifier and a detector as one model of two classes, for samples of one class."""

    guarded: Guarded
    label: int

    def __call__(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch 2"]:
        """The logits of *defended* and *evaded*."""
        lead = self.guarded.lead(x, torch.full((len(x),), self.label, device=x.device))
        return torch.stack([torch.zeros_like(lead), lead], dim=1)
