"""The diagnosis of masked gradients: comparisons whose outcome is known for a model that hides nothing."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.attacks import FGSM, PGD, Model, NormAttack, Square
from advnotes.checks import check_bounds, check_count, check_finite_logits, check_inputs, check_logits
from advnotes.evaluation.masking import findings, measurements
from advnotes.evaluation.masking.findings import QUERIES, STEPS
from advnotes.evaluation.masking.measurements import Case
from advnotes.evaluation.results import Finding
from advnotes.gradients import MaskedGradientWarning
from advnotes.losses import cross_entropy, margin_loss
from advnotes.model_state import GuardedModel, NonFiniteLogitsWarning, attacked, prediction
from advnotes.seeds import Source, own_seeds
from advnotes.threats import L1, Bounds, Linf, Threat

__all__ = ["SAME", "diagnose"]

#: By how much of their spread logits must differ to be called different. Sums in another order, as on a GPU or in
#: a batch of another size, make millionths; reduced precision in convolutions up to a few ten-thousandths.
SAME = 1e-3

#: Share of the gradients that may be zero or not finite. Of the networks in the zoo none is; a dead unit or a
#: pixel at a kink takes single samples, a defence that hides its gradient takes most.
ZERO = 0.05

#: How far autograd and differences may be apart (0 equal, 1 unrelated). Measured: 0.02 on networks with rectifiers,
#: where a difference may cross a kink; from 0.5 on where something is rounded or the backward pass pretends.
DIFFERENCE = 0.25

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
#: rectifiers are all closed gives one too, but without a jump: JUMP is the share of the change that happens within a
#: few thousandths of the line from the input.
EQUAL_ROWS, JUMP = 0.1, 0.5


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
    none, a larger ball before a smaller. If a weaker attack beats a stronger one, the gradients are unreliable. An
    empty list does not mean that a model is robust: it means that these attacks were not misled in a way that is known
    here.

    Args:
        model: maps inputs to logits ``[batch, classes]``; it is examined in eval mode.
        x, y: inputs within ``bounds`` and their classes.
        threat: what the adversary may do.
        bounds: the range of the input.
        seeds: see :data:`advnotes.seeds.Source`.
        size: how many samples to look at: those with the lowest seeds, so that the order of the data does not matter.

    Returns:
        What was found, in the order in which it matters. ``remedies`` are attacks that work nevertheless.

    Raises:
        ValueError: where the input, the labels, the logits or ``size`` are not as expected.
        RuntimeError: where the backward pass fails with an error that does not say that the model is not
            differentiable.
    """
    bounds = check_bounds(bounds)
    check_inputs(x, y, bounds)
    size = check_count("size", size)
    sample_seeds = own_seeds(seeds, x)
    rows = sample_seeds.argsort()[:size]
    with torch.inference_mode(False), warnings.catch_warnings(), attacked(model):
        warnings.simplefilter("ignore", MaskedGradientWarning)  # a finding says it in full
        warnings.simplefilter("ignore", NonFiniteLogitsWarning)
        guarded = GuardedModel(model, x.device)
        case = Case(guarded, x[rows].detach(), y[rows].clone(), threat.rows(rows), bounds, sample_seeds[rows])
        logits = case.logits(case.x)
        check_logits(logits, case.y)
        check_finite_logits(logits, rows)
        found = list(_check_answers(case, threat))
        names = {finding.name for finding in found}
        if "input ignored" in names:
            return found
        found += _check_gradients(case, threat, differences="randomness" not in names)
        names |= {finding.name for finding in found}
        steady = not names & {"randomness", "batch dependence"}
        attacks = _check_attacks(case, threat, gradients="no gradient" not in names, steady=steady)
        found += [finding for finding in attacks if finding.name not in names]
    return found


def _check_answers(case: Case, threat: Threat) -> Iterator[Finding]:
    """Is there one answer for each input, and does it depend on the input?"""
    if (change := measurements.repeat_change(case)) > SAME:
        yield findings.RANDOMNESS.found(case, threat, change=change)
    elif (change := measurements.batch_change(case)) > SAME:
        yield findings.BATCH_DEPENDENCE.found(case, threat, change=change)
    change = measurements.input_change(case)
    if change <= torch.finfo(case.x.dtype).eps:
        yield findings.INPUT_IGNORED.found(case, threat, count=len(case.x), change=change)


