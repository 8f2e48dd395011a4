"""Masked gradients: does a model resist the attack, or does it only keep the attack from seeing where to go?"""

import dataclasses
import warnings
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.ascend import MaskedGradientWarning
from advnotes.attacks import EOT, FGSM, PGD, Model, NormAttack, Square
from advnotes.checks import check_inputs, check_logits
from advnotes.evaluation import probes
from advnotes.evaluation.probes import Case
from advnotes.evaluation.report import Finding
from advnotes.losses import cross_entropy, margin_loss
from advnotes.model_state import attacked
from advnotes.seeds import Source, own_seeds
from advnotes.threats import L1, Bounds, Linf, Threat

__all__ = ["diagnose"]

#: By how much of their spread logits must differ to be called different. Sums in another order, as on a GPU or in
#: a batch of another size, make millionths; reduced precision in convolutions up to a few ten-thousandths.
SAME = 1e-3

#: Share of the gradients that may be zero or not finite. Of the networks in the zoo none is; a dead unit or a
#: pixel at a kink takes single samples, a defence that hides its gradient takes most.
BLIND = 0.05

#: How far autograd and differences may be apart (0 equal, 1 unrelated). Measured: 0.02 on networks with rectifiers,
#: where a difference may cross a kink; from 0.5 on where something is rounded or the backward pass pretends.
APART = 0.25

#: By which share of the samples, and at least how many, one attack must lead another that should be the stronger.
#: Three samples in a hundred come and go with the seeds; the defences that this is about give ten and more.
LEAD, LEAD_AT_LEAST = 0.05, 3

#: The same for one loss before another in one attack: on a linear model the two differ by 5 points honestly.
LOSS_LEAD = 0.1

#: Share of the coordinates that a step in L1 moves at least. Twenty steps of one percent do not get far, and the
#: random search would then beat them on any network.
L1_SHARE = 0.1

#: Share of the samples that may survive where every picture is allowed. The networks in the zoo have none.
SURVIVE = 0.05

#: Share of equal rows of logits, to the last bit, after an attack: two inputs have two answers. A network whose
#: rectifiers are all closed gives one too, but comes to it without a jump: this share of the way within a few
#: thousandths of the line from the input.
TWINS, JUMP = 0.1, 0.5

#: Steps and queries: enough for a network that hides nothing, and less than a hundredth of a full evaluation.
STEPS, QUERIES = 20, 300


def diagnose(
    model: Model,
    x: Float[Tensor, "batch ..."],
    y: Int[Tensor, " batch"],
    threat: Threat,
    *,
    bounds: Bounds = (0.0, 1.0),
    seeds: Source = None,
    size: int = 100,
) -> list[Finding]:
    """Look for what makes a model seem robust without being so (Athalye et al. 2018, section 3.1).

    The model is asked twice, in halves, and about noise; its gradients are counted and compared with finite
    differences; and attacks are run whose order of strength is known: many steps before one, gradients before
    none, a larger ball before a smaller. Where the order is wrong, the gradients are. An empty list does not
    mean that a model is robust: it means that these attacks were not blinded in a way that is known here.

    Args:
        model: maps inputs to logits ``[batch, classes]``; it is examined in eval mode.
        x, y: inputs within ``bounds`` and their classes.
        threat: what the adversary may do.
        bounds: the range of the input.
        seeds: see :data:`advnotes.seeds.Source`.
        size: how many samples to look at: those with the lowest seeds, so that the order of the data does not matter.

    Returns:
        What was found, in the order in which it matters. ``remedies`` are attacks that see through it.

    Raises:
        ValueError: where the input, the labels, the logits or ``size`` are not as expected.
    """
    check_inputs(x, y, bounds)
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    own = own_seeds(seeds, x)
    rows = own.argsort()[:size]
    with torch.inference_mode(False), warnings.catch_warnings(), attacked(model):
        warnings.simplefilter("ignore", MaskedGradientWarning)  # what it says, a finding says in full
        case = Case(model, x[rows].detach(), y[rows].clone(), threat.rows(rows), bounds, own[rows])
        with torch.no_grad():
            check_logits(model(case.x), case.y)
        found = list(_answers(case, threat))
        names = {finding.name for finding in found}
        if "input ignored" in names:
            return found
        found += _gradients(case, threat, differences="randomness" not in names)
        names |= {finding.name for finding in found}
        steady = not names & {"randomness", "batch dependence"}
        found += [
            finding
            for finding in _attacks(case, threat, gradients="no gradient" not in names, steady=steady)
            if finding.name not in names
        ]
    return found


