"""Fast adversarial training: one step from a random start, and a callback that notices catastrophic overfitting."""

import copy
import warnings
from dataclasses import KW_ONLY, dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.ascend import ascend
from advnotes.attacks.attack import NormAttack
from advnotes.attacks.fgsm import FGSM
from advnotes.attacks.objective import Classification
from advnotes.attacks.pgd import PGD
from advnotes.checks import check_count, check_inputs, check_number
from advnotes.loop.history import State
from advnotes.losses import cross_entropy
from advnotes.metrics import accuracy, robust_accuracy
from advnotes.model_state import Model
from advnotes.robust.adversarial import AdversarialTraining
from advnotes.seeds import Source, content_seeds
from advnotes.threats import Bounds, Threat, check_threat

__all__ = ["CatastrophicOverfittingWarning", "FastAdversarialTraining", "OverfittingWatch"]


@dataclass(frozen=True)
class OneStep(NormAttack):
    """The attack of :class:`FastAdversarialTraining`, for training: its result is returned unevaluated.

    PGD with one step would bring its random point into the range of the input before it takes the gradient. Among
    digits, where most pixels are at an end of their range, that undoes half of the randomness, which is what
    prevents catastrophic overfitting.

    Args:
        step: the length of the step in units of eps.
        random_start: False begins at ``x``: with ``step=1`` that is FGSM.
    """

    _: KW_ONLY
    step: float = 1.25
    random_start: bool = True

    @property
    def estimated_passes(self) -> int:
        return 1

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        return ascend(
            Classification(model, y, cross_entropy, self.targeted),
            x,
            self.threat,
            steps=1,
            step_size=self.step * self.threat.eps,
            start=x + self.threat.sample(x, generator) if self.random_start else x,
            bounds=self.bounds,
            best=False,
        ).point


class FastAdversarialTraining(AdversarialTraining):
    r"""Adversarial training against a single long step from a random point (Wong, Rice and Kolter 2020, Algorithm 3).

    .. math::
        \delta_0 \sim U(\Delta), \qquad
        \delta = \Pi_\Delta\bigl(\delta_0 + \alpha\,\mathrm{sign}\,\nabla_x L(f_\theta(x + \delta_0), y)\bigr), \qquad
        \min_\theta\; \mathbb E_{x, y}\, L(f_\theta(x + \delta), y)

    with :math:`\alpha = 1.25\,\epsilon`. Without the random start, or with a step that is much longer, the model
    learns to bend its loss where the one step ends, and loses all robustness against several: catastrophic
    overfitting, which :class:`OverfittingWatch` names.

    Differs from the paper: the attack sees the model in eval mode unless ``training`` is True, which is what the
    paper's code does. As in that code, :math:`x + \delta` stays within the range of the input. Whether
    :math:`x + \delta_0` does differs between its files: ``MNIST/train_mnist.py`` does not clamp the uniform start,
    ``CIFAR10/train_fgsm.py`` does. Here it is not clamped: among pixels at an end of their range half of the
    randomness, which prevents the overfitting, would be lost.

    Args:
        model: maps inputs to logits.
        threat: what the adversary may do.
        step: the length :math:`\alpha` of the step, in units of the threat's eps.
        random_start: begin at a random point of the ball. False with ``step=1`` is training on FGSM's points alone,
            the control.
        bounds: the range of the input.
        training: make the attack in train mode; buffers are put back after it.
        warmup: as in :class:`AdversarialTraining`.

    Raises:
        ValueError: where ``step`` is not positive, or the threat or ``warmup`` is not as expected.
    """

    def __init__(
        self,
        model: nn.Module,
        threat: Threat,
        *,
        step: float = 1.25,
        random_start: bool = True,
        bounds: Bounds = (0.0, 1.0),
        training: bool = False,
        warmup: int = 0,
    ) -> None:
        check_number("step", step, above=0.0)
        attack = OneStep(threat, step=step, random_start=random_start, bounds=bounds, training=training)
        super().__init__(model, attack, warmup=warmup)


class CatastrophicOverfittingWarning(UserWarning):
    """A model withstands one step of the adversary and not several: its training against one step has failed."""


