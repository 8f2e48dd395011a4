"""What can be proved of the samples that no attack fooled: the lower end beside the attacks' upper one."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor, nn
from tqdm import tqdm

from advnotes.checks import check_number
from advnotes.defences.certify import certify as certify_batch
from advnotes.defences.parts.bounded_graph import Unbounded, bounded_graph
from advnotes.defences.parts.region import check_ball, check_reach
from advnotes.evaluation.checkpoint import ProofPart
from advnotes.evaluation.proved import Proof
from advnotes.model_state import Model
from advnotes.threats import Bounds, Threat

if TYPE_CHECKING:
    from advnotes.evaluation.runner import EvaluationRunner

__all__ = ["check_certify", "prove", "refusal"]

HOW = (
    "Proved by bounds of every layer: intervals first, then linear bounds, then linear bounds with the best slopes, "
    "then by cases of which rectifiers are on; {effort}. The proof is of the model as it computes, rounding included "
    "(advnotes.defences.certify). A sample that is neither proved nor fooled may be either."
)


@dataclass(frozen=True)
class Failure:
    """An error amidst a proof: of how many samples, and what it said."""

    count: int
    why: str


def check_certify(certify: bool | float) -> None:
    """Raise ValueError for what is neither True, False nor a positive number of seconds."""
    if not isinstance(certify, bool):
        check_number(
            "certify, where it is neither True nor False, is a number of seconds and", certify, above=0.0
        )


def refusal(model: Model, x: Tensor, threat: Threat, bounds: Bounds, randomised: bool) -> str:
    """Why nothing can be proved of a model within a threat; empty where something can."""
    try:
        check_ball(threat)
        check_reach(threat, x, bounds)
    except ValueError as error:
        return str(error)
    if randomised:
        return (
            "it draws at random, and bounds are of one function; the mean over its noise can be certified by "
            "advnotes.defences.Smoothed"
        )
    try:
        bounded_graph(model, x)  # type: ignore[arg-type]  # what is no module is refused with its reason
    except Unbounded as error:
        return str(error)
    # Its forward is anybody's code, and bounds call it with another number of samples than attacks do.
    except Exception as error:
        return f"it cannot be called with three samples: {type(error).__name__}: {error}"
    return ""


def prove(
    runner: EvaluationRunner,
    model: Model,
    certify: bool | float,
    predictions: Int[Tensor, " batch"],
    why_not: str,
) -> Proof:
    """Try to prove every sample that no attack fooled, batch by batch, without those that the checkpoint has.

    Args:
        runner: after all attacks.
        model: the one that was given, where it computes.
        certify: True for the usual effort, or seconds for the batches of each process.
        predictions: the model's classes without an attack, in canonical order.
        why_not: why nothing can be proved (:func:`refusal`).

    Returns:
        The :class:`Proof`. Batches of which it failed are among the runner's notes.
    """
    proved = torch.zeros(len(predictions), dtype=torch.bool)
    if why_not:
        return Proof(tuple(proved.tolist()), "", why_not)
    rows = ((predictions == runner.data.y) & (runner.state.fooled_by < 0)).nonzero().squeeze(1)
    key = f"certify={certify if isinstance(certify, bool) else float(certify)}"
    parts: list[ProofPart] = []
    if (checkpoint := runner.checkpoint) is not None:
        parts = runner.group.on_main(lambda: checkpoint.read_proofs(key, rows))
        rows = rows[~torch.isin(rows, torch.cat([rows[:0], *(part.rows for part in parts)]))]
    batches = [batch for batch in rows.split(runner.batch_size) if len(batch)]
    assert isinstance(model, nn.Module)
    made = runner.group.gather(lambda: _prove_share(runner, model, certify, key, runner.group.shard(batches)))
    parts += [part for part in made if isinstance(part, ProofPart)]
    for part in parts:
        proved[part.rows] = part.proved
    failed = Counter[str]()
    for failure in (part for part in made if isinstance(part, Failure)):
        failed[failure.why] += failure.count
    for why, count in failed.items():
        runner.notes.append(
            f"The proof of {count} samples failed, so that they do not count as proved. {why}"
        )
        runner.say(f"warning: {runner.notes[-1]}")
    effort = "within the usual effort" if isinstance(certify, bool) else f"within {certify:g} s"
    seconds = sum((part.seconds for part in parts), 0.0)
    return Proof(tuple(runner.data.as_given(proved).tolist()), HOW.format(effort=effort), "", seconds)


def _prove_share(
    runner: EvaluationRunner, model: nn.Module, certify: bool | float, key: str, batches: list[Tensor]
) -> list[ProofPart | Failure]:
    """The batches of one process; what time one leaves over goes to those after it.

    A batch whose proof fails becomes a :class:`Failure`, and is tried again when the evaluation is resumed: what the
    attacks have found is not lost with it.
    """
    data, parts, spent = runner.data, list[ProofPart | Failure](), 0.0
    with tqdm(total=sum(map(len, batches)), desc="proving", unit=" samples", disable=runner.quiet) as bar:
        for number, rows in enumerate(batches):
            x, y, _ = data.batch(rows)
            began = time.perf_counter()
            left = None if isinstance(certify, bool) else max(0.0, certify - spent) / (len(batches) - number)
            try:
                found = certify_batch(model, x, y, data.threat.rows(rows), bounds=data.bounds, seconds=left)
            except Exception as error:
                parts.append(Failure(len(rows), f"{type(error).__name__}: {str(error).strip()}"))
            else:
                part = ProofPart(rows, found.proved.cpu(), time.perf_counter() - began)
                parts.append(part)
                if runner.checkpoint is not None:
                    runner.checkpoint.write_proof(key, part)
            spent += time.perf_counter() - began
            bar.update(len(rows))
    return parts
