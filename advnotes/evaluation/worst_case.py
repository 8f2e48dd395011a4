"""The worst case of many attacks, sample by sample: stopped at will, shared by processes, nothing taken on trust."""

from __future__ import annotations

import copy
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from advnotes.attacks import PGD
from advnotes.attacks.attack import Attack, Model, attacked
from advnotes.evaluation import ensemble, samples, subject
from advnotes.evaluation.crew import Crew
from advnotes.evaluation.diagnosis import SAME
from advnotes.evaluation.diagnosis import diagnose as examined
from advnotes.evaluation.journal import Journal, Part
from advnotes.evaluation.probes import Case, repeat_change
from advnotes.evaluation.report import AttackResult, Example, Finding, Report
from advnotes.evaluation.trial import Subjects, Trial, seeded
from advnotes.fast import prepared
from advnotes.losses import margin_loss
from advnotes.metrics.accuracy import Proportion
from advnotes.seeds import stamp
from advnotes.threats import Bounds, Linf, Threat

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["evaluate"]

#: How many answers of a model that draws at random make one: the class of most of them.
VOTES = 21

#: The radii of the curve, as multiples of eps.
FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)

#: Examples in a report: so many samples, and at most so many numbers of input in all.
EXAMPLES, NUMBERS = 8, 2**19

CURVE = (
    "Up to eps: the perturbations that the attacks found, and PGD (margin loss, 20 steps) at each smaller radius on "
    "the samples that they fooled. Beyond eps: PGD (margin loss, 20 steps) at each radius on those that are left. A "
    "sample that falls at one radius has fallen at every larger one."
)


