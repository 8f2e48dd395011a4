"""What an evaluation found: pure data, without files and without words for a reader."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.evaluation.proved import Proof
from advnotes.metrics.accuracy import Proportion

__all__ = ["AttackResult", "EvaluationResult", "Example", "Finding", "Severity"]

#: How much a finding weighs: "masking" says that the robust accuracy cannot be trusted as it is, "warning" that
#: something should be looked at, "note" that a reader should know.
Severity = Literal["masking", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something that the diagnosis noticed about a model.

    Args:
        name: what it is, in a few words.
        severity: see :data:`Severity`.
        evidence: what was measured, with its numbers.
        meaning: what that says about the robust accuracy.
        done: what the evaluation did about it.
        remedies: attacks that work nevertheless; the evaluation adds them to its own. Not saved.
    """

    name: str
    severity: Severity
    evidence: str
    meaning: str
    done: str
    remedies: tuple[Attack, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class AttackResult:
    """What one attack of the suite did.

    Args:
        name: unique in its report.
        tried: the samples that were still robust when its turn came.
        fooled: the samples that it fooled, each verified.
        seconds: the time it took, of all processes together.
        passes: how many samples went forward through the model.
        unverified: the samples that it seemed to fool, but not on the original model in the precision of the data.
        settings: every setting of the attack, as text.
    """

    name: str
    tried: int
    fooled: int
    seconds: float = field(compare=False)
    passes: int = field(compare=False)
    unverified: int = 0
    settings: str = ""


@dataclass(frozen=True)
class Example:
    """A sample that was fooled.

    Args:
        index: its row in the data.
        label: its class.
        prediction: the model's class of ``x``.
        adversarial_prediction: the model's class of ``x_adv``; -1 where its logits are not finite there.
        attack: the name of the attack.
        x, x_adv: the input without and with the perturbation, of the shape of one sample, on the CPU.
    """

    index: int
    label: int
    prediction: int
    adversarial_prediction: int
    attack: str
    x: Tensor = field(compare=False, repr=False)
    x_adv: Tensor = field(compare=False, repr=False)


@dataclass(frozen=True)
class EvaluationResult:
    """The data of a :class:`~advnotes.evaluation.Report`. Two are equal where the model, data and verdicts are.

    Args:
        model: the model's name, or its class and layers.
        parameters: how many parameters it has.
        model_hash: SHA-256 of the model's parameters, buffers, settings and code.
        data_hash: SHA-256 of the samples, labels and radii, whatever their order.
        shape: of one input.
        classes: how many logits the model returns.
        bounds: the range of the input.
        norm: of the threat: "Linf", "L2" or "L1".
        eps: the radius of the threat in the unit of the input, or one for each sample.
        seed: of all randomness.
        labels: the class of each sample.
        predictions: the model's class of each sample without an attack.
        adversarial_predictions: the model's class under attack: where the sample was fooled, at the point that fooled
            it (-1 where the logits are not finite there); otherwise as without an attack.
        fooled_by: for each sample the index in ``attacks`` of the one that fooled it; -1 where none did, or where the
            sample is misclassified without an attack.
        attacks: in the order in which they ran, each on the samples that were still robust.
        options: the arguments of ``evaluate`` that decide the result and are not the defaults, as text, by name;
            ``attacks`` is there where a list of attacks was given.
        curve: radii in ascending order, with the share of samples that no attack was found to fool within them. Where
            each sample has its own eps, the radii are multiples of it.
        curve_attack: how the curve was measured, in words.
        findings: what the diagnosis noticed; empty where it noticed nothing or did not run (``diagnosed``).
        diagnosed: whether the diagnosis ran.
        notes: what a reader should know about how this was measured.
        examples: a few of the samples that were fooled.
        proof: for how many samples it is proved that no attack can succeed, where ``certify`` asked for it.
        environment: versions and device.
        date: when it ended, in UTC.
        seconds: how long it took, without the time before an interruption.
        adversarial: every input after the attacks, where ``keep=True`` asked for them. Not saved with the report.
    """

    model: str
    parameters: int
    model_hash: str
    data_hash: str
    shape: tuple[int, ...]
    classes: int
    bounds: tuple[float, float]
    norm: str
    eps: float | tuple[float, ...]
    seed: int
    labels: tuple[int, ...] = field(repr=False)
    predictions: tuple[int, ...] = field(repr=False)
    adversarial_predictions: tuple[int, ...] = field(repr=False)
    fooled_by: tuple[int, ...] = field(repr=False)
    attacks: tuple[AttackResult, ...]
    options: dict[str, str] = field(compare=False)
    curve: tuple[tuple[float, Proportion], ...] = ()
    curve_attack: str = ""
    findings: tuple[Finding, ...] = ()
    diagnosed: bool = True
    notes: tuple[str, ...] = ()
    examples: tuple[Example, ...] = field(default=(), repr=False)
    proof: Proof | None = None
    environment: str = field(default="", compare=False)
    date: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)
    adversarial: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        """How many samples were evaluated."""
        return len(self.labels)

    @property
    def correct_mask(self) -> tuple[bool, ...]:
        """True where the prediction without an attack is right."""
        return tuple(p == label for p, label in zip(self.predictions, self.labels, strict=True))

    @property
    def robust_mask(self) -> tuple[bool, ...]:
        """True where the prediction without an attack is right and no attack succeeded."""
        return tuple(right and by < 0 for right, by in zip(self.correct_mask, self.fooled_by, strict=True))

    @property
    def clean(self) -> Proportion:
        """The accuracy without an attack."""
        return Proportion(sum(self.correct_mask), self.size)

    @property
    def robust(self) -> Proportion:
        """The robust accuracy: the share of samples that no attack moved out of their class; the true one is lower."""
        return Proportion(sum(self.robust_mask), self.size)

    @property
    def certified(self) -> Proportion | None:
        """The certified accuracy, a lower bound of the robust one: the share of samples that are proved robust.

        None where no proof was asked for, or where the model cannot be bounded (:attr:`Proof.refusal` says why).
        """
        if self.proof is None or self.proof.refusal:
            return None
        return Proportion(sum(self.proof.proved), self.size)

    @property
    def between(self) -> str:
        """Both ends of the true robust accuracy on these samples in words; empty where nothing was proved."""
        if self.certified is None:
            return ""
        low, high = self.certified, self.robust
        if low.count == high.count:
            return f"exactly {low.value:.1%}: proved, and no attack can do better"
        return f"between {low.value:.1%} (proved) and {high.value:.1%} (not yet broken)"

    @property
    def per_class(self) -> dict[int, tuple[Proportion, Proportion]]:
        """The clean and the robust accuracy of each class that occurs."""
        total, right, robust = (
            Counter(label for label, counts in zip(self.labels, mask, strict=True) if counts)
            for mask in ((True,) * self.size, self.correct_mask, self.robust_mask)
        )
        return {
            label: (Proportion(right[label], count), Proportion(robust[label], count))
            for label, count in sorted(total.items())
        }

    @property
    def masking(self) -> tuple[Finding, ...]:
        """The findings that say that the robust accuracy cannot be trusted as it is."""
        return tuple(finding for finding in self.findings if finding.severity == "masking")

    @property
    def radius(self) -> str:
        """The radius in words, such as "8/255"."""
        if not isinstance(self.eps, tuple):
            return _radius(self.eps, self.bounds)
        low, high = (_radius(end, self.bounds) for end in (min(self.eps), max(self.eps)))
        return f"each sample's own, from {low} to {high}"

    @property
    def threat(self) -> str:
        """The threat in words, such as "Linf, eps = 8/255"."""
        return f"{self.norm}, eps = {self.radius}"


def _radius(eps: float, bounds: tuple[float, float]) -> str:
    """A radius as people write it: in 255ths where it is a whole number of them and pixels are in [0, 1]."""
    steps = eps * 255
    if bounds == (0.0, 1.0) and 0 < round(steps) < 255 and abs(steps - round(steps)) < 1e-4:
        hundredths = eps * 100
        if abs(hundredths - round(hundredths)) > 1e-6:
            return f"{round(steps)}/255"
    return f"{eps:.6g}"
