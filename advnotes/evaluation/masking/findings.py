"""What the diagnosis can find, in words: one function for each finding, with the attacks that work nevertheless."""

from __future__ import annotations

from advnotes.attacks import EOT, PGD, Square
from advnotes.attacks.attack import NormAttack
from advnotes.evaluation.masking.measurements import Case, GradientStatistics
from advnotes.evaluation.results import Finding
from advnotes.losses import margin_loss
from advnotes.threats import Threat

__all__ = [
    "QUERIES",
    "STEPS",
    "batch_dependence",
    "black_box_wins",
    "input_ignored",
    "no_gradient",
    "non_finite_gradients",
    "one_step_wins",
    "randomness",
    "replaced_answers",
    "saturated_loss",
    "unbounded_attack_fails",
    "wrong_gradients",
    "zero_gradients",
]

#: Steps and queries: enough for a network that hides nothing, and less than a hundredth of a full evaluation.
STEPS, QUERIES = 20, 300

BLACK_BOX = "The evaluation adds Square, which takes no gradients."


def _square(case: Case, threat: Threat) -> NormAttack:
    return Square(threat, bounds=case.bounds, early_stop=True)


def _long_pgd(case: Case, threat: Threat) -> NormAttack:
    return PGD(threat, steps=5 * STEPS, restarts=2, loss=margin_loss, bounds=case.bounds, early_stop=True)


def randomness(case: Case, threat: Threat, change: float) -> Finding:
    """The model draws at random."""
    return Finding(
        name="randomness",
        severity="masking",
        evidence=f"The same inputs, asked twice: a logit changes by up to {change:.1%} of the logits' spread.",
        meaning="The model draws at test time. One gradient is that of one draw, and a single answer may be luck: an "
        "attack that climbs one draw says little about the next.",
        done="The evaluation adds an attack on the mean over draws (EOT of PGD) and lets most of several answers "
        "decide.",
        remedies=(EOT(PGD(threat, steps=2 * STEPS, loss=margin_loss, bounds=case.bounds)),),
    )


def batch_dependence(change: float) -> Finding:
    """An answer depends on the other samples of the batch."""
    return Finding(
        name="batch dependence",
        severity="warning",
        evidence=f"With half of the batch left out, a logit changes by up to {change:.1%} of the logits' spread.",
        meaning="An answer depends on which other samples are asked about at the same time (batch statistics?), so "
        "that no sample has a robustness of its own.",
        done="Use fixed statistics, or read the result as one for this batch size and order.",
    )


def input_ignored(case: Case, change: float) -> Finding:
    """The answer is the same for every input."""
    return Finding(
        name="input ignored",
        severity="masking",
        evidence=f"Over {len(case.x)} inputs and as many of pure noise, the logits differ by {change:.1g} of "
        "their spread.",
        meaning="The answer does not depend on the input. What is right is right by the share of that class, and no "
        "attack can change it: accuracy under attack is not robustness here.",
        done="Nothing was attacked in the diagnosis. Check that the model passes its input on.",
    )


def no_gradient(case: Case, threat: Threat, why: str) -> Finding:
    """The loss has no gradient at all."""
    return Finding(
        name="no gradient",
        severity="masking",
        evidence=f"The loss has no gradient with respect to the input: {why}.",
        meaning="Part of the model is not differentiable, or is computed outside torch. Attacks by gradients cannot "
        "run; that says nothing about the model.",
        done=f"{BLACK_BOX} To do: an attack with a differentiable stand-in for that part in the backward pass "
        "(advnotes.attacks.BPDA).",
        remedies=(_square(case, threat),),
    )


def non_finite_gradients(case: Case, threat: Threat, seen: GradientStatistics) -> Finding:
    """Gradients are infinite or not numbers."""
    return Finding(
        name="non-finite gradients",
        severity="masking",
        evidence=f"{seen.non_finite:.0%} of the gradients are not finite; {seen.coordinates:.0%} of the coordinates "
        "give an attack nothing to go by.",
        meaning="A derivative is infinite or not a number somewhere (a root or a logarithm at 0, a division by 0), "
        "and attacks must leave those coordinates alone.",
        done=f"{BLACK_BOX} To do: mend the derivative, or replace it in the backward pass (BPDA).",
        remedies=(_square(case, threat),),
    )


