"""One attack on one batch, and the judgement of what it brought back: nothing is believed that is not looked at."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from advnotes.ascend import MaskedGradientWarning
from advnotes.attacks.attack import Attack
from advnotes.evaluation.journal import Part
from advnotes.model_state import Model
from advnotes.threats import Bounds, Threat

__all__ = ["Counted", "Subjects", "Trial"]


class Counted:
    """A model that counts how many samples went forward through it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.passes = 0

    def __call__(self, x: Tensor) -> Tensor:
        """The model's answer."""
        self.passes += len(x)
        return self.model(x)


@dataclass(frozen=True)
class Subjects:
    """Samples in an evaluation's own order.

    Args:
        x, y: samples and labels, on the CPU.
        seeds: one for each sample.
        threat: what the adversary may do to each.
        bounds: the range of the input.
        device: where batches go.
    """

    x: Float[Tensor, "batch ..."]
    y: Int[Tensor, " batch"]
    seeds: Int[Tensor, " batch"]
    threat: Threat
    bounds: Bounds
    device: torch.device

    def batch(self, rows: Int[Tensor, " rows"]) -> tuple[Tensor, Tensor, Tensor]:
        """Some samples, their labels and their seeds, on the device."""
        x, y, seeds = (values[rows].to(self.device) for values in (self.x, self.y, self.seeds))
        return x, y, seeds