class OverfittingWatch:
    """A callback for :func:`advnotes.play` that says when a model withstands single steps only.

    It measures the model's accuracy on some held-out samples under FGSM and under a short PGD, and returns both for
    ``history.metrics``. It warns where, at ``patience`` calls in a row, the second is lower than the first by more than
    ``gap`` and not higher than ever before. (Where it is still rising, the training goes well: against large radii,
    robustness to one step comes first.) To stop training there, as Wong et al. 2020 do, turn the warning into an error,
    and go back to the best weights::

        watch = OverfittingWatch(*mnist("validation", size=500), Linf(0.3))
        with warnings.catch_warnings():
            warnings.simplefilter("error", CatastrophicOverfittingWarning)
            try:
                play(game, data, optimizer, epochs=30, callbacks=[watch], callback_every=500)
            except CatastrophicOverfittingWarning:
                game.model.load_state_dict(watch.best)

    Differs from the paper: its code stops where PGD accuracy on a training batch has fallen by 20 points since the
    epoch before. The gap also finds a model that never was robust.

    Args:
        x, y: samples that the model is not trained on; they are in no checkpoint.
        threat: what the adversary may do.
        steps: how many steps PGD takes.
        gap: the difference of the two accuracies that is too much, above 0 and below 1.
        patience: after how many such calls in a row it warns; with few samples one may be chance.
        single: the attack of one step; FGSM where it is not given.
        bounds: the range of the input.
        player: which submodule of the game is the model.

    Attributes:
        best: the weights at the highest PGD accuracy that this watch has seen; None before it has seen any.

    Raises:
        ValueError: where ``gap``, ``patience`` or ``steps`` is out of range or the samples are not as expected.
    """

    def __init__(
        self,
        x: Float[Tensor, "batch ..."],
        y: Int[Tensor, " batch"],
        threat: Threat,
        *,
        steps: int = 10,
        gap: float = 0.2,
        patience: int = 2,
        single: NormAttack | None = None,
        bounds: Bounds = (0.0, 1.0),
        player: str = "model",
    ) -> None:
        if not 0 < gap < 1:
            raise ValueError(f"gap is a difference of accuracies between 0 and 1, got {gap}")
        check_threat(threat)
        check_inputs(x, y, bounds)
        check_count("steps", steps, least=2)  # one step is what PGD is compared with
        check_count("patience", patience)
        self.x, self.y, self.gap, self.patience, self.player = x, y, gap, patience, player
        self.single = FGSM(threat, bounds=bounds) if single is None else single
        self.several = PGD(threat, steps=steps, bounds=bounds, early_stop=True)
        self.best: dict[str, Any] | None = None
        self._highest, self._shortfalls = -1.0, 0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know: the best weights, their accuracy, and how many calls in a row fell short."""
        return {"best": self.best, "highest": self._highest, "shortfalls": self._shortfalls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.best, self._highest, self._shortfalls = state["best"], state["highest"], state["shortfalls"]

    def __call__(self, state: State) -> dict[str, float]:
        """Measure, remember and warn."""
        model = state.game.get_submodule(self.player)
        # The same random starts at every call: what changes between two calls is the model.
        seeds = content_seeds(self.x, self.y)
        one = float(robust_accuracy(model, self.single, self.x, self.y, generator=seeds))
        more = float(robust_accuracy(model, self.several, self.x, self.y, generator=seeds))
        earlier = [row["pgd accuracy"] for row in state.history.metrics if "pgd accuracy" in row]
        if more > self._highest:
            self._highest, self.best = more, copy.deepcopy(model.state_dict())
        risen = not earlier or more > max(earlier)
        self._shortfalls = 0 if risen or one - more <= self.gap else self._shortfalls + 1
        if self._shortfalls == self.patience:
            warnings.warn(
                f"catastrophic overfitting at step {state.step}: {one:.0%} of {len(self.x)} held-out samples withstand "
                f"one step, {more:.0%} withstand {self.several.steps} (the highest so far: {self._highest:.0%}). Go "
                "back to the weights in OverfittingWatch.best, and train with a random start, a shorter step, a lower "
                "learning rate or more steps.",
                CatastrophicOverfittingWarning,
                stacklevel=2,
            )
        clean = float(accuracy(model, self.x, self.y))
        return {"clean accuracy": clean, "fgsm accuracy": one, "pgd accuracy": more}