def _answers(case: Case, threat: Threat) -> Iterator[Finding]:
    """Is there one answer for each input, and does the input have a part in it?"""
    change = probes.repeat_change(case)
    if change > SAME:
        yield Finding(
            name="randomness",
            severity="masking",
            evidence=f"The same inputs, asked twice: a logit changes by up to {change:.1%} of the logits' spread.",
            meaning="The model draws at test time. One gradient is that of one draw, and a single answer "
            "may be luck: "
            "an attack that climbs one draw says little about the next.",
            done="The evaluation adds an attack on the mean over draws (EOT of PGD) and lets most of "
            "several answers decide.",
            remedies=(EOT(PGD(threat, steps=2 * STEPS, loss=margin_loss, bounds=case.bounds)),),
        )
    elif (change := probes.batch_change(case)) > SAME:
        yield Finding(
            name="batch dependence",
            severity="warning",
            evidence=f"With half of the batch left out, a logit changes by up to {change:.1%} of the logits' spread.",
            meaning="An answer depends on which other samples are asked about at the same time (batch "
            "statistics?), so "
            "that no sample has a robustness of its own.",
            done="Use fixed statistics, or read the result as one for this batch size and order.",
        )
    change = probes.input_change(case)
    if change <= torch.finfo(case.x.dtype).eps:
        yield Finding(
            name="input ignored",
            severity="masking",
            evidence=f"Over {len(case.x)} inputs and as many of pure noise, the logits differ by {change:.1g} of "
            "their spread.",
            meaning="The answer does not depend on the input. What is right is right by the share of that class, and "
            "no attack can change it: accuracy under attack is not robustness here.",
            done="Nothing was attacked in the diagnosis. Check that the model passes its input on.",
        )


