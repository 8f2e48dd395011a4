"""What the diagnosis can find, in words, with the attacks that work nevertheless."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from advnotes.attacks import EOT, PGD, Square
from advnotes.attacks.attack import Attack
from advnotes.evaluation.masking.measurements import Case
from advnotes.evaluation.results import Finding, Severity
from advnotes.losses import margin_loss
from advnotes.threats import Threat

__all__ = ["QUERIES", "STEPS", "Kind"]

#: Steps and queries: enough for a network that hides nothing, and less than a hundredth of a full evaluation.
STEPS, QUERIES = 20, 300

BLACK_BOX = "The evaluation adds Square, which takes no gradients."


def square(case: Case, threat: Threat) -> Attack:
    """An attack without gradients."""
    return Square(threat, bounds=case.bounds, early_stop=True)


def long_pgd(case: Case, threat: Threat) -> Attack:
    """PGD on the margin, which large logits do not saturate, with many steps and two starts."""
    return PGD(threat, steps=5 * STEPS, restarts=2, loss=margin_loss, bounds=case.bounds, early_stop=True)


def averaged_pgd(case: Case, threat: Threat) -> Attack:
    """PGD on the mean over draws."""
    return EOT(PGD(threat, steps=2 * STEPS, loss=margin_loss, bounds=case.bounds))


@dataclass(frozen=True)
class Kind:
    """A kind of finding: its text, with ``{names}`` of what is measured, and what makes its remedies."""

    name: str
    evidence: str
    meaning: str
    done: str
    remedies: tuple[Callable[[Case, Threat], Attack], ...] = ()
    severity: Severity = "masking"

    def found(self, case: Case, threat: Threat, **measured: object) -> Finding:
        """The finding, with its numbers."""
        evidence = self.evidence.format(**measured)
        remedies = tuple(remedy(case, threat) for remedy in self.remedies)
        return Finding(self.name, self.severity, evidence, self.meaning, self.done, remedies)


RANDOMNESS = Kind(
    "randomness",
    "The same inputs, asked twice: a logit changes by up to {change:.1%} of the logits' spread.",
    "The model draws at test time. One gradient is that of one draw, and a single answer may be luck: an attack that "
    "climbs one draw says little about the next.",
    "The evaluation adds an attack on the mean over draws (EOT of PGD) and lets most of several answers decide.",
    (averaged_pgd,),
)
BATCH_DEPENDENCE = Kind(
    "batch dependence",
    "With half of the batch left out, a logit changes by up to {change:.1%} of the logits' spread.",
    "An answer depends on which other samples are asked about at the same time (batch statistics?), so that no sample "
    "has a robustness of its own.",
    "Use fixed statistics, or read the result as one for this batch size and order.",
    severity="warning",
)
INPUT_IGNORED = Kind(
    "input ignored",
    "Over {count} inputs and as many of pure noise, the logits differ by {change:.1g} of their spread.",
    "The answer does not depend on the input. What is right is right by the share of that class, and no attack can "
    "change it: accuracy under attack is not robustness here.",
    "Nothing was attacked in the diagnosis. Check that the model passes its input on.",
)
NO_GRADIENT = Kind(
    "no gradient",
    "The loss has no gradient with respect to the input: {why}.",
    "Part of the model is not differentiable, or is computed outside torch. Attacks by gradients cannot run; that says "
    "nothing about the model.",
    f"{BLACK_BOX} To do: an attack with a differentiable stand-in for that part in the backward pass "
    "(advnotes.attacks.BPDA).",
    (square,),
)
NON_FINITE_GRADIENTS = Kind(
    "non-finite gradients",
    "{seen.non_finite:.0%} of the gradients are not finite; {seen.coordinates:.0%} of the coordinates give an attack "
    "nothing to go by.",
    "A derivative is infinite or not a number somewhere (a root or a logarithm at 0, a division by 0), and attacks "
    "must leave those coordinates alone.",
    f"{BLACK_BOX} To do: mend the derivative, or replace it in the backward pass (BPDA).",
    (square,),
)
ZERO_GRADIENTS = Kind(
    "zero gradients",
    "{seen.zero:.0%} of the gradients of the margin are zero in every coordinate, {seen.coordinates:.0%} of all "
    "coordinates; along most random directions the loss {does} change.",
    "A step in the model is flat nearly everywhere (rounding, a sign, a threshold, a rectifier that is closed): "
    "attacks by gradients stand still, which is not robustness.",
    f"{BLACK_BOX} To do: an attack with a stand-in for the flat step (BPDA).",
    (square,),
)
WRONG_GRADIENTS = Kind(
    "wrong gradients",
    "Autograd and finite differences along random directions are {difference:.2f} apart (median; 0 is equal, 1 "
    "unrelated; honest networks have about 0.02).",
    "The model jumps, or its backward pass is not that of its forward pass (a straight-through rounding, a custom "
    "gradient, an activation that picks winners). Gradients lead attacks astray.",
    f"{BLACK_BOX} To do: smooth over jumps (EOT over noise), or give the step another stand-in (BPDA).",
    (square,),
)
SATURATED_LOSS = Kind(
    "saturated loss",
    "{comparison} {saturated:.0%} of the inputs have a cross-entropy of exactly 0, their softmax being 1.",
    "The logits are so large that the softmax is 1 in this precision, and the cross-entropy has no gradient left. "
    "Divide the logits by any number and the same model falls.",
    "The evaluation adds PGD with the margin for a loss, whose gradient does not vanish with large logits.",
    (long_pgd,),
)
ONE_STEP_WINS = Kind(
    "one step beats many",
    f"FGSM leaves {{one}} right, PGD with {STEPS} steps {{many}}.",
    "Many small steps see more of the loss than one large step. Where they do worse, small steps are misled by "
    "gradients that hold only nearby.",
    "The evaluation adds PGD from more starts and Square, which takes no gradients.",
    (long_pgd, square),
)
REPLACED_ANSWERS = Kind(
    "replaced answers",
    f"After PGD-{STEPS}, {{same:.0%}} of the samples get the same logits to the last bit, and the logits change to "
    "these in one jump of {jump:.0%} of the way.",
    "The model replaces its answer where it takes an input for an attack (a detector, a refusal). Robust accuracy "
    "counts the replacement as any other answer, and no attack has a gradient there.",
    f"{BLACK_BOX} To do: judge the detector by an attack that is to pass it too.",
    (square,),
    severity="warning",
)
BLACK_BOX_WINS = Kind(
    "black box beats white box",
    f"Square leaves {{black}} right after {QUERIES} queries, PGD-{STEPS} with the better of two losses {{white}}.",
    "An attack that knows the gradient finds less than one that does not: the gradient is no help, or a hindrance.",
    "The evaluation adds Square with all its queries. To do: try examples made for another network "
    "(advnotes.attacks.Transfer), and a stand-in for whatever hides the gradient (BPDA).",
    (square,),
)
UNBOUNDED_ATTACK_FAILS = Kind(
    "unbounded attack fails",
    "{left} are still right after {attack} where every pixel may take any value, eps = {eps:g}.",
    "Any picture is allowed there, those of the other classes too, so that a working attack fools all. This one does "
    "not find its way, and will not find it in the smaller ball.",
    "The evaluation adds Square, which takes no gradients, and PGD from more starts. To do: a stand-in for whatever "
    "hides the gradient (BPDA).",
    (square, long_pgd),
)