@dataclass
class Trial:
    """How attacks are run and judged.

    Args:
        model: the untouched one, which judges.
        quick: what attacks ask: the same, or a copy that takes less time.
        subjects: the samples.
        votes: how many answers of the model make one: more than one where it draws at random.
        keep: how many perturbed inputs of a batch to keep; None is all that fooled.
        gradients: whether the model has gradients. Where it has none, an attack that wants them is left out.
    """

    model: Model
    quick: Model
    subjects: Subjects
    votes: int = 1
    keep: int | None = 8
    gradients: bool = True

    def predict(self, x: Float[Tensor, "batch ..."]) -> Int[Tensor, " batch"]:
        """The class that the untouched model says: that of most of its answers, where it gives several."""
        with torch.no_grad():
            if self.votes == 1:
                return self.model(x).argmax(dim=1)
            counts: Tensor | int = 0
            for _ in range(self.votes):
                logits = self.model(x)
                counts = counts + F.one_hot(logits.argmax(dim=1), logits.shape[1])
        assert isinstance(counts, Tensor)
        return counts.argmax(dim=1)

    def run(
        self, name: str, attack: Attack, threat: Threat, rows: Int[Tensor, " rows"], salt: int = 0
    ) -> Part:
        """Attack some samples and judge the result.

        Args:
            name: what the attack is called.
            attack: made for all samples.
            threat: what it may do to each of all samples.
            rows: which samples.
            salt: added to the samples' seeds.

        Raises:
            RuntimeError: where the attack leaves the threat or the bounds, or returns something else than inputs.
        """
        began = time.perf_counter()
        x, y, seeds = self.subjects.batch(rows)
        own, threat = attack.rows(rows), threat.rows(rows)
        counted = Counted(self.quick if attack.fast else self.model)
        with seeded(seeds, self.subjects.device), blind_spots() as spots:
            # Draws of its own for each attack, so that they do not all begin at the same points.
            seeds = seeds + salt
            try:
                point = own(counted, x, y, seeds)
            except (ValueError, RuntimeError) as error:
                if self.gradients or isinstance(error, torch.cuda.OutOfMemoryError):
                    raise
                return _refusal(rows, x, time.perf_counter() - began, counted.passes, error)
            distance = self._distance(name, point, x, threat)
            said = self.predict(point)
            claimed = said != y
            if counted.model is not self.model or self.votes > 1:
                with torch.no_grad():
                    claimed = counted(point).argmax(dim=1) != y
            # What only the copy takes for a success is attacked once more, on the model itself.
            undone = (claimed & (said == y)).nonzero().squeeze(1)
            if len(undone) and counted.model is not self.model:
                counted.model = self.model
                again = own.rows(undone)(counted, x[undone], y[undone], seeds[undone])
                distance[undone] = self._distance(name, again, x[undone], threat.rows(undone))
                point = point.index_copy(0, undone, again)
                said[undone] = self.predict(again)
        fooled = said != y
        kept = fooled.nonzero().squeeze(1).cpu()[: self.keep]
        return Part(
            rows=rows,
            said=said.cpu(),
            fooled=fooled.cpu(),
            claimed=claimed.cpu(),
            distance=distance.double().cpu(),
            kept=rows[kept],
            inputs=point.cpu()[kept],
            seconds=time.perf_counter() - began,
            passes=counted.passes,
            blind=bool(spots),
        )

    def _distance(self, name: str, point: object, x: Tensor, threat: Threat) -> Tensor:
        """The norm of each perturbation; an attack that cheats is an error that names it."""
        if not isinstance(point, Tensor) or point.shape != x.shape or point.dtype != x.dtype:
            said = (
                f"{point.dtype} of shape {tuple(point.shape)}"
                if isinstance(point, Tensor)
                else type(point).__name__
            )
            raise RuntimeError(
                f"the attack {name} returned {said} for inputs in {x.dtype} of shape {tuple(x.shape)}: an attack "
                "returns inputs like those that it gets"
            )
        lowest, highest = self.subjects.bounds
        # Every coordinate may have been rounded once, and a norm adds that up.
        unit = torch.finfo(x.dtype).eps * max(abs(lowest), abs(highest))
        if not bool(
            point.isfinite().all() & (point >= lowest - unit).all() & (point <= highest + unit).all()
        ):
            raise RuntimeError(
                f"the attack {name} left the range of the input, [{lowest:g}, {highest:g}]: it returned values from "
                f"{float(point.min()):.4g} to {float(point.max()):.4g}. Clip them to its bounds."
            )
        distance = threat.norm((point - x).double())
        rounding = threat.norm(torch.full_like(x[:1], unit, dtype=torch.float64))
        eps = torch.as_tensor(threat.eps, dtype=torch.float64, device=x.device)
        over = distance - (eps * (1 + 1e-5) + rounding)
        if bool((over > 0).any()):
            worst = int(over.argmax())
            raise RuntimeError(
                f"the attack {name} left the threat: a perturbation has {type(threat).__name__} norm "
                f"{float(distance[worst]):.6g}, and eps is {float(eps.expand_as(over)[worst]):.6g}. Give it the threat "
                "of the evaluation, or mend its projection."
            )
        return distance.minimum(eps)


@contextmanager
def seeded(seeds: Int[Tensor, " batch"], device: torch.device) -> Iterator[None]:
    """The global generators begin at what the samples are, for models that draw, and are put back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(seeds[0]) & (2**63 - 1))
        yield


@contextmanager
def blind_spots() -> Iterator[list[str]]:
    """Collect what attacks say of gradients that lead nowhere, instead of a warning for each batch."""
    spots: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MaskedGradientWarning)
        yield spots
    for warning in caught:
        if issubclass(warning.category, MaskedGradientWarning):
            spots.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _refusal(rows: Tensor, x: Tensor, seconds: float, passes: int, error: Exception) -> Part:
    """A batch that stays as it was, since the attack cannot be used."""
    none = torch.zeros(len(rows), dtype=torch.bool)
    return Part(
        rows=rows,
        said=torch.full_like(rows, -1),
        fooled=none,
        claimed=none,
        distance=torch.zeros(len(rows), dtype=torch.float64),
        kept=rows[:0],
        inputs=x[:0].cpu(),
        seconds=seconds,
        passes=passes,
        blind=True,
        refused=str(error).splitlines()[0] if str(error) else type(error).__name__,
    )