def _gradients(case: Case, threat: Threat, differences: bool) -> Iterator[Finding]:
    """Are there gradients, and are they those of the function that the model computes?"""
    blind = (_square(case, threat),)
    try:
        seen, full = probes.slopes(case, margin_loss), probes.slopes(case, cross_entropy)
    except (ValueError, RuntimeError) as error:
        # The model has already answered without a gradient, so that it is the gradient which fails.
        yield Finding(
            name="no gradient",
            severity="masking",
            evidence=f"The loss has no gradient with respect to the input: {_first_sentence(error)}.",
            meaning="Part of the model is not differentiable, or is computed outside torch. Attacks by gradients "
            "cannot run; that says nothing about the model.",
            done="The evaluation adds Square, which takes no gradients. To do: an attack with a "
            "differentiable stand-in for "
            "that part in the backward pass (advnotes.attacks.BPDA).",
            remedies=blind,
        )
        return
    apart, changes = probes.disagreement(case) if differences else (0.0, True)
    if seen.broken > BLIND:
        yield Finding(
            name="non-finite gradients",
            severity="masking",
            evidence=f"{seen.broken:.0%} of the gradients are not finite; {seen.coordinates:.0%} of the coordinates "
            "give an attack nothing to go by.",
            meaning="A slope is infinite or not a number somewhere on the way (a root or a logarithm at "
            "0, a division "
            "by 0), and attacks must leave those coordinates alone.",
            done="The evaluation adds Square, which takes no gradients. To do: mend the slope, or give "
            "it a stand-in (BPDA).",
            remedies=blind,
        )
    if seen.zero > BLIND:
        yield Finding(
            name="zero gradients",
            severity="masking",
            evidence=f"{seen.zero:.0%} of the gradients of the margin are zero in every coordinate, "
            f"{seen.coordinates:.0%} of all coordinates; along most random directions the loss "
            f"{'does' if changes else 'does not'} change.",
            meaning="A step in the model is flat nearly everywhere (rounding, a sign, a threshold, a "
            "rectifier that is "
            "closed): attacks by gradients stand still, which is not robustness.",
            done="The evaluation adds Square, which takes no gradients. To do: an attack with a stand-in "
            "for the flat step "
            "(BPDA).",
            remedies=blind,
        )
    elif apart > APART:
        yield Finding(
            name="wrong gradients",
            severity="masking",
            evidence=f"Autograd and finite differences along random directions are {apart:.2f} apart (median; 0 is "
            "equal, 1 unrelated; honest networks have about 0.02).",
            meaning="The model jumps, or its backward pass is not that of its forward pass (a straight-through "
            "rounding, a custom gradient, an activation that picks winners). Gradients lead attacks astray.",
            done="The evaluation adds Square, which takes no gradients. To do: smooth over jumps (EOT "
            "over noise), or give the "
            "step another stand-in (BPDA).",
            remedies=blind,
        )
    if full.zero - seen.zero > BLIND:
        yield _saturation(
            case,
            threat,
            f"{full.zero:.0%} of the gradients of the cross-entropy are exactly zero, {seen.zero:.0%} of "
            f"those of the "
            "margin.",
        )


