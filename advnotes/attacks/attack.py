"""What every attack has in common: the call, its checks, and leaving the world as it was."""

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.parts.draws import answer_and_loss
from advnotes.checks import check_inputs, check_logits
from advnotes.fast import Autocast, prepared
from advnotes.losses import Loss, dlr
from advnotes.model_state import Model, attacked
from advnotes.seeds import Source, rows_of
from advnotes.threats import Bounds, Linf, Threat, check_threat

__all__ = ["Attack", "Classification", "Model", "NormAttack"]

AnyAttack = TypeVar("AnyAttack", bound="Attack")
SomeAttack = TypeVar("SomeAttack", bound="NormAttack")


@dataclass(frozen=True)
class Attack(ABC):
    """What every attack is: a frozen set of choices, called as ``x_adv = attack(model, x, y)``.

    Nothing but the returned tensor is new: parameters, their gradients, every module's mode and buffers, the
    caller's tensors and, where a generator is given, the global random state are as before, also after an error.

    Args:
        targeted: make ``y`` the class to reach instead of the class to leave. An attack with a ``loss`` refuses
            :func:`~advnotes.losses.dlr` then, which cannot lead to any class.
        bounds: the range of the input.
        training: attack the model in train mode (batch statistics, dropout), as some adversarial training does;
            its buffers are put back afterwards. Otherwise every module is in eval mode during the attack.
        early_stop: leave a sample alone as soon as it is fooled. The same samples are fooled in less time, at the
            first point that was found instead of the best: what robust accuracy wants. An attack that looks at
            every sample once, or for the nearest point, does not change.
        fast: let the attack's passes go through a copy of the model that agrees with it to rounding and takes less
            time (:func:`advnotes.fast.prepared`), where there is one. False follows the definition to the last bit.
            What a point is worth was then seen in the copy: at a decision boundary the model itself may say otherwise
            about one point in very many, so judge results by the model, as ``evaluate`` and ``robust_accuracy`` do.
        precision: ``torch.bfloat16`` lets the model compute in bfloat16 during the attack; float32 inputs only. The
            points stay in the dtype of ``x``, and the gradients' signs are mostly the same, but near a boundary the two
            precisions disagree. So the result is looked at in float32 at the end: a sample that is fooled in bfloat16
            and not by the model itself is attacked once more, in float32, which makes every success one of the model
            itself. An attack that returns its last point unevaluated leaves that out.

    Raises:
        ValueError: where ``bounds`` is empty or ``precision`` is another.
    """

    #: Whether a sample's result depends on that sample alone, so that some can be attacked again.
    by_sample: ClassVar[bool] = True

    _: KW_ONLY
    targeted: bool = False
    bounds: Bounds = (0.0, 1.0)
    training: bool = False
    early_stop: bool = False
    fast: bool = True
    precision: torch.dtype | None = None

    def __post_init__(self) -> None:
        if self.precision not in (None, torch.bfloat16):
            raise ValueError(f"precision must be None or torch.bfloat16, got {self.precision}")
        lowest, highest = self.bounds
        if not lowest < highest:
            raise ValueError(f"bounds must be (lowest, highest) with lowest < highest, got {self.bounds}")

    def __call__(
        self,
        model: Model,
        x: Float[Tensor, "batch ..."],
        y: Int[Tensor, " batch"],
        generator: Source = None,
    ) -> Float[Tensor, "batch ..."]:
        """Attack a batch.

        Args:
            model: maps ``x`` to logits ``[batch, classes]``; normalisation is a layer of it.
            x: inputs within ``bounds``.
            y: the true classes, or with ``targeted`` the classes to reach.
            generator: see :data:`advnotes.seeds.Source`.

        Returns:
            A new tensor without a graph, of the shape, dtype and device of ``x``, within what the adversary may do
            and within ``bounds``. A sample that was not fooled comes back at its highest loss.

        Raises:
            ValueError: where the input's range, shape, dtype, device or finiteness, the labels or the logits are
                not as expected; it says what came and how to mend it.
        """
        check_inputs(x, y, self.bounds)
        if self.precision is not None and x.dtype != torch.float32:
            raise ValueError(
                f"precision={self.precision} wants float32 inputs, got {x.dtype}: x.float(), or precision=None"
            )
        with torch.inference_mode(False), torch.no_grad(), attacked(model, self.training):
            # A tensor from inference mode cannot enter a graph; its clone can.
            x = x.clone() if x.is_inference() else x.detach()
            y = y.clone() if y.is_inference() else y
            copy = self._copy_of(model, x)
            x_adv = self.perturb(copy, x, y, generator)
            if (
                self.precision is None
                or copy is model
                or not self.by_sample
                or not getattr(self, "best", True)
            ):
                return x_adv
            undone = self._fooled(copy, x_adv, y) & ~self._fooled(model, x_adv, y)
            rows = undone.nonzero().squeeze(1)
            if len(rows) == 0:
                return x_adv
            again = self.rows(rows).perturb(model, x[rows], y[rows], rows_of(generator, rows))
            return x_adv.index_copy(0, rows, again)

    @property
    def passes(self) -> int:
        """About how many times a call asks the model about the whole batch: what preparing a copy has to pay for."""
        own = [getattr(self, name, None) for name in ("steps", "queries", "restarts", "targets")]
        return math.prod(number for number in own if isinstance(number, int)) if any(own) else 20

    def rows(self: AnyAttack, rows: Tensor | slice) -> AnyAttack:
        """The same attack for some rows of the batch, where a setting has a value for each sample."""
        return self

    def _copy_of(self, model: Model, x: Tensor) -> Model:
        if self.fast:
            return prepared(model, x, passes=self.passes, precision=self.precision)
        return model if self.precision is None else Autocast(model, self.precision)

    def _fooled(self, model: Model, x: Tensor, y: Tensor) -> Tensor:
        said = model(x).argmax(dim=1)
        return said == y if self.targeted else said != y

    @abstractmethod
    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source
    ) -> Float[Tensor, "batch ..."]:
        """The method itself, on checked inputs and a prepared model."""