def zero_gradients(case: Case, threat: Threat, seen: GradientStatistics, changes: bool) -> Finding:
    """Gradients are zero; ``changes``: although the loss is not constant."""
    return Finding(
        name="zero gradients",
        severity="masking",
        evidence=f"{seen.zero:.0%} of the gradients of the margin are zero in every coordinate, "
        f"{seen.coordinates:.0%} of all coordinates; along most random directions the loss "
        f"{'does' if changes else 'does not'} change.",
        meaning="A step in the model is flat nearly everywhere (rounding, a sign, a threshold, a rectifier that is "
        "closed): attacks by gradients stand still, which is not robustness.",
        done=f"{BLACK_BOX} To do: an attack with a stand-in for the flat step (BPDA).",
        remedies=(_square(case, threat),),
    )


def wrong_gradients(case: Case, threat: Threat, difference: float) -> Finding:
    """Autograd and finite differences disagree."""
    return Finding(
        name="wrong gradients",
        severity="masking",
        evidence=f"Autograd and finite differences along random directions are {difference:.2f} apart (median; 0 is "
        "equal, 1 unrelated; honest networks have about 0.02).",
        meaning="The model jumps, or its backward pass is not that of its forward pass (a straight-through rounding, a "
        "custom gradient, an activation that picks winners). Gradients lead attacks astray.",
        done=f"{BLACK_BOX} To do: smooth over jumps (EOT over noise), or give the step another stand-in (BPDA).",
        remedies=(_square(case, threat),),
    )


def saturated_loss(case: Case, threat: Threat, evidence: str, saturated: float) -> Finding:
    """The cross-entropy has no gradient, but the margin has one."""
    return Finding(
        name="saturated loss",
        severity="masking",
        evidence=f"{evidence} {saturated:.0%} of the inputs have a cross-entropy of exactly 0, their softmax being 1.",
        meaning="The logits are so large that the softmax is 1 in this precision, and the cross-entropy has no "
        "gradient left. Divide the logits by any number and the same model falls.",
        done="The evaluation adds PGD with the margin for a loss, whose gradient does not vanish with large logits.",
        remedies=(_long_pgd(case, threat),),
    )


def one_step_wins(case: Case, threat: Threat, one: str, many: str) -> Finding:
    """FGSM is stronger than PGD."""
    return Finding(
        name="one step beats many",
        severity="masking",
        evidence=f"FGSM leaves {one} right, PGD with {STEPS} steps {many}.",
        meaning="Many small steps see more of the loss than one large step. Where they do worse, small steps are "
        "misled by gradients that hold only nearby.",
        done="The evaluation adds PGD from more starts and Square, which takes no gradients.",
        remedies=(_long_pgd(case, threat), _square(case, threat)),
    )


def replaced_answers(case: Case, threat: Threat, same: float, jump: float) -> Finding:
    """Inputs under attack get one and the same answer, after a jump."""
    return Finding(
        name="replaced answers",
        severity="warning",
        evidence=f"After PGD-{STEPS}, {same:.0%} of the samples get the same logits to the last bit, and the logits "
        f"change to these in one jump of {jump:.0%} of the way.",
        meaning="The model replaces its answer where it takes an input for an attack (a detector, a refusal). Robust "
        "accuracy counts the replacement as any other answer, and no attack has a gradient there.",
        done=f"{BLACK_BOX} To do: judge the detector by an attack that is to pass it too.",
        remedies=(_square(case, threat),),
    )


def black_box_wins(case: Case, threat: Threat, black: str, white: str) -> Finding:
    """Square is stronger than PGD."""
    return Finding(
        name="black box beats white box",
        severity="masking",
        evidence=f"Square leaves {black} right after {QUERIES} queries, PGD-{STEPS} with the better of two losses "
        f"{white}.",
        meaning="An attack that knows the gradient finds less than one that does not: the gradient is no help, or a "
        "hindrance.",
        done="The evaluation adds Square with all its queries. To do: try examples made for another network "
        "(advnotes.attacks.Transfer), and a stand-in for whatever hides the gradient (BPDA).",
        remedies=(_square(case, threat),),
    )


def unbounded_attack_fails(case: Case, threat: Threat, attack: NormAttack, left: str) -> Finding:
    """Samples stay right although every input is allowed."""
    lowest, highest = case.bounds
    return Finding(
        name="unbounded attack fails",
        severity="masking",
        evidence=f"{left} are still right after {type(attack).__name__} where every pixel may take any value, eps = "
        f"{highest - lowest:g}.",
        meaning="Any picture is allowed there, those of the other classes too, so that a working attack fools all. "
        "This one does not find its way, and will not find it in the smaller ball.",
        done="The evaluation adds Square, which takes no gradients, and PGD from more starts. To do: a stand-in for "
        "whatever hides the gradient (BPDA).",
        remedies=(_square(case, threat), _long_pgd(case, threat)),
    )
