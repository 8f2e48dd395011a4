"""Attacks that know of a detector: fool the classifier, and pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.attacks.attack import NormAttack
from advnotes.attacks.parts.evasion import Defended, Evasion, Guarded
from advnotes.attacks.parts.scores import check_scores
from advnotes.attacks.parts.wrapper import Wrapper, innermost
from advnotes.attacks.pgd import PGD
from advnotes.checks import check_inputs, check_logits, check_number
from advnotes.model_state import Model, attacked, prediction
from advnotes.seeds import Source, own_seeds

__all__ = ["Evading"]


@dataclass(frozen=True)
class Evading(Wrapper):
    r"""Any attack, on a classifier with a detector beside it (Carlini and Wagner 2017, "not easily detected").

    Beside the classifier's logits :math:`f_j` stands one more, of the class *detected*, and a sample has evaded where
    a wrong class is ahead of the true one and of that:

    .. math:: g(x) = \max_{j \ne y} f_j(x) - \max\bigl(f_y(x),\ f_d(x)\bigr), \qquad
        f_d(x) = \max_j f_j(x) - h(\tau - s(x)), \qquad h(u) = \mathrm{sign}(u) \log(1 + |u|)

    :math:`g` is positive exactly where the input is misclassified *and* its score :math:`s` lies below the threshold.
    :class:`PGD` raises :math:`g`, whatever its ``loss``; any other attack is given a model of two classes, *defended*
    and *evaded*, with the logits 0 and :math:`g`, the samples of one class after those of another. So whatever attacks
    a classifier attacks a detector too: by gradients, in the least norm, by queries. With ``targeted`` in the attack,
    the class to reach has to be ahead of all others.

    Args:
        attack: the attack, such as ``PGD(Linf(0.3), steps=100)``, or ``CarliniWagner(L2(5.0))`` for the least change
            that is misclassified and passes. A loss of three classes or more (``dlr``) does not fit the two.
        detector: maps inputs to one score for each, ``[batch]``, higher where they are more suspicious: a
            :class:`~advnotes.defences.Detector`, or any module or function. Attacks that take gradients want one whose
            gradient leads to the input.
        threshold: :math:`\tau`: an input with a higher score is flagged.

    Judge the result by :meth:`evaded`. A sample that is misclassified and not flagged as it stands counts as evaded.

    Differs from the paper: its detected class is the largest logit times a number that grows with the score, here the
    two are added up; the logarithm :math:`h` keeps the score's unit out of the attack; no class need be chosen.

    Raises:
        ValueError: where ``attack`` is none, or has a ``precision``; where ``detector`` cannot be called, or
            ``threshold`` is no finite number; when called, where the scores are not one real number for each input.
        NotDifferentiableError: when called, where the attack takes gradients and the score has none.
    """

    detector: Callable[[Tensor], Tensor]
    threshold: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision is not None:
            raise ValueError(
                "Evading wants an attack with precision=None: in half precision a score at the threshold is on either "
                "side of it"
            )
        if not callable(self.detector):
            raise ValueError(
                f"the detector must be a module or function that gives one score for each input, got {self.detector!r}"
            )
        check_number("threshold", self.threshold)

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        seeds, x_adv = own_seeds(generator, x), x.clone()
        with ExitStack() as stack:
            stack.enter_context(attacked(self.detector, self.training))
            check_logits(model(x), y)
            guarded = Guarded(model, self.detector, self.threshold, self.targeted)
            if isinstance(self.attack, PGD) and type(self.attack).perturb is PGD.perturb:
                return self.attack.climb(Evasion(guarded, y), x, seeds)
            # Others may leave out samples on the way, and a model is not told which: so all have one label.
            for label in y.unique():
                rows = (y == label).nonzero().squeeze(1)
                defended = Defended(guarded, int(label))
                which = torch.full_like(rows, int(self.targeted))
                x_adv[rows] = self.attack.rows(rows).perturb(defended, x[rows], which, seeds[rows])
        return x_adv

    @torch.no_grad()
    def evaded(
        self,
        model: Model,
        x: Float[Tensor, "batch ..."],
        x_adv: Float[Tensor, "batch ..."],
        y: Int[Tensor, " batch"],
    ) -> Bool[Tensor, " batch"]:
        """Which results are successes: misclassified (or reached), not flagged, in the range, and inside the ball.

        Args:
            model: the classifier.
            x: the inputs that were attacked.
            x_adv: what came out.
            y: the true classes, or with ``targeted`` the classes to reach.
        """
        check_inputs(x, y, self.bounds)
        check_inputs(x_adv, y, self.bounds)
        with attacked(model), attacked(self.detector):
            logits, scores = model(x_adv), check_scores(self.detector(x_adv), len(x_adv))
        check_logits(logits, y)
        said = prediction(logits)
        won = ((said == y) if self.targeted else (said != y)) & (scores <= self.threshold)
        inner = innermost(self.attack)
        if isinstance(inner, NormAttack):
            won = won & (inner.threat.norm(x_adv - x) <= inner.threat.eps * (1 + 1e-5))
        return won