@dataclass(frozen=True)
class NormAttack(Attack):
    """An attack that moves inputs inside a threat, the ball of a norm.

    Args:
        threat: what the adversary may do, such as ``Linf(8 / 255)``.

    Raises:
        ValueError: where ``threat`` is none, or an Linf radius is larger than the whole range of the input.
    """

    threat: Threat

    def __post_init__(self) -> None:
        super().__post_init__()
        check_threat(self.threat)
        eps, (lowest, highest) = torch.as_tensor(self.threat.eps), self.bounds
        if isinstance(self.threat, Linf) and bool(((eps > highest - lowest) & eps.isfinite()).any()):
            raise ValueError(
                f"an Linf eps of {self.threat.eps} is larger than the whole range {self.bounds} of the input: "
                "eps is in the unit of the input, so for pixels in [0, 1] write 8 / 255, not 8"
            )

    def scaled(self: SomeAttack, factor: float) -> SomeAttack:
        """The same attack inside a threat ``factor`` times as large, its step size scaled along."""
        step_size = getattr(self, "step_size", None)
        scaled_step = {} if step_size is None else {"step_size": step_size * factor}
        return dataclasses.replace(self, threat=self.threat.scaled(factor), **scaled_step)

    def rows(self: SomeAttack, rows: Tensor | slice) -> SomeAttack:
        """The same attack for some rows of the batch, where ``eps`` or the step size has a value for each sample."""
        step_size = getattr(self, "step_size", None)
        own_steps: dict[str, Any] = {}
        if isinstance(step_size, Tensor) and step_size.ndim:
            own_steps["step_size"] = step_size[rows]
        return dataclasses.replace(self, threat=self.threat.rows(rows), **own_steps)


class Classification:
    """The adversary's aim against a classifier, an objective for :func:`~advnotes.ascend.ascend`.

    Called with a point, it gives each sample's loss (its negative where targeted) and whether the model is fooled.

    Args:
        model: maps inputs to logits.
        y: the classes to leave or, with ``targeted``, to reach.
        loss: ``loss(logits, y)``, one value for each sample, larger where ``y`` is less likely.
        targeted: whether ``y`` is to be reached.

    Raises:
        ValueError: where the loss cannot reach a class and is to; when called, where the logits or the loss are not as
            expected.
    """

    def __init__(self, model: Model, y: Int[Tensor, " batch"], loss: Loss, targeted: bool = False) -> None:
        check_loss(loss, targeted)
        self.model, self.y, self.loss, self.targeted = model, y, loss, targeted
        self._checked = False

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        logits, value = answer_and_loss(self.model, point, self._loss_of)
        self._checked = True
        said = logits.argmax(dim=1)
        return (-value, said == self.y) if self.targeted else (value, said != self.y)

    def _loss_of(self, logits: Tensor) -> Tensor:
        if not self._checked:
            check_logits(logits, self.y)
        value = self.loss(logits, self.y)
        if value.shape != self.y.shape:
            raise ValueError(
                f"loss must return one value for each of the {len(self.y)} samples, got shape {tuple(value.shape)}: "
                "no mean, no sum"
            )
        return value

    def rows(self, rows: Tensor) -> "Classification":
        """The aim against some of the samples."""
        part = Classification(self.model, self.y[rows], self.loss, self.targeted)
        part._checked = self._checked
        return part


def check_counts(settings: object, *names: str) -> None:
    """Refuse a count below 1: how many steps, restarts, queries ...

    Raises:
        ValueError: see above.
    """
    for name in names:
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(settings, name)}")


def check_loss(loss: Loss, targeted: bool) -> None:
    """Refuse a loss that leads away from a class and not towards one.

    Raises:
        ValueError: see above.
    """
    if targeted and loss is dlr:
        raise ValueError(
            "expected a loss that leads towards a class, got dlr (equation 6) with targeted=True: it has no gradient "
            "where the class to reach is the third likeliest. Use loss=margin_loss, its numerator, or "
            "loss=cross_entropy; to try each likely wrong class by equation 7, use TargetedAPGD(threat)"
        )
