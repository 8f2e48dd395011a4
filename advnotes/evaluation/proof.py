"""What can be proved of the samples that no attack fooled: the lower end beside the attacks' upper one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor, nn
from tqdm import tqdm

from advnotes.checks import check_number
from advnotes.defences.certify import certify as certify_batch
from advnotes.defences.parts.bounded_graph import Unbounded, bounded_graph
from advnotes.evaluation.checkpoint import ProofPart
from advnotes.evaluation.results import Proof
from advnotes.model_state import Model

if TYPE_CHECKING:
    from advnotes.evaluation.runner import EvaluationRunner

__all__ = ["check_certify", "prove", "refusal"]

HOW = (
    "Proved by bounds of every layer: intervals first, then linear bounds, then linear bounds with the best slopes, "
    "then by cases of which rectifiers are on; {effort}. The proof is of the model as it computes, rounding included "
    "(advnotes.defences.certify). A sample that is neither proved nor fooled may be either."
)


def check_certify(certify: bool | float) -> None:
    """Raise ValueError for what is neither True, False nor a positive number of seconds."""
    if not isinstance(certify, bool):
        check_number(
            "certify, where it is neither True nor False, is a number of seconds and", certify, above=0.0
        )


def refusal(model: Model, x: Tensor, randomised: bool) -> str:
    """Why nothing can be proved of a model; empty where something can."""
    if randomised:
        return (
            "it draws at random, and bounds are of one function; the mean over its noise can be certified by "
            "advnotes.defences.Smoothed"
        )
    try:
        bounded_graph(model, x)  # type: ignore[arg-type]  # what is no module is refused with its reason
    except Unbounded as error:
        return str(error)
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
    """
    proved = torch.zeros(len(predictions), dtype=torch.bool)
    if why_not:
        return Proof(tuple(proved.tolist()), "", why_not)
    rows = ((predictions == runner.data.y) & (runner.state.fooled_by < 0)).nonzero().squeeze(1)
    parts: list[ProofPart] = []
    if (checkpoint := runner.checkpoint) is not None:
        parts = runner.group.on_main(lambda: checkpoint.read_proofs(f"certify={certify}", rows))
        rows = rows[~torch.isin(rows, torch.cat([rows[:0], *(part.rows for part in parts)]))]
    batches = [batch for batch in rows.split(runner.batch_size) if len(batch)]
    assert isinstance(model, nn.Module)
    parts += runner.group.gather(lambda: _prove_share(runner, model, certify, runner.group.shard(batches)))
    for part in parts:
        proved[part.rows] = part.proved
    effort = "within the usual effort" if isinstance(certify, bool) else f"within {certify:g} s"
    seconds = sum((part.seconds for part in parts), 0.0)
    return Proof(tuple(runner.data.as_given(proved).tolist()), HOW.format(effort=effort), "", seconds)


def _prove_share(
    runner: EvaluationRunner, model: nn.Module, certify: bool | float, batches: list[Tensor]
) -> list[ProofPart]:
    """The batches of one process; what time one leaves over goes to those after it."""
    data, parts, spent = runner.data, list[ProofPart](), 0.0
    with tqdm(total=sum(map(len, batches)), desc="proving", unit=" samples", disable=runner.quiet) as bar:
        for number, rows in enumerate(batches):
            x, y, _ = data.batch(rows)
            began = time.perf_counter()
            left = None if isinstance(certify, bool) else max(0.0, certify - spent) / (len(batches) - number)
            found = certify_batch(model, x, y, data.threat.rows(rows), bounds=data.bounds, seconds=left)
            parts.append(ProofPart(rows, found.proved.cpu(), time.perf_counter() - began))
            spent += parts[-1].seconds
            if runner.checkpoint is not None:
                runner.checkpoint.write_proof(f"certify={certify}", parts[-1])
            bar.update(len(rows))
    return parts
