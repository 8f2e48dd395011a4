"""One attack on one batch: the attack is run, and every success is verified on the original model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.attacks.parts.boundary import ManyClassesWarning
from advnotes.evaluation.inputs import EvaluationData
from advnotes.evaluation.masking.measurements import no_gradient
from advnotes.gradients import MaskedGradientWarning
from advnotes.model_state import (
    NO_CLASS,
    GuardedModel,
    Model,
    NonFiniteLogitsWarning,
    PassCounter,
    prediction,
)
from advnotes.threats import Threat

__all__ = ["VOTES", "BatchAttacker", "BatchResult"]

#: How many answers of a model that draws at random decide its class: that of most of them.
VOTES = 21


@dataclass(frozen=True)
class BatchResult:
    """What one attack did to one batch.

    Args:
        rows: which samples, by their place in the canonical order.
        predictions: the model's class of each sample under attack; see :data:`~advnotes.model_state.NO_CLASS`.
        fooled: whether the attack succeeded, verified.
        claimed: whether it seemed to succeed.
        distances: the norm of each perturbation.
        kept_rows: which of ``rows`` have their perturbed input kept.
        points: those inputs.
        seconds: the time that it took.
        passes: how many samples went forward through the model.
        zero_gradient: whether gradients were zero or not finite on samples that were not fooled.
        skipped: why the attack cannot be used on this model; empty where it can.
    """

    rows: Int[Tensor, " batch"]
    predictions: Int[Tensor, " batch"]
    fooled: Bool[Tensor, " batch"]
    claimed: Bool[Tensor, " batch"]
    distances: Float[Tensor, " batch"]
    kept_rows: Int[Tensor, " kept"]
    points: Shaped[Tensor, "kept ..."]
    seconds: float
    passes: int
    zero_gradient: bool
    skipped: str = ""

    @staticmethod
    def skip(rows: Tensor, x: Tensor, seconds: float, passes: int, why: str) -> BatchResult:
        """A batch that stays as it was, since the attack cannot be used."""
        none = torch.zeros(len(rows), dtype=torch.bool)
        distances = torch.zeros(len(rows), dtype=torch.float64)
        kept = rows[:0], x[:0].cpu()
        return BatchResult(
            rows, torch.full_like(rows, NO_CLASS), none, none, distances, *kept, seconds, passes, True, why
        )


@dataclass
class BatchAttacker:
    """Runs attacks on batches and verifies every success on the original model.

    Args:
        model: the original one, which decides.
        fast_model: what attacks are run on: the same, or a copy that takes less time.
        data: the samples.
        votes: how many answers of the model decide a class: more than one where it draws at random.
        keep: how many perturbed inputs of a batch to keep; None is all that fooled.
        skip_gradient_attacks: leave out an attack that finds the model without gradients, instead of raising.
    """

    model: GuardedModel
    fast_model: Model
    data: EvaluationData
    votes: int = 1
    keep: int | None = 8
    skip_gradient_attacks: bool = False

    def predict(self, x: Float[Tensor, "batch ..."]) -> Int[Tensor, " batch"]:
        """The class by the original model, :data:`NO_CLASS` where its logits are not finite.

        Where the model draws at random: the class of most of ``votes`` answers.
        """
        if self.votes == 1:
            return _class_of(self.model, x)
        answers = torch.stack([_class_of(self.model, x) for _ in range(self.votes)])
        counts = (answers[:, None] == answers).sum(dim=0)  # how many answers are the same as each
        most = counts == counts.amax(dim=0)
        return answers.masked_fill(~most, torch.iinfo(answers.dtype).max).amin(dim=0)

    def run(
        self, name: str, attack: Attack, threat: Threat, rows: Int[Tensor, " rows"], salt: int = 0
    ) -> BatchResult:
        """Attack some samples and verify the result.

        Args:
            name: of the attack.
            attack: made for all samples.
            threat: what it may do to each of all samples.
            rows: which samples.
            salt: added to the samples' seeds.

        Raises:
            RuntimeError: where the attack leaves the threat or the bounds, or returns something else than inputs.
        """
        began = time.perf_counter()
        x, y, seeds = self.data.batch(rows)
        attack, threat = attack.rows(rows), threat.rows(rows)
        counted = PassCounter(self.fast_model if attack.fast else self.model)
        with seeded(seeds, self.data.device), record_masking_warnings() as masked:
            # Other draws for each attack, so that they do not all begin at the same points.
            seeds = seeds + salt
            try:
                point = attack(counted, x, y, seeds)
            except (ValueError, RuntimeError) as error:
                why = no_gradient(error) if self.skip_gradient_attacks else None
                if why is None:
                    raise
                return BatchResult.skip(rows, x, time.perf_counter() - began, counted.passes, why)
            distances = self._distances(name, point, x, threat)
            predictions = self.predict(point)
            claimed = predictions != y
            if counted.model is not self.model or self.votes > 1:
                claimed = _class_of(counted, point) != y
            # Where only the copy is fooled, the model itself is attacked.
            undone = (claimed & (predictions == y)).nonzero().squeeze(1)
            if len(undone) and counted.model is not self.model:
                counted.model = self.model
                again = attack.rows(undone)(counted, x[undone], y[undone], seeds[undone])
                distances[undone] = self._distances(name, again, x[undone], threat.rows(undone))
                point = point.index_copy(0, undone, again)
                predictions[undone] = self.predict(again)
        fooled = predictions != y
        kept = fooled.nonzero().squeeze(1).cpu()[: self.keep]
        return BatchResult(
            rows=rows,
            predictions=predictions.cpu(),
            fooled=fooled.cpu(),
            claimed=claimed.cpu(),
            distances=distances.double().cpu(),
            kept_rows=rows[kept],
            points=point.cpu()[kept],
            seconds=time.perf_counter() - began,
            passes=counted.passes,
            zero_gradient=bool(masked),
        )

    def run_in_halves(
        self, name: str, attack: Attack, threat: Threat, rows: Int[Tensor, " rows"], salt: int
    ) -> Iterator[BatchResult]:
        """As :meth:`run`, in halves where the GPU has no room for the batch."""
        try:
            part = self.run(name, attack, threat, rows, salt)
        except torch.cuda.OutOfMemoryError:
            if len(rows) == 1:
                raise
            torch.cuda.empty_cache()
            for half in rows.split(-(-len(rows) // 2)):
                yield from self.run_in_halves(name, attack, threat, half, salt)
        else:
            yield part

    def _distances(self, name: str, point: object, x: Tensor, threat: Threat) -> Tensor:
        """The norm of each perturbation; an attack that leaves its threat is an error that names it."""
        if not isinstance(point, Tensor) or point.shape != x.shape or point.dtype != x.dtype:
            returned = (
                f"{point.dtype} of shape {tuple(point.shape)}"
                if isinstance(point, Tensor)
                else type(point).__name__
            )
            raise RuntimeError(
                f"the attack {name} returned {returned} for inputs in {x.dtype} of shape {tuple(x.shape)}: an attack "
                "returns inputs like those that it gets"
            )
        lowest, highest = self.data.bounds
        # Every coordinate may have been rounded once, and a norm adds that up.
        unit = torch.finfo(x.dtype).eps * max(abs(lowest), abs(highest))
        if not bool(
            point.isfinite().all() & (point >= lowest - unit).all() & (point <= highest + unit).all()
        ):
            raise RuntimeError(
                f"the attack {name} left the range of the input, [{lowest:g}, {highest:g}]: it returned values from "
                f"{float(point.min()):.4g} to {float(point.max()):.4g}. Clip them to its bounds."
            )
        distances = threat.norm((point - x).double())
        rounding = threat.norm(torch.full_like(x[:1], unit, dtype=torch.float64))
        eps = torch.as_tensor(threat.eps, dtype=torch.float64, device=x.device)
        over = distances - (eps * (1 + 1e-5) + rounding)
        if bool((over > 0).any()):
            worst = int(over.argmax())
            raise RuntimeError(
                f"the attack {name} left the threat: a perturbation has {type(threat).__name__} norm "
                f"{float(distances[worst]):.6g}, and eps is {float(eps.expand_as(over)[worst]):.6g}. Give it the "
                "threat of the evaluation, or mend its projection."
            )
        return distances.minimum(eps)


def _class_of(model: Model, x: Tensor) -> Int[Tensor, " batch"]:
    with torch.no_grad():
        return prediction(model(x))


@contextmanager
def seeded(seeds: Int[Tensor, " batch"], device: torch.device) -> Iterator[None]:
    """Seed the global generators by the samples, for models that draw, and put them back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(seeds[0]) & (2**63 - 1))
        yield


@contextmanager
def record_masking_warnings() -> Iterator[list[str]]:
    """Collect the attacks' warnings of masked gradients, instead of showing one for each batch."""
    recorded: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MaskedGradientWarning)
        # The first is said before the first batch, the second in a note.
        warnings.simplefilter("ignore", ManyClassesWarning)
        warnings.simplefilter("ignore", NonFiniteLogitsWarning)
        yield recorded
    for warning in caught:
        if issubclass(warning.category, MaskedGradientWarning):
            recorded.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