def _attacks(case: Case, threat: Threat, gradients: bool, steady: bool) -> Iterator[Finding]:
    """Is the stronger of two attacks the stronger one? ``steady``: an answer, once given, will be given again."""
    here, bounds, n = case.threat, case.bounds, len(case.x)
    if isinstance(here, L1):
        here = dataclasses.replace(here, share=max(here.share, L1_SHARE))

    def fooled(attack: NormAttack) -> Bool[Tensor, " batch"]:
        return _answer(case, attack(case.model, case.x, case.y, case.seeds)).argmax(dim=1) != case.y

    def left(taken: Bool[Tensor, " batch"]) -> str:
        return f"{(~taken).double().mean().item():.0%}"

    best = torch.zeros(n, dtype=torch.bool, device=case.x.device)
    if gradients:
        # Where answers change by themselves, the best of many points is the luckiest, and the last one is fairer.
        climb = PGD(here, steps=STEPS, bounds=bounds, early_stop=steady, best=steady)
        points = climb(case.model, case.x, case.y, case.seeds)
        ends = _answer(case, points)
        many, one = ends.argmax(dim=1) != case.y, fooled(FGSM(here, bounds=bounds))
        margin = fooled(dataclasses.replace(climb, loss=margin_loss))
        best = many | margin
        if _leads(margin, many, LOSS_LEAD):
            yield _saturation(
                case,
                threat,
                f"PGD-{STEPS} leaves {left(many)} right with the cross-entropy and {left(margin)} with the margin.",
            )
        if _leads(one, many):
            yield Finding(
                name="one step beats many",
                severity="masking",
                evidence=f"FGSM leaves {left(one)} right, PGD with {STEPS} steps {left(many)}.",
                meaning="Many small steps see more of the loss than one large step. Where they do worse, small steps "
                "are led astray by slopes that hold only nearby.",
                done="The evaluation adds PGD from more starts and Square, which takes no gradients.",
                remedies=(_patient(case, threat), _square(case, threat)),
            )
        if (same := probes.twins(ends)) > TWINS and (jump := probes.jump(case, points, ends)) > JUMP:
            yield Finding(
                name="replaced answers",
                severity="warning",
                evidence=f"After PGD-{STEPS}, {same:.0%} of the samples get the same logits to the last "
                f"bit, and these "
                f"are reached from the input in a jump of {jump:.0%} of the way.",
                meaning="The model replaces its answer where it takes an input for an attack (a "
                "detector, a refusal). "
                "Robust accuracy counts the replacement as any other answer, and on its plateau no "
                "attack has a slope.",
                done="The evaluation adds Square, which takes no gradients. To do: judge the detector by "
                "an attack that is to pass "
                "it too.",
                remedies=(_square(case, threat),),
            )
    taken = fooled(Square(here, queries=QUERIES, bounds=bounds, early_stop=True))
    if gradients and _leads(taken, best):
        yield Finding(
            name="black box beats white box",
            severity="masking",
            evidence=f"Square leaves {left(taken)} right after {QUERIES} queries, PGD-{STEPS} with the better of two "
            f"losses {left(best)}.",
            meaning="An attack that knows the gradient finds less than one that does not: the gradient "
            "is no help, or "
            "a hindrance.",
            done="The evaluation adds Square with all its queries. To do: try examples made for another network "
            "(advnotes.attacks.Transfer), and a stand-in for whatever hides the gradient (BPDA).",
            remedies=(_square(case, threat),),
        )
    lowest, highest = bounds
    whole = Linf(highest - lowest)
    attack = (
        PGD(whole, steps=2 * STEPS, loss=margin_loss, bounds=bounds, early_stop=steady, best=steady)
        if gradients
        else Square(whole, queries=QUERIES, bounds=bounds, early_stop=True)
    )
    survive = ~fooled(attack)
    if survive.double().mean().item() > SURVIVE and int(survive.sum()) >= LEAD_AT_LEAST:
        yield Finding(
            name="unbounded attack fails",
            severity="masking",
            evidence=f"{left(~survive)} are still right after {type(attack).__name__} where every pixel may take any "
            f"value, eps = {highest - lowest:g}.",
            meaning="Any picture is allowed there, those of the other classes too, so that a working attack gets "
            "everything. This one does not find its way, and will not find it in the smaller ball.",
            done="The evaluation adds Square, which takes no gradients, and PGD from more starts. To do: "
            "a stand-in for "
            "whatever hides the gradient (BPDA).",
            remedies=(_square(case, threat), _patient(case, threat)),
        )


def _saturation(case: Case, threat: Threat, evidence: str) -> Finding:
    with torch.no_grad():
        logits = case.model(case.x)
    full = (cross_entropy(logits, case.y) == 0).double().mean().item()
    return Finding(
        name="saturated loss",
        severity="masking",
        evidence=f"{evidence} {full:.0%} of the inputs have a cross-entropy of exactly 0, their softmax being 1.",
        meaning="The logits are so large that the softmax is full in this precision, and the cross-entropy has no "
        "slope left to climb. Divide the logits by any number and the same model falls.",
        done="The evaluation adds PGD with the margin for a loss, which does not change its mind with "
        "the size of logits.",
        remedies=(_patient(case, threat),),
    )


def _patient(case: Case, threat: Threat) -> NormAttack:
    return PGD(threat, steps=5 * STEPS, restarts=2, loss=margin_loss, bounds=case.bounds, early_stop=True)


def _square(case: Case, threat: Threat) -> NormAttack:
    return Square(threat, bounds=case.bounds, early_stop=True)


def _first_sentence(error: Exception) -> str:
    return str(error).splitlines()[0].split(";")[0].rstrip(".")


def _answer(case: Case, point: Tensor) -> Tensor:
    with torch.no_grad():
        return case.model(point)


def _leads(one: Bool[Tensor, " batch"], other: Bool[Tensor, " batch"], by: float = LEAD) -> bool:
    """Whether one attack fools so many more samples than the other that it is no accident."""
    lead = int(one.sum()) - int(other.sum())
    return lead >= max(LEAD_AT_LEAST, by * len(one))
