"""The parts of a report, from what the runner knows in canonical order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.evaluation.results import Example
from advnotes.evaluation.runner import EvaluationRunner

__all__ = ["EXAMPLES", "adversarial", "examples", "options", "verdicts"]

#: Examples in a report: so many samples, and at most so many numbers of input in all.
EXAMPLES, NUMBERS = 8, 2**19


def verdicts(runner: EvaluationRunner, predictions: Tensor) -> dict[str, Any]:
    """The threat, and what is known of each sample, in the order in which they came."""
    data, state = runner.data, runner.state
    columns = {
        "labels": data.y,
        "predictions": predictions,
        "adversarial_predictions": state.predictions,
        "fooled_by": state.fooled_by,
    }
    return {
        "shape": tuple(data.x.shape[1:]),
        "bounds": data.bounds,
        "norm": type(data.threat).__name__,
        "eps": data.eps,
        **{name: tuple(data.as_given(values).tolist()) for name, values in columns.items()},
    }


def options(
    attacks: str | Sequence[Attack],
    padded: int | None,
    diagnose: bool,
    curve: bool | Sequence[float],
    certify: bool | float,
    precision: torch.dtype | None,
) -> dict[str, str]:
    """The arguments that decide the result and are not the defaults, as text."""
    options = {
        "attacks": (attacks if isinstance(attacks, str) else "list", "standard"),
        "batch_size": (padded, None),
        "pad_batches": (padded is not None, False),
        "diagnose": (diagnose, True),
        "curve": (curve if isinstance(curve, bool) else list(curve), True),
        "certify": (certify, False),
        "precision": (precision, None),
    }
    return {name: str(value) for name, (value, usual) in options.items() if value != usual}


def examples(runner: EvaluationRunner, predictions: Tensor, names: list[str]) -> tuple[Example, ...]:
    """The first few samples that were fooled, in canonical order, which is as arbitrary as a draw."""
    data, state = runner.data, runner.state
    room = max(1, min(EXAMPLES, NUMBERS // (2 * data.x[0].numel())))
    return tuple(
        Example(
            index=int(data.order[row]),
            label=int(data.y[row]),
            prediction=int(predictions[row]),
            adversarial_prediction=int(state.predictions[row]),
            attack=names[int(state.fooled_by[row])],
            x=data.x[row].clone(),
            x_adv=state.points[row].clone(),
        )
        for row in (state.fooled_by >= 0).nonzero().squeeze(1).tolist()[:room]
    )


def adversarial(runner: EvaluationRunner) -> Tensor:
    """Every input, where it was fooled at the point that fooled it, in the order in which they came."""
    points = runner.data.x.clone()
    for row, point in runner.state.points.items():
        points[row] = point
    return runner.data.as_given(points)