def evaluate(
    model: Model,
    data: object,
    threat: Threat,
    attacks: str | Sequence[Attack] = "standard",
    *,
    bounds: Bounds = (0.0, 1.0),
    size: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    diagnose: bool = True,
    curve: bool | Sequence[float] = True,
    folder: str | os.PathLike[str] | None = None,
    keep: bool = False,
    name: str | None = None,
    precision: torch.dtype | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
    accelerator: Accelerator | None = None,
) -> Report:
    r"""How robust is a classifier? The share of samples that no attack moves out of their class.

    .. math:: \frac1n\,\#\{i : f(x_i) = y_i \text{ and no attack } a \text{ has } f(a(x_i)) \neq y_i\}

    The attacks run one after the other, each on the samples that are still standing, which also leave an attack's
    run once they are fooled. Every success is looked at again on the untouched model in the precision of the data,
    inside the threat and the bounds. The share is an upper bound of the true one: an attack that was not tried may
    find more. Where masked gradients make it too high, the diagnosis says so, and its remedies join the attacks.

    What happens to a sample depends on nothing but the sample and ``seed``: not on the order of the data, the number
    of processes (``torchrun``, ``accelerate launch``), which share the batches, nor, but for rounding, on the batch
    size. What a model draws by itself is seeded too, and depends on the batch size as well.

    Args:
        model: maps inputs in their natural range to logits ``[batch, classes]``, in eval mode. It is not changed.
        data: ``(x, y)``, a dataset, or a DataLoader, generator or other iterable of batches of them. All samples are
            held in memory. Each process is given the same ones.
        threat: what the adversary may do: a ball of a finite radius, or of one for each sample.
        attacks: "standard" (AutoAttack), "plus" (AutoAttack with everything), "quick" (a first look: it overestimates
            robustness), or a sequence of untargeted attacks.
        bounds: the range of the input.
        size: evaluate only the first so many samples.
        batch_size: how many samples at a time; None: by the size of an input, from 16 to 512.
        seed: what all randomness comes from.
        diagnose: look for masked gradients first (:func:`~advnotes.evaluation.diagnose`).
        curve: measure accuracy against eps too; a list gives the radii (where each sample has its own: multiples of
            it), each from 0 on.
        folder: keep what was found there, batch by batch, and go on from what is there. The batch size, the attacks and
            the number of processes may be others than before.
        keep: keep the perturbed inputs, as ``report.adversarial``.
        name: what the report calls the model.
        precision: ``torch.bfloat16`` lets attacks compute in bfloat16, which is faster where the hardware has it; every
            success is still one of the model itself.
        device: where to compute; None: where the model is. A model that is elsewhere is copied.
        progress: show a bar, in the main process; the variable TQDM_DISABLE silences it too.
        accelerator: where to run, if it is not to be found out.

    Returns:
        The :class:`Report`, the same in every process.

    Raises:
        ValueError: where the model, the data or the choices are not as expected, before the attacks start; it says
            what, where, and how to mend it.
        RuntimeError: where an attack leaves the threat or the bounds.
    """
    began = time.perf_counter()
    if isinstance(batch_size, bool) or (batch_size is not None and batch_size < 1):
        raise ValueError(f"batch_size is a number of samples from 1, got {batch_size!r}")
    if precision not in (None, torch.bfloat16):
        raise ValueError(f"precision must be None or torch.bfloat16, got {precision}")
    subject.check_model(model)
    x, y = samples.read(data, size)
    samples.check_samples(x, bounds)
    samples.check_threat(threat, len(x))
    wanted = ensemble.asked(attacks, threat, bounds, len(x))
    radii = _radii(curve, threat, bounds)
    crew = Crew(accelerator)
    model, place = _placed(model, device, crew)

    # From here on in the evaluation's own order.
    order = samples.settled(x, y, threat)
    if not isinstance(wanted, str):
        wanted = [attack.rows(order) for attack in wanted]
    x, y, threat = x[order], y[order], threat.rows(order)
    seeds = samples.seeds_of(x, y, seed)
    subjects = Subjects(x, y, seeds, threat, bounds, place)
    if batch_size is None:  # several for each process, and on a processor about what its caches hold
        several = -(-len(x) // (4 * crew.world)) if crew.world > 1 else len(x)
        batch_size = max(16, min(512, 2**21 // x[0].numel(), several))
    with torch.inference_mode(False), attacked(model):
        return _Evaluation(
            Trial(model, model, subjects, keep=None if keep else EXAMPLES),
            crew,
            crew.first(lambda: order),  # each process may have been given another one
            batch_size,
            progress,
        ).report(
            attacks=wanted,
            diagnosed=diagnose,
            radii=radii,
            precision=precision,
            folder=folder,
            seed=seed,
            name=name,
            began=began,
        )


class _Evaluation:
    """An evaluation under way."""

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

    def report(
        self,
        attacks: str | Sequence[Attack],
        diagnosed: bool,
        radii: list[float],
        precision: torch.dtype | None,
        folder: str | os.PathLike[str] | None,
        seed: int,
        name: str | None,
        began: float,
    ) -> Report:
        """Do all of it."""
        subjects, model = self.subjects, self.trial.model
        digest = samples.digest(subjects.x, subjects.y, subjects.threat)
        self._agree(digest)
        classes = self._probe()
        members = ensemble.chosen(attacks, subjects.threat, classes, subjects.bounds)
        self.notes += ensemble.remarks(attacks, subjects.threat, classes)
        samples.check_labels(self._as_given(subjects.y), classes)
        predictions = self._predict()
        findings = self._diagnose() if diagnosed else []
        remedies = [ensemble.ready(remedy, subjects.bounds) for f in findings for remedy in f.remedies]
        named = ensemble.named([*members, *remedies])
        self._prepare(list(named.values()), precision)
        mark = subject.fingerprint(model)
        if folder is not None:
            self._open(folder, mark, digest, seed, precision)
        self.said = predictions.clone()
        right = predictions == subjects.y
        results = self._attack(named, right)
        curve = self._curve(radii, right)
        return Report(
            model=name or subject.called(model),
            parameters=subject.size(model),
            model_hash=mark,
            data_hash=digest,
            shape=tuple(subjects.x.shape[1:]),
            classes=classes,
            bounds=(float(subjects.bounds[0]), float(subjects.bounds[1])),
            norm=type(subjects.threat).__name__,
            eps=self._eps(),
            seed=seed,
            labels=tuple(self._as_given(subjects.y).tolist()),
            predictions=tuple(self._as_given(predictions).tolist()),
            attacked=tuple(self._as_given(self.said).tolist()),
            fooled_by=tuple(self._as_given(self.fooled_by).tolist()),
            attacks=tuple(results),
            curve=curve,
            curve_attack=CURVE if curve else "",
            findings=tuple(findings),
            diagnosed=diagnosed,
            notes=tuple(self._notes()),
            examples=self._examples(predictions, list(named)),
            environment=stamp(),
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=time.perf_counter() - began,
            adversarial=self._adversarial() if self.trial.keep is None else None,
        )

    # Before the attacks

    def _agree(self, digest: str) -> None:
        """Every process must have been given the same samples."""
        if len(set(self.crew.all(lambda: [digest]))) > 1:
            raise ValueError(
                "the processes were given different samples: give each the same ones (tensors, or a DataLoader without "
                "a DistributedSampler; with size=, also without shuffling); the evaluation divides them itself"
            )

    def _probe(self) -> int:
        """Look at a few answers: how many classes there are, and whether the model draws at random."""
        rows = torch.arange(min(len(self.order), self.batch_size, 64))
        x, y, seeds = self.subjects.batch(rows)
        with torch.no_grad():
            logits = self.trial.model(x)
        subject.check_answers(logits, y)
        case = Case(self.trial.model, x, y, self.subjects.threat.rows(rows), self.subjects.bounds, seeds)
        with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
            torch.manual_seed(0)
            change = repeat_change(case)
        if self.crew.first(lambda: change > SAME):
            self.trial.votes = VOTES
            self.notes.append(
                f"The model draws at random: a sample counts as what most of {VOTES} answers say, without an attack "
                "and under it, with draws that the attack has not seen."
            )
        return int(logits.shape[1])

    def _predict(self) -> Int[Tensor, " batch"]:
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

    def _diagnose(self) -> list[Finding]:
        """What the diagnosis of the main process finds."""
        subjects = self.subjects
        x, y, seeds = subjects.batch(torch.arange(len(subjects.y)))

        def find() -> list[Finding]:
            with seeded(seeds, subjects.device):
                return examined(self.trial.model, x, y, subjects.threat, bounds=subjects.bounds, seeds=seeds)

        findings = self.crew.first(find)
        self.trial.gradients = all(finding.name != "no gradient" for finding in findings)
        if not self.quiet:
            for finding in findings:
                tqdm.write(f"{finding.severity}: {finding.name}. {finding.evidence}", file=sys.stderr)
        return findings

    def _prepare(self, attacks: Sequence[Attack], precision: torch.dtype | None) -> None:
        """A copy of the model that takes less time, where there is one: made once, not in every batch."""
        x, *_ = self.subjects.batch(torch.arange(min(len(self.order), self.batch_size)))
        batches = -(-len(self.order) // self.batch_size)
        passes = batches * sum(attack.passes for attack in attacks)
        self.trial.quick = prepared(self.trial.model, x, passes=passes, precision=precision)

    def _open(
        self,
        folder: str | os.PathLike[str],
        mark: str,
        digest: str,
        seed: int,
        precision: torch.dtype | None,
    ) -> None:
        """Begin a journal, or go on with one."""
        settings = {
            "model": mark,
            "data": digest,
            "threat": f"{type(self.subjects.threat).__name__} {self._eps()}",
            "bounds": str(self.subjects.bounds),
            "seed": str(seed),
            "precision": str(precision),
            "answers": str(self.trial.votes),
            "keep": str(self.trial.keep is None),
        }
        self.journal = Journal(folder, settings)
        self.crew.first(self.journal.begin)

    # The attacks

    def _attack(self, named: dict[str, Attack], right: Bool[Tensor, " batch"]) -> list[AttackResult]:
        """One attack after the other on what is left."""
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
        if self.journal is not None:
            journal = self.journal
            known = self.crew.first(lambda: journal.read(words))
            parts = [part for part in known if bool(torch.isin(part.rows, rows).all())]
            done = torch.cat([rows[:0], *(part.rows for part in parts)])
            rows = rows[~torch.isin(rows, done)]
            if bar is not None:
                bar.update(len(done))

        def work() -> list[Part]:
            made = []
            for share in self.crew.share([batch for batch in rows.split(self.batch_size) if len(batch)]):
                made.append(self.trial.run(name, attack, threat, share, salt))
                if self.journal is not None:
                    self.journal.write(words, made[-1])
                if bar is not None:
                    bar.update(min(len(share) * self.crew.world, max(0, int(bar.total or 0) - int(bar.n))))
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

    # After the attacks

    def _curve(
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
        own = isinstance(self._eps(), tuple)
        scale = 1.0 if own else float(eps[0])
        return tuple((factor * scale, share) for factor, share in points)

    def _notes(self) -> list[str]:
        """What a reader should know, the same of several attacks said once."""
        said = [f"Left out: {', '.join(names)}. {why}" for why, names in self.refused.items()]
        if self.blind:
            said.append(
                f"{', '.join(self.blind)} met gradients that were zero or not finite on samples that they did not "
                "fool: masked gradients, which do not mean robustness."
            )
        return [*self.notes, *said]

    def _examples(self, predictions: Tensor, names: list[str]) -> tuple[Example, ...]:
        """The first few samples that fell, in the evaluation's own order, which is as good as drawn."""
        fallen = (self.fooled_by >= 0).nonzero().squeeze(1).tolist()
        room = max(1, min(EXAMPLES, NUMBERS // (2 * self.subjects.x[0].numel())))
        return tuple(
            Example(
                index=int(self.order[row]),
                label=int(self.subjects.y[row]),
                prediction=int(predictions[row]),
                attacked=int(self.said[row]),
                attack=names[int(self.fooled_by[row])],
                x=self.subjects.x[row].clone(),
                x_adv=self.inputs[row].clone(),
            )
            for row in fallen[:room]
        )

    def _adversarial(self) -> Float[Tensor, "batch ..."]:
        """Every input, where it was fooled at the point that fooled it, in the order in which they came."""
        points = self.subjects.x.clone()
        for row, point in self.inputs.items():
            points[row] = point
        return self._as_given(points)

    def _as_given(self, values: Tensor) -> Tensor:
        """From the evaluation's own order into that of the data."""
        back = torch.empty_like(values)
        back[self.order] = values
        return back

    def _eps(self) -> float | tuple[float, ...]:
        eps = torch.as_tensor(self.subjects.threat.eps, dtype=torch.float64)
        return tuple(self._as_given(eps.cpu()).tolist()) if eps.ndim else float(eps)


def _radii(curve: bool | Sequence[float], threat: Threat, bounds: Bounds) -> list[float]:
    """The radii of the curve as multiples of eps, in ascending order, from 0.

    Raises:
        ValueError: where a radius is negative or not finite.
    """
    eps = torch.as_tensor(threat.eps, dtype=torch.float64)
    largest = float(eps.max())
    if curve is False or largest == 0:
        return []
    if curve is True:
        factors = [0.0, *FACTORS]
    else:
        scale = 1.0 if eps.ndim else largest
        factors = [float(radius) / scale for radius in curve]
        if not all(0 <= factor < float("inf") for factor in factors):
            raise ValueError(f"curve gives radii from 0 on, got {list(curve)}")
        # What was meant as eps is eps, however it was rounded.
        factors = [0.0, 1.0, *(1.0 if abs(factor - 1) < 1e-6 else factor for factor in factors)]
    if isinstance(threat, Linf):  # beyond it there is nothing more to change
        factors = [factor for factor in factors if factor * largest <= bounds[1] - bounds[0]]
    return sorted(set(factors))


def _placed(model: Model, device: str | torch.device | None, crew: Crew) -> tuple[Model, torch.device]:
    """The model where it is to compute, and where that is; the caller's stays where it is."""
    parameters = [values for module in subject.modules(model).values() for values in module.parameters()]
    here = parameters[0].device if parameters else torch.device("cpu")
    wanted = torch.device(device) if device is not None else crew.device or here
    if not isinstance(model, nn.Module) or wanted == here:
        return model, wanted if not parameters or isinstance(model, nn.Module) else here
    return copy.deepcopy(model).to(wanted), wanted
