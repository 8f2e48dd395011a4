"""How robust is a model? The worst case of many attacks, sample by sample, every success verified."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import torch
from torch import nn

from advnotes.attacks.attack import Attack
from advnotes.checks import check_bounds, check_count, check_device, check_label_range
from advnotes.evaluation import assemble, inputs, model_info, proof, suite
from advnotes.evaluation.batch import VOTES, BatchAttacker
from advnotes.evaluation.curve import curve_radii, measure_curve
from advnotes.evaluation.distributed import ProcessGroup
from advnotes.evaluation.names import unique_names
from advnotes.evaluation.probe import examine, probe
from advnotes.evaluation.report import Report
from advnotes.evaluation.runner import EvaluationRunner
from advnotes.identity import identify, parameters
from advnotes.model_state import GuardedModel, Model, attacked
from advnotes.seeds import stamp
from advnotes.threats import Bounds, Threat

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["evaluate"]


def evaluate(
    model: Model,
    data: object,
    threat: Threat,
    attacks: str | Sequence[Attack] = "standard",
    *,
    bounds: Bounds = (0.0, 1.0),
    size: int | None = None,
    batch_size: int | None = None,
    pad_batches: bool = False,
    seed: int = 0,
    diagnose: bool = True,
    curve: bool | Sequence[float] = True,
    certify: bool | float = False,
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

    The attacks run one after the other, each on the samples that are still robust. Every success is verified on the
    original model in the precision of the data, inside the threat and the bounds; a point at which the logits are not
    finite counts as a success. The share is an upper bound of the true one: an attack that was not tried may find more.
    Where masked gradients make it too high, the diagnosis says so, and its remedies join the attacks. ``certify``
    proves a lower bound beside it.

    A model that draws at random is asked several times, the class of most answers decides, no attack stops at its first
    success, and the suites average over the draws (:class:`~advnotes.attacks.EOT`).

    What happens to a sample depends on nothing but the sample and ``seed``: not on the order of the data, the number
    of processes (``torchrun``, ``accelerate launch``), which share the batches, nor, but for rounding, on the batch
    size. What a model draws by itself is seeded too, and depends on the batch size as well.

    Args:
        model: maps inputs in their natural range to logits ``[batch, classes]``, in eval mode. It is not changed. For
            one with a single logit see :class:`advnotes.nets.TwoLogits`.
        data: ``(x, y)`` as tensors or arrays, a dataset, or a DataLoader, generator or other iterable of batches of
            them. All samples are held in memory. Each process is given the same ones.
        threat: what the adversary may do: a ball of a finite radius, or of one for each sample. For the worst case at
            several radii, evaluate at each: ``[evaluate(model, data, Linf(eps)) for eps in radii]``.
        attacks: "standard" (AutoAttack), "plus" (the larger AutoAttack), "quick" (a first look, which overestimates
            robustness), or a sequence of untargeted attacks.
        bounds: the range of the input, two finite numbers.
        size: evaluate only the first so many samples.
        batch_size: how many samples at a time; None: by the size of an input, from 16 to 512. A batch that a GPU has no
            room for is halved.
        pad_batches: call the model with exactly ``batch_size`` rows each time, for one that was made for one batch
            size: smaller batches are filled with copies of a row.
        seed: what all randomness comes from.
        diagnose: look for masked gradients first (:func:`~advnotes.evaluation.diagnose`).
        curve: measure accuracy against eps too; a list gives the radii (where each sample has its own: multiples of
            it), each from 0 on. Except at eps it is measured by one attack, and is no worst case of all.
        certify: prove a lower bound too (:func:`~advnotes.defences.certify`), for the samples that no attack fooled:
            True for the usual effort, which does not depend on the machine's speed, or seconds for each process. The
            report then has the interval in which the robust accuracy on these samples lies, or says why the model
            cannot be bounded.
        folder: keep what was found there, batch by batch, and resume from it. The batch size, the attacks and the
            number of processes may be others than before. Results are reused where the model, the attack, their code
            and the rest are the same (:mod:`advnotes.identity`); where Python does not show what one of them is,
            nothing of it is kept, and a warning says so.
        keep: keep the perturbed inputs, as ``report.adversarial``; ``report.save_adversarial(path)`` writes them.
        name: what the report calls the model.
        precision: ``torch.bfloat16`` lets attacks compute in bfloat16, which is faster where the hardware has it; every
            success is still one of the model itself.
        device: where to compute; None: where the model is. A model that is elsewhere is copied.
        progress: show a bar, in the main process; the variable TQDM_DISABLE silences it too.
        accelerator: where to run; None finds it out.

    Returns:
        The :class:`Report`, the same in every process.

    Raises:
        ValueError: where the model, the data or the options are not as expected, before the attacks start; it says
            what, where, and how to mend it.
        RuntimeError: where an attack leaves the threat or the bounds, or the backward pass fails.
    """
    began = time.perf_counter()
    bounds = check_bounds(bounds)
    if batch_size is not None:
        batch_size = check_count("batch_size", batch_size)
    if pad_batches and batch_size is None:
        raise ValueError("pad_batches=True wants the batch size that the model was made for: batch_size=...")
    if precision not in (None, torch.bfloat16):
        raise ValueError(f"precision must be None or torch.bfloat16, got {precision}")
    model_info.check_model(model)
    x, y = inputs.read_data(data, size, bounds)
    inputs.check_radius(threat, len(x))
    wanted = suite.parse_attacks(attacks, threat, bounds, len(x))
    factors = curve_radii(curve, threat, bounds)
    proof.check_certify(certify)
    group = ProcessGroup(accelerator)
    model, place = _place(model, device, group)
    samples = inputs.prepare(x, y, threat, bounds, seed, place, group)
    if not isinstance(wanted, str):
        wanted = [attack.rows(samples.order) for attack in wanted]
    if batch_size is None:  # several for each process, and on a processor about what its caches hold
        several = -(-len(x) // (4 * group.world_size)) if group.world_size > 1 else len(x)
        batch_size = max(16, min(512, 2**21 // x[0].numel(), several))
    padded = model_info.PaddedModel(model, batch_size) if pad_batches else model
    with torch.inference_mode(False), attacked(model):
        data_hash = inputs.data_hash(samples)
        _check_same_data(group, data_hash)
        guarded = GuardedModel(padded, place)
        first = probe(guarded, samples, batch_size)
        classes, (randomised, has_gradient) = first.classes, group.on_main(lambda: first[1:])
        # Once it has been called, so that what it makes at its first call is there, and before it is called as often
        # as the batch size says, which a model may count.
        identity = identify(model, "model")
        check_label_range(samples.as_given(samples.y), classes)
        attacker = BatchAttacker(
            guarded,
            guarded,
            samples,
            votes=VOTES if randomised else 1,
            keep=None if keep else assemble.EXAMPLES,
        )
        runner = EvaluationRunner(attacker, group, batch_size, progress=progress, has_gradient=has_gradient)
        if randomised:
            runner.notes.append(
                f"The model draws at random: the class of a sample is that of most of {VOTES} answers, without an "
                "attack and under it, with draws that the attack has not seen."
            )
        why_not = proof.refusal(model, x[:1], threat, bounds, randomised) if certify is not False else ""
        if why_not:
            runner.say(f"note: nothing can be proved of this model: {why_not}")
        predictions = runner.predict()
        findings = group.on_main(lambda: examine(guarded, samples)) if diagnose else []
        attacker.skip_gradient_attacks = any(finding.name == "no gradient" for finding in findings)
        for finding in findings:
            runner.say(f"{finding.severity}: {finding.name}. {finding.evidence}")
        members = suite.build_suite(wanted, samples.threat, classes, bounds, randomised)
        remedies = [suite.configure(r, bounds, randomised) for finding in findings for r in finding.remedies]
        named = unique_names([*members, *remedies])
        notes = (
            *suite.deviations(wanted, samples.threat, classes, randomised),
            *suite.costs(wanted, classes),
        )
        for note in notes:
            runner.say(f"note: {note}")
        runner.notes += notes
        runner.prepare(list(named.values()), precision)
        if folder is not None:
            settings = {
                "data": data_hash,
                "seed": str(seed),
                "precision": str(precision),
                "padded": str(batch_size if pad_batches else None),
            }
            runner.resume_from(folder, identity, settings)
        results = runner.run(named, predictions)
        points, how = measure_curve(runner, factors, predictions == samples.y)
        proved = proof.prove(runner, model, certify, predictions, why_not) if certify is not False else None
        padding = batch_size if pad_batches else None
        options = assemble.options(attacks, padding, diagnose, curve, certify, precision)
        return Report(
            model=name or model_info.describe_model(model),
            parameters=model_info.count_parameters(model),
            model_hash=identity.digest,
            data_hash=data_hash,
            classes=classes,
            seed=seed,
            attacks=tuple(results),
            curve=points,
            curve_attack=how,
            findings=tuple(findings),
            diagnosed=diagnose,
            notes=(*runner.notes, *runner.attack_notes.lines()),
            examples=assemble.examples(runner, predictions, list(named)),
            proof=proved,
            options=options,
            environment=stamp(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=time.perf_counter() - began,
            adversarial=assemble.adversarial(runner) if keep else None,
            **assemble.verdicts(runner, predictions),
        )


def _check_same_data(group: ProcessGroup, data_hash: str) -> None:
    """Every process must have been given the same samples."""
    if len(set(group.gather(lambda: [data_hash]))) > 1:
        raise ValueError(
            "the processes were given different samples: give each the same ones (tensors, or a DataLoader without a "
            "DistributedSampler; with size=, also without shuffling); the evaluation divides them itself"
        )


def _place(
    model: Model, device: str | torch.device | None, group: ProcessGroup
) -> tuple[Model, torch.device]:
    """The model where it is to compute, and where that is; the caller's stays where it is."""
    first = next(parameters(model), None)
    here = torch.device("cpu") if first is None else first.device
    wanted = check_device(device) if device is not None else group.device or here
    if not isinstance(model, nn.Module) or wanted == here:
        return model, wanted if first is None or isinstance(model, nn.Module) else here
    return copy.deepcopy(model).to(wanted), wanted
