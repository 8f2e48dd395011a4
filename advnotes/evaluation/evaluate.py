"""How robust is a model? The worst case of many attacks, sample by sample, with nothing taken on trust."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.attacks.attack import Attack
from advnotes.evaluation import ensemble, samples, subject
from advnotes.evaluation.campaign import Campaign
from advnotes.evaluation.crew import Crew
from advnotes.evaluation.report import Example, Report
from advnotes.evaluation.trial import Subjects, Trial
from advnotes.identity import identify, modules
from advnotes.model_state import Model, attacked
from advnotes.seeds import stamp
from advnotes.threats import Bounds, Linf, Threat

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["evaluate"]

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
        attacks: "standard" (AutoAttack), "plus" (the larger AutoAttack), "quick" (a first look, which overestimates
            robustness), or a sequence of untargeted attacks.
        bounds: the range of the input.
        size: evaluate only the first so many samples.
        batch_size: how many samples at a time; None: by the size of an input, from 16 to 512. A batch that a GPU has no
            room for is halved.
        seed: what all randomness comes from.
        diagnose: look for masked gradients first (:func:`~advnotes.evaluation.diagnose`).
        curve: measure accuracy against eps too; a list gives the radii (where each sample has its own: multiples of
            it), each from 0 on.
        folder: keep what was found there, batch by batch, and go on from what is there. The batch size, the attacks and
            the number of processes may be others than before. What is there is used where the model, the attack, their
            code and the rest are the same (:mod:`advnotes.identity`); where Python does not show what one
            of them is, nothing of it is kept, and a warning says so.
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
        campaign = Campaign(
            Trial(model, model, subjects, keep=None if keep else EXAMPLES),
            crew,
            crew.first(lambda: order),  # each process may have been given another one
            batch_size,
            progress,
        )
        digest = samples.digest(x, y, threat)
        campaign.agree(digest)
        classes = campaign.probe()
        # Once it has been called, so that what it makes at its first call is there, and before it is called as often
        # as the batch size says, which a model may count.
        whole = identify(model, "model")
        samples.check_labels(campaign.as_given(y), classes)
        members = ensemble.chosen(wanted, threat, classes, bounds)
        campaign.notes += ensemble.remarks(wanted, threat, classes)
        predictions = campaign.predict()
        findings = campaign.diagnose() if diagnose else []
        remedies = [ensemble.ready(remedy, bounds) for finding in findings for remedy in finding.remedies]
        named = ensemble.named([*members, *remedies])
        campaign.prepare(list(named.values()), precision)
        if folder is not None:
            campaign.open(folder, whole, digest, seed, precision)
        results = campaign.attack(named, predictions)
        points = campaign.curve(radii, predictions == y)
        return Report(
            model=name or subject.called(model),
            parameters=subject.size(model),
            model_hash=whole.digest,
            data_hash=digest,
            shape=tuple(x.shape[1:]),
            classes=classes,
            bounds=(float(bounds[0]), float(bounds[1])),
            norm=type(threat).__name__,
            eps=campaign.eps,
            seed=seed,
            labels=tuple(campaign.as_given(y).tolist()),
            predictions=tuple(campaign.as_given(predictions).tolist()),
            attacked=tuple(campaign.as_given(campaign.said).tolist()),
            fooled_by=tuple(campaign.as_given(campaign.fooled_by).tolist()),
            attacks=tuple(results),
            curve=points,
            curve_attack=CURVE if points else "",
            findings=tuple(findings),
            diagnosed=diagnose,
            notes=tuple(campaign.said_of_attacks()),
            examples=_examples(campaign, predictions, list(named)),
            environment=stamp(),
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=time.perf_counter() - began,
            adversarial=_adversarial(campaign) if keep else None,
        )


def _examples(campaign: Campaign, predictions: Tensor, names: list[str]) -> tuple[Example, ...]:
    """The first few samples that fell, in the evaluation's own order, which is as good as drawn."""
    x, y = campaign.subjects.x, campaign.subjects.y
    room = max(1, min(EXAMPLES, NUMBERS // (2 * x[0].numel())))
    return tuple(
        Example(
            index=int(campaign.order[row]),
            label=int(y[row]),
            prediction=int(predictions[row]),
            attacked=int(campaign.said[row]),
            attack=names[int(campaign.fooled_by[row])],
            x=x[row].clone(),
            x_adv=campaign.inputs[row].clone(),
        )
        for row in (campaign.fooled_by >= 0).nonzero().squeeze(1).tolist()[:room]
    )


def _adversarial(campaign: Campaign) -> Float[Tensor, "batch ..."]:
    """Every input, where it was fooled at the point that fooled it, in the order in which they came."""
    points = campaign.subjects.x.clone()
    for row, point in campaign.inputs.items():
        points[row] = point
    return campaign.as_given(points)


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
    parameters = [values for module in modules(model).values() for values in module.parameters()]
    here = parameters[0].device if parameters else torch.device("cpu")
    wanted = torch.device(device) if device is not None else crew.device or here
    if not isinstance(model, nn.Module) or wanted == here:
        return model, wanted if not parameters or isinstance(model, nn.Module) else here
    return copy.deepcopy(model).to(wanted), wanted
