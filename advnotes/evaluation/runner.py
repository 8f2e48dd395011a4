"""Runs attacks over the samples that are still robust, and records who fooled which sample, and how far away."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from tqdm import tqdm

from advnotes.attacks.attack import Attack
from advnotes.checks import check_finite_logits
from advnotes.evaluation.batch import BatchAttacker, BatchResult, seeded
from advnotes.evaluation.checkpoint import Checkpoint
from advnotes.evaluation.distributed import ProcessGroup
from advnotes.evaluation.names import config_text
from advnotes.evaluation.results import AttackResult
from advnotes.evaluation.sample_state import AttackNotes, SampleState, summarise
from advnotes.fast import prepared
from advnotes.identity import Identity, identify, versions
from advnotes.processes import shows_progress
from advnotes.threats import Threat

__all__ = ["EvaluationRunner"]


class EvaluationRunner:
    """Runs the parts of an evaluation, shared among the processes.

    Args:
        attacker: runs an attack on a batch and verifies it.
        group: the processes.
        batch_size: how many samples at a time.
        progress: whether to show a bar, in the main process.
        has_gradient: whether the model has gradients.
    """

    def __init__(
        self,
        attacker: BatchAttacker,
        group: ProcessGroup,
        batch_size: int,
        *,
        progress: bool = True,
        has_gradient: bool = True,
    ) -> None:
        self.attacker, self.group, self.batch_size = attacker, group, batch_size
        self.data = attacker.data
        self.quiet = not shows_progress(progress, group.is_main)
        self.checkpoint: Checkpoint | None = None
        self.notes: list[str] = []
        self.attack_notes = AttackNotes()
        self.has_gradient = has_gradient
        self.state = SampleState(self.data.y)

    def predict(self) -> Int[Tensor, " batch"]:
        """The model's class of every sample without an attack.

        Raises:
            ValueError: where logits are not finite; it names the first such sample of a batch.
        """

        def ask() -> list[tuple[Tensor, Tensor]]:
            found = []
            for rows in self.group.shard(list(torch.arange(len(self.data.order)).split(self.batch_size))):
                x, _, seeds = self.data.batch(rows)
                with torch.no_grad(), seeded(seeds, x.device):
                    check_finite_logits(self.attacker.model(x), self.data.order[rows])
                    found.append((rows, self.attacker.predict(x).cpu()))
            return found

        predictions = torch.empty_like(self.data.y)
        for rows, classes in self.group.gather(ask):
            predictions[rows] = classes
        return predictions

    def say(self, text: str) -> None:
        """Print a line at once, beside the bar."""
        if not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def prepare(self, attacks: Sequence[Attack], precision: torch.dtype | None) -> None:
        """Make a copy of the model that takes less time, where there is one: once, not in every batch."""
        x, *_ = self.data.batch(torch.arange(min(len(self.data.order), self.batch_size)))
        batches = -(-len(self.data.order) // self.batch_size)
        passes = batches * sum(attack.estimated_passes for attack in attacks)
        original = self.attacker.model.model
        copy = prepared(original, x, passes=passes, precision=precision)
        self.attacker.fast_model = self.attacker.model if copy is original else copy

    def resume_from(self, folder: str | os.PathLike[str], model: Identity, settings: dict[str, str]) -> None:
        """Keep results in a folder, and reuse those that are there, unless Python hides what model or threat are."""
        threat = identify(self.data.threat, "threat")
        if self.refuses(model, "the model") or self.refuses(threat, "the threat"):
            return
        settings = {
            "model": model.digest,
            "threat": f"{type(self.data.threat).__name__} {self.data.eps}",
            "norm": threat.digest,
            "bounds": str(self.data.bounds),
            "answers": str(self.attacker.votes),
            "keep": str(self.attacker.keep is None),
            **settings,
            **versions(),
        }
        self.checkpoint = Checkpoint(folder, settings)
        self.group.on_main(self.checkpoint.open)

    def refuses(self, identity: Identity, name: str) -> bool:
        """Whether nothing may be reused of something, because Python does not show what it is; that is noted."""
        why = identity.refusal(name)
        if why and why not in self.notes:
            self.notes.append(why)
            if self.group.is_main:
                warnings.warn(why, stacklevel=4)
        return bool(why)

    def run(self, attacks: dict[str, Attack], predictions: Int[Tensor, " batch"]) -> list[AttackResult]:
        """One attack after the other, each on the samples that are still robust."""
        self.state = SampleState(predictions)
        correct: Bool[Tensor, " batch"] = predictions == self.data.y
        results = []
        total = int(correct.sum()) * len(attacks)
        with tqdm(total=total, desc="attacking", unit=" sample-attacks", disable=self.quiet) as bar:
            for number, (name, attack) in enumerate(attacks.items()):
                rows = (correct & (self.state.fooled_by < 0)).nonzero().squeeze(1)
                bar.set_description(name)
                bar.set_postfix(robust=len(rows), refresh=False)
                parts = self.run_attack(name, attack, self.data.threat, rows, bar)
                for part in parts:
                    self.state.record(number, part)
                self.attack_notes.add(name, parts)
                results.append(summarise(name, attack, parts))
                bar.update(int(correct.sum()) * (number + 1) - bar.n)
                bar.set_postfix(robust=len(rows) - results[-1].fooled)
        return results

    def run_attack(
        self,
        name: str,
        attack: Attack,
        threat: Threat,
        rows: Int[Tensor, " rows"],
        bar: tqdm[Any] | None = None,
    ) -> list[BatchResult]:
        """An attack on some samples, batch by batch, without those that the checkpoint has."""
        digest = hashlib.sha256(config_text(attack).encode()).digest()
        salt = int.from_bytes(digest[:7], "big")
        parts: list[BatchResult] = []
        checkpoint, key = self.checkpoint, ""
        if checkpoint is not None:
            identity = identify(attack, name)
            key = identity.digest
            checkpoint = None if self.refuses(identity, name) else checkpoint
        if checkpoint is not None:
            skipped = self.attacker.skip_gradient_attacks
            parts = self.group.on_main(lambda: checkpoint.read(key, rows, skipped))
            done = torch.cat([rows[:0], *(part.rows for part in parts)])
            rows = rows[~torch.isin(rows, done)]
            if bar is not None:
                bar.update(len(done))

        def work() -> list[BatchResult]:
            made = []
            for share in self.group.shard([batch for batch in rows.split(self.batch_size) if len(batch)]):
                for part in self.attacker.run_in_halves(name, attack, threat, share, salt):
                    made.append(part)
                    if checkpoint is not None:
                        checkpoint.write(key, part)
                    if bar is not None:
                        room = int(bar.total or 0) - int(bar.n)
                        bar.update(max(0, min(len(part.rows) * self.group.world_size, room)))
            return made

        return [*parts, *self.group.gather(work)]
