"""A first look at a model: how many classes it has, whether it draws at random, and whether it has gradients."""

from __future__ import annotations

from typing import NamedTuple

import torch

from advnotes.evaluation.inputs import EvaluationData
from advnotes.evaluation.masking.checks import SAME
from advnotes.evaluation.masking.measurements import Case, repeat_change, why_no_gradient
from advnotes.evaluation.model_info import check_no_probabilities
from advnotes.model_state import GuardedModel

__all__ = ["Probe", "probe"]

#: How many samples are looked at for a gradient.
FEW = 8


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
    with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(0)
        logits = model(x)
        check_no_probabilities(logits)
        y = y.remainder(logits.shape[1])  # labels are checked once the number of classes is known
        change = repeat_change(Case(model, x, y, data.threat.rows(rows), data.bounds, seeds))
        few = Case(model, x[:FEW], y[:FEW], data.threat.rows(rows[:FEW]), data.bounds, seeds[:FEW])
        return Probe(int(logits.shape[1]), change > SAME, why_no_gradient(few) is None)
