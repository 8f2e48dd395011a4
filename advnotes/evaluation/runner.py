"""An evaluation under way: what is known of every sample, and the attacks that take their turns."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from tqdm import tqdm

from advnotes.attacks import PGD
from advnotes.attacks.attack import Attack
from advnotes.evaluation import diagnosis, subject
from advnotes.evaluation.crew import Crew
from advnotes.evaluation.journal import Journal, Part
from advnotes.evaluation.probes import Case, repeat_change
from advnotes.evaluation.report import AttackResult, Finding
from advnotes.evaluation.trial import Trial, seeded
from advnotes.fast import prepared
from advnotes.identity import Identity, identify, versions
from advnotes.losses import margin_loss
from advnotes.metrics.accuracy import Proportion
from advnotes.threats import Threat

__all__ = ["EXAMINED", "VOTES", "Campaign"]

#: How many answers of a model that draws at random make one: the class of most of them.
VOTES = 21

#: How many samples the diagnosis looks at.
EXAMINED = 100


class Campaign:
    """What is known of every sample, in the evaluation's own order, and how more comes to be known.

    Args:
        trial: how an attack is run on a batch and judged.
        crew: the processes.
        order: where each sample stands in the data.
        batch_size: how many samples at a time.
        progress: whether to show a bar, in the main process.
    """

    def __init__(self, trial: Trial, crew: Crew, order: Tensor, batch_size: int, progress: bool) -> None:
        self.trial, self.crew, self.order, self.batch_size = trial, crew, order, batch_size
        self.subjects = trial.subjects
        # tqdm itself reads the variable only once, when it is imported.
        silent = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
        self.quiet = silent or not progress or not crew.main
        self.journal: Journal | None = None
        self.notes: list[str] = []
        self.refused: dict[str, list[str]] = {}
        self.blind: list[str] = []
        count = len(self.subjects.y)
        self.fooled_by = torch.full((count,), -1)
        self.said = torch.full((count,), -1)
        self.distance = torch.full((count,), torch.inf, dtype=torch.float64)
        self.inputs: dict[int, Tensor] = {}

    def agree(self, digest: str) -> None:
        """Every process must have been given the same samples."""
        if len(set(self.crew.all(lambda: [digest]))) > 1:
            raise ValueError(
                "the processes were given different samples: give each the same ones (tensors, or a DataLoader without "
                "a DistributedSampler; with size=, also without shuffling); the evaluation divides them itself"
            )

    def probe(self) -> int:
        """Look at a few answers: how many classes there are, and whether the model draws at random."""
        rows = torch.arange(min(len(self.order), self.batch_size, 64))
        x, y, seeds = self.subjects.batch(rows)
        case = Case(self.trial.model, x, y, self.subjects.threat.rows(rows), self.subjects.bounds, seeds)
        with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
            torch.manual_seed(0)
            with torch.no_grad():
                logits = self.trial.model(x)
            subject.check_answers(logits, y)
            change = repeat_change(case)
        if self.crew.first(lambda: change > diagnosis.SAME):
            self.trial.votes = VOTES
            self.notes.append(
                f"The model draws at random: a sample counts as what most of {VOTES} answers say, without an attack "
                "and under it, with draws that the attack has not seen."
            )
        return int(logits.shape[1])

    def predict(self) -> Int[Tensor, " batch"]:
        """What the model says of every sample without an attack."""

        def ask() -> list[tuple[Tensor, Tensor]]:
            said = []
            for rows in self.crew.share(list(torch.arange(len(self.order)).split(self.batch_size))):
                x, _, seeds = self.subjects.batch(rows)
                with torch.no_grad(), seeded(seeds, x.device):
                    subject.check_finite(self.trial.model(x), self.order[rows])
                    said.append((rows, self.trial.predict(x).cpu()))
            return said

        predictions = torch.empty_like(self.subjects.y)
        for rows, said in self.crew.all(ask):
            predictions[rows] = said
        return predictions

    def diagnose(self) -> list[Finding]:
        """What the diagnosis of the main process finds."""
        subjects = self.subjects
        rows = torch.arange(len(subjects.y))
        if not isinstance(self.eps, tuple):  # its remedies are attacks for all the samples that it is given
            rows = subjects.seeds.argsort()[:EXAMINED]
        x, y, seeds = subjects.batch(rows)

        def find() -> list[Finding]:
            with seeded(seeds, subjects.device):
                settings: dict[str, Any] = dict(bounds=subjects.bounds, seeds=seeds, size=EXAMINED)
                return diagnosis.diagnose(self.trial.model, x, y, subjects.threat, **settings)

        findings = self.crew.first(find)
        self.trial.gradients = all(finding.name != "no gradient" for finding in findings)
        if not self.quiet:
            for finding in findings:
                tqdm.write(f"{finding.severity}: {finding.name}. {finding.evidence}", file=sys.stderr)
        return findings

    def prepare(self, attacks: Sequence[Attack], precision: torch.dtype | None) -> None:
        """A copy of the model that takes less time, where there is one: made once, not in every batch."""
        x, *_ = self.subjects.batch(torch.arange(min(len(self.order), self.batch_size)))
        batches = -(-len(self.order) // self.batch_size)
        passes = batches * sum(attack.passes for attack in attacks)
        self.trial.quick = prepared(self.trial.model, x, passes=passes, precision=precision)

    def open(
        self,
        folder: str | os.PathLike[str],
        model: Identity,
        digest: str,
        seed: int,
        precision: torch.dtype | None,
    ) -> None:
        """Begin a journal, or go on with one, where it can be told what the model and the threat are."""
        threat = identify(self.subjects.threat, "threat")
        if self._refused(model, "the model") or self._refused(threat, "the threat"):
            return
        settings = {
            "model": model.digest,
            "data": digest,
            "threat": f"{type(self.subjects.threat).__name__} {self.eps}",
            "norm": threat.digest,
            "bounds": str(self.subjects.bounds),
            "seed": str(seed),
            "precision": str(precision),
            "answers": str(self.trial.votes),
            "keep": str(self.trial.keep is None),
            **versions(),
        }
        self.journal = Journal(folder, settings)
        self.crew.first(self.journal.begin)

    def _refused(self, of: Identity, name: str) -> bool:
        """Whether nothing may be reused of something; it is said at once, and noted."""
        why = of.refusal(name)
        if why and why not in self.notes:
            self.notes.append(why)
            if self.crew.main:
                warnings.warn(why, stacklevel=4)
        return bool(why)

    def attack(self, named: dict[str, Attack], predictions: Int[Tensor, " batch"]) -> list[AttackResult]:
        """One attack after the other on what is left."""
        self.said = predictions.clone()
        right = predictions == self.subjects.y
        results = []
        total = int(right.sum()) * len(named)
        with tqdm(total=total, desc="attacking", unit=" sample-attacks", disable=self.quiet) as bar:
            for number, (name, attack) in enumerate(named.items()):
                rows = (right & (self.fooled_by < 0)).nonzero().squeeze(1)
                bar.set_description(name)
                bar.set_postfix(standing=len(rows), refresh=False)
                parts = self._run(name, attack, self.subjects.threat, rows, bar)
                for part in parts:
                    won = part.rows[part.fooled]
                    self.fooled_by[won] = number
                    self.said[won] = part.said[part.fooled]
                    self.distance[won] = part.distance[part.fooled]
                    self.inputs |= dict(zip(part.kept.tolist(), part.inputs, strict=True))
                results.append(self._result(name, attack, parts))
                bar.update(int(right.sum()) * (number + 1) - bar.n)
                bar.set_postfix(standing=len(rows) - results[-1].fooled)
        return results

    def _run(
        self,
        name: str,
        attack: Attack,
        threat: Threat,
        rows: Int[Tensor, " rows"],
        bar: tqdm[Any] | None = None,
    ) -> list[Part]:
        """An attack on some samples, batch by batch, those that the journal knows left out."""
        words = subject.choices(attack)
        salt = int.from_bytes(hashlib.sha256(words.encode()).digest()[:7], "big")
        parts: list[Part] = []
        journal, key = self.journal, ""
        if journal is not None:
            whole = identify(attack, name)
            key = whole.digest
            journal = None if self._refused(whole, name) else journal
        if journal is not None:
            known = self.crew.first(lambda: journal.read(key))
            # What another run left out may run in this one.
            known = [part for part in known if not (part.refused and self.trial.gradients)]
            parts = [part for part in known if bool(torch.isin(part.rows, rows).all())]
            done = torch.cat([rows[:0], *(part.rows for part in parts)])
            rows = rows[~torch.isin(rows, done)]
            if bar is not None:
                bar.update(len(done))

        def attempt(share: Tensor) -> Iterator[Part]:
            try:
                part = self.trial.run(name, attack, threat, share, salt)
            except torch.cuda.OutOfMemoryError:
                if len(share) == 1:
                    raise
                torch.cuda.empty_cache()
                for half in share.split(-(-len(share) // 2)):
                    yield from attempt(half)
            else:
                yield part

        def work() -> list[Part]:
            made = []
            shares = self.crew.share([batch for batch in rows.split(self.batch_size) if len(batch)])
            for part in (part for share in shares for part in attempt(share)):
                made.append(part)
                if journal is not None:
                    journal.write(key, part)
                if bar is not None:
                    room = int(bar.total or 0) - int(bar.n)
                    bar.update(max(0, min(len(part.rows) * self.crew.world, room)))
            return made

        return [*parts, *self.crew.all(work)]

    def _result(self, name: str, attack: Attack, parts: list[Part]) -> AttackResult:
        """What an attack did; what it could not do is noted."""
        tried = sum(len(part.rows) for part in parts if not part.refused)
        refused = [part.refused for part in parts if part.refused]
        if refused:
            self.refused.setdefault(refused[0], []).append(name)
        elif any(part.blind for part in parts):
            self.blind.append(name)
        return AttackResult(
            name=name,
            tried=tried,
            fooled=sum(int(part.fooled.sum()) for part in parts),
            seconds=sum((part.seconds for part in parts), 0.0),
            passes=sum(part.passes for part in parts),
            unverified=sum(int((part.claimed & ~part.fooled).sum()) for part in parts),
            settings=subject.choices(attack),
        )

    def said_of_attacks(self) -> list[str]:
        """What a reader should know, the same of several attacks said once."""
        said = [f"Left out: {', '.join(names)}. {why}" for why, names in self.refused.items()]
        if self.blind:
            said.append(
                f"{', '.join(self.blind)} met gradients that were zero or not finite on samples that they did not "
                "fool: masked gradients, which do not mean robustness."
            )
        return [*self.notes, *said]

    def curve(
        self, radii: list[float], right: Bool[Tensor, " batch"]
    ) -> tuple[tuple[float, Proportion], ...]:
        """Accuracy against eps. ``radii`` are multiples of eps."""
        eps = torch.as_tensor(self.subjects.threat.eps, dtype=torch.float64).cpu().expand(len(right))
        fell = torch.where(self.distance.isfinite(), self.distance / eps, torch.inf)
        points = []
        for factor in radii:
            if factor > 0 and factor != 1:
                # What withstood everything at eps is not tried again at less.
                left = right & (fell > factor) & ((fell <= 1) if factor < 1 else (fell > 1))
                threat = self.subjects.threat.scaled(factor)
                attack = PGD(threat, loss=margin_loss, bounds=self.subjects.bounds, early_stop=True)
                for part in self._run("PGD of the curve", attack, threat, left.nonzero().squeeze(1)):
                    won = part.rows[part.fooled]
                    fell[won] = torch.minimum(fell[won], torch.full_like(fell[won], factor))
            points.append((factor, Proportion(int((right & (fell > factor)).sum()), len(right))))
        own = isinstance(self.eps, tuple)
        scale = 1.0 if own else float(eps[0])
        return tuple((factor * scale, share) for factor, share in points)

    def as_given(self, values: Tensor) -> Tensor:
        """From the evaluation's own order into that of the data."""
        back = torch.empty_like(values)
        back[self.order] = values
        return back

    @property
    def eps(self) -> float | tuple[float, ...]:
        """The radius, or each sample's in the order of the data."""
        eps = torch.as_tensor(self.subjects.threat.eps, dtype=torch.float64)
        return tuple(self.as_given(eps.cpu()).tolist()) if eps.ndim else float(eps)
