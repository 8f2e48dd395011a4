"""A first look at a model, and the diagnosis on some of the samples."""

from __future__ import annotations

from typing import NamedTuple

import torch

from advnotes.evaluation.batch import seeded
from advnotes.evaluation.inputs import EvaluationData
from advnotes.evaluation.masking.checks import SAME, diagnose
from advnotes.evaluation.masking.measurements import Case, repeat_change, why_no_gradient
from advnotes.evaluation.model_info import check_no_probabilities
from advnotes.evaluation.results import Finding
from advnotes.model_state import GuardedModel

__all__ = ["Probe", "examine", "probe"]

#: How many samples are looked at for a gradient.
FEW = 8

#: How many samples the diagnosis looks at.
EXAMINED = 100


class Probe(NamedTuple):
    """What a first look at a model shows."""

    classes: int
    randomised: bool
    has_gradient: bool


def probe(model: GuardedModel, data: EvaluationData, batch_size: int) -> Probe:
    """Ask the model about its first batch.

    Raises:
        ValueError: where it does not return logits.
        RuntimeError: where the backward pass fails for another reason than a model that is not differentiable.
    """
    rows = torch.arange(min(len(data.y), batch_size))
    x, y, seeds = data.batch(rows)
    with seeded(torch.zeros_like(seeds), x.device), torch.no_grad():
        logits = model(x)
        check_no_probabilities(logits)
        y = y.remainder(logits.shape[1])  # labels are checked once the number of classes is known
        change = repeat_change(Case(model, x, y, data.threat.rows(rows), data.bounds, seeds))
        few = Case(model, x[:FEW], y[:FEW], data.threat.rows(rows[:FEW]), data.bounds, seeds[:FEW])
        return Probe(int(logits.shape[1]), change > SAME, why_no_gradient(few) is None)


def examine(model: GuardedModel, data: EvaluationData) -> list[Finding]:
    """What the diagnosis finds."""
    rows = torch.arange(len(data.y))
    if not isinstance(data.eps, tuple):  # its remedies are attacks for all the samples that it is given
        rows = data.seeds.argsort()[:EXAMINED]
    x, y, seeds = data.batch(rows)
    with seeded(seeds, data.device):
        return diagnose(model, x, y, data.threat, bounds=data.bounds, seeds=seeds, size=EXAMINED)
