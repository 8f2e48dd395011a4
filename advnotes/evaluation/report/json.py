"""A report as JSON and back; shares have their intervals beside them, for other programs."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advnotes.evaluation.proved import Proof
from advnotes.evaluation.results import AttackResult, EvaluationResult, Example, Finding
from advnotes.fields import field_values
from advnotes.metrics.accuracy import Proportion

__all__ = ["from_json", "to_json"]

SCHEMA = "advnotes.report/2"

#: What stays out: tensors as large as the data, and attacks.
LEFT_OUT = ("adversarial", "remedies")


def to_json(result: EvaluationResult) -> str:
    """All of a result but its adversarial inputs."""
    tree = {"schema": SCHEMA, **_plain(result)}
    shares = {"clean": result.clean, "robust": result.robust, "certified": result.certified}
    tree |= {name: _plain(share) for name, share in shares.items()}
    return json.dumps(tree, indent=1, allow_nan=False)


def from_json(text: str) -> dict[str, Any]:
    """The fields of the result that :func:`to_json` wrote; errors are those of :meth:`Report.from_json`."""
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"a report is JSON as Report.to_json() writes it, but {error}") from error
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if schema != SCHEMA:
        raise ValueError(
            f"expected a report of the schema {SCHEMA!r}, got {schema!r}: was it written by another version of "
            "advnotes?"
        )
    try:
        return _fields(tree)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the report is incomplete or damaged: {error!r}") from error


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Tensor):
        numbers = value.detach().float().cpu().numpy().astype("<f4")
        return {"shape": list(value.shape), "float32": base64.b64encode(numbers.tobytes()).decode("ascii")}
    if dataclasses.is_dataclass(value):
        held = {name: part for name, part in field_values(value).items() if name not in LEFT_OUT}
        if isinstance(value, Proportion):
            held |= {"value": value.value, "low": value.low, "high": value.high}
        return {name: _plain(part) for name, part in held.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _fields(tree: dict[str, Any]) -> dict[str, Any]:
    names = [item.name for item in dataclasses.fields(EvaluationResult) if item.name not in LEFT_OUT]
    tree = {"proof": None} | tree  # which reports did not have from the beginning
    made: dict[str, Any] = {
        name: tuple(tree[name]) if isinstance(tree[name], list) else tree[name] for name in names
    }
    made["attacks"] = tuple(AttackResult(**item) for item in made["attacks"])
    made["findings"] = tuple(Finding(**item) for item in made["findings"])
    if made["proof"] is not None:
        made["proof"] = Proof(**{**made["proof"], "proved": tuple(made["proof"]["proved"])})
    made["curve"] = tuple((eps, Proportion(at["count"], at["total"])) for eps, at in made["curve"])
    made["examples"] = tuple(
        Example(**{**item, "x": _tensor(item["x"]), "x_adv": _tensor(item["x_adv"])})
        for item in made["examples"]
    )
    return made


def _tensor(plain: dict[str, Any]) -> Tensor:
    numbers = np.frombuffer(base64.b64decode(plain["float32"]), dtype="<f4").astype(np.float32)
    return torch.from_numpy(numbers).reshape(plain["shape"])