def _check_gradients(case: Case, threat: Threat, differences: bool) -> Iterator[Finding]:
    """Are there gradients, and are they those of the function that the model computes?"""
    if (why := measurements.why_no_gradient(case)) is not None:
        yield findings.NO_GRADIENT.found(case, threat, why=why)
        return
    margin, entropy = (measurements.gradient_statistics(case, loss) for loss in (margin_loss, cross_entropy))
    difference, changes = measurements.disagreement(case) if differences else (0.0, True)
    if margin.non_finite > ZERO:
        yield findings.NON_FINITE_GRADIENTS.found(case, threat, seen=margin)
    if margin.zero > ZERO:
        yield findings.ZERO_GRADIENTS.found(case, threat, seen=margin, does="does" if changes else "does not")
    elif difference > DIFFERENCE:
        yield findings.WRONG_GRADIENTS.found(case, threat, difference=difference)
    if entropy.zero - margin.zero > ZERO:
        zero = f"{entropy.zero:.0%} of the gradients of the cross-entropy are exactly zero"
        yield _saturated(case, threat, f"{zero}, {margin.zero:.0%} of those of the margin.")


def _check_attacks(case: Case, threat: Threat, gradients: bool, steady: bool) -> Iterator[Finding]:
    """Is the stronger of two attacks the stronger one? ``steady``: an answer, once given, will be given again."""
    ball, bounds, n = case.threat, case.bounds, len(case.x)
    if isinstance(ball, L1):
        ball = dataclasses.replace(ball, share=max(ball.share, L1_SHARE))

    def fooled(attack: NormAttack) -> Bool[Tensor, " batch"]:
        points = attack(case.model, case.x, case.y, case.seeds)
        return prediction(case.logits(points)) != case.y

    best = torch.zeros(n, dtype=torch.bool, device=case.x.device)
    if gradients:
        # Where answers change by themselves, the best of many points is the luckiest, and the last one is fairer.
        pgd = PGD(ball, steps=STEPS, bounds=bounds, early_stop=steady, best=steady)
        points = pgd(case.model, case.x, case.y, case.seeds)
        logits = case.logits(points)
        many, one = prediction(logits) != case.y, fooled(FGSM(ball, bounds=bounds))
        margin = fooled(dataclasses.replace(pgd, loss=margin_loss))
        best = many | margin
        if _leads(margin, many, LOSS_LEAD):
            left = f"{_left(many)} right with the cross-entropy and {_left(margin)} with the margin."
            yield _saturated(case, threat, f"PGD-{STEPS} leaves {left}")
        if _leads(one, many):
            yield findings.ONE_STEP_WINS.found(case, threat, one=_left(one), many=_left(many))
        same = measurements.equal_rows(logits)
        if same > EQUAL_ROWS and (jump := measurements.jump(case, points, logits)) > JUMP:
            yield findings.REPLACED_ANSWERS.found(case, threat, same=same, jump=jump)
    black = fooled(Square(ball, queries=QUERIES, bounds=bounds, early_stop=True))
    if gradients and _leads(black, best):
        yield findings.BLACK_BOX_WINS.found(case, threat, black=_left(black), white=_left(best))
    whole = Linf(bounds[1] - bounds[0])
    attack = (
        PGD(whole, steps=2 * STEPS, loss=margin_loss, bounds=bounds, early_stop=steady, best=steady)
        if gradients
        else Square(whole, queries=QUERIES, bounds=bounds, early_stop=True)
    )
    survive = ~fooled(attack)
    if survive.double().mean().item() > SURVIVE and int(survive.sum()) >= LEAD_AT_LEAST:
        yield findings.UNBOUNDED_ATTACK_FAILS.found(
            case, threat, left=_left(~survive), attack=type(attack).__name__, eps=whole.eps
        )


def _saturated(case: Case, threat: Threat, comparison: str) -> Finding:
    saturated = measurements.saturated(case)
    return findings.SATURATED_LOSS.found(case, threat, comparison=comparison, saturated=saturated)


def _left(fooled: Bool[Tensor, " batch"]) -> str:
    return f"{(~fooled).double().mean().item():.0%}"


def _leads(one: Bool[Tensor, " batch"], other: Bool[Tensor, " batch"], by: float = LEAD) -> bool:
    """Whether one attack fools so many more samples than the other that it is no accident."""
    lead = int(one.sum()) - int(other.sum())
    return lead >= max(LEAD_AT_LEAST, by * len(one))
