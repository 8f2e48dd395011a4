"""What all attacks share: the call, its checks, and that it has no side effects."""

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.checks import check_bounds, check_inputs, check_model, clip_rounding
from advnotes.fast import Autocast, prepared
from advnotes.model_state import (
    GuardedModel,
    Model,
    attacked,
    prediction,
    warn_of_non_finite_logits,
    without_autocast,
)
from advnotes.seeds import Source, rows_of
from advnotes.threats import Bounds, Linf, Threat, check_threat

__all__ = ["Attack", "Model", "NormAttack"]

AnyAttack = TypeVar("AnyAttack", bound="Attack")
SomeAttack = TypeVar("SomeAttack", bound="NormAttack")


@dataclass(frozen=True)
class Attack(ABC):
    """What every attack is: a frozen set of choices, called as ``x_adv = attack(model, x, y)``.

    A call has no side effects: parameters, their gradients, every module's mode and buffers, the caller's tensors and,
    where a generator is given, the global random state are as before, also after an error. A function, a partial, a
    method or an object around modules is protected as a module is.

    Args:
        targeted: make ``y`` the class to reach instead of the class to leave. An attack with a ``loss`` refuses
            :func:`~advnotes.losses.dlr` then, which cannot lead to any class.
        bounds: the range of the input; infinite ends are no range at all, which some methods refuse.
        training: attack the model in train mode (batch statistics, dropout), as some adversarial training does;
            its buffers are put back afterwards. Otherwise every module is in eval mode during the attack.
        early_stop: stop working on a sample as soon as it is fooled. The same samples are fooled in less time, at the
            first point that was found instead of the best: what robust accuracy wants. Batches become smaller on the
            way. An attack that looks at every sample once, or for the nearest point, does not change.
        fast: let the attack's passes go through a copy of the model that agrees with it to rounding and takes less
            time (:func:`advnotes.fast.prepared`), where there is one: the model's ``forward`` is not called then, and
            :func:`advnotes.fast.why_not` says why there is none. False follows the definition to the last bit. What a
            point is worth was then seen in the copy: at a decision boundary the model itself may say otherwise
            about one point in very many, so judge results by the model, as ``evaluate`` and ``robust_accuracy`` do.
        precision: ``torch.bfloat16`` lets the model compute in bfloat16 during the attack; float32 inputs only. The
            points stay in the dtype of ``x``, and the gradients' signs are mostly the same, but near a boundary the two
            precisions disagree. So the result is looked at in float32 at the end: a sample that is fooled in bfloat16
            and not by the model itself is attacked once more, in float32, which makes every success one of the model
            itself. An attack that returns its last point unevaluated leaves that out.

    Raises:
        ValueError: where ``bounds`` are not two numbers, the lowest first (finite ones for a method that uses
            their width), or ``precision`` is another.
    """

    #: Whether a sample's result depends on that sample alone, so that some can be attacked again.
    by_sample: ClassVar[bool] = True
    #: Whether the method uses the width of the range, which has to be finite then.
    uses_width: ClassVar[bool] = False

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
        object.__setattr__(self, "bounds", check_bounds(self.bounds, finite=self.uses_width))

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
            x: inputs within ``bounds``; what rounding has put outside is clipped.
            y: the true classes, or with ``targeted`` the classes to reach.
            generator: see :data:`advnotes.seeds.Source`.

        Returns:
            A new tensor without a graph, of the shape, dtype and device of ``x``, within what the adversary may do
            and within ``bounds``. A sample that was not fooled comes back at its highest loss.

        Warns:
            NonFiniteLogitsWarning: where the logits of samples that are returned are not finite: these count as fooled,
                and never as a class that was to be reached.
            MaskedGradientWarning: where samples that were not fooled gave no gradient.

        Raises:
            ValueError: where the input's range, shape, dtype, device or finiteness, the labels or the logits are
                not as expected; it says what came and how to mend it.
        """
        check_model(model)
        check_inputs(x, y, self.bounds)
        self.check_batch(len(x))
        if self.precision is not None and x.dtype != torch.float32:
            raise ValueError(
                f"precision={self.precision} wants float32 inputs, got {x.dtype}: x.float(), or precision=None"
            )
        with torch.inference_mode(False), torch.no_grad(), attacked(model, self.training):
            # A tensor from inference mode cannot enter a graph; its clone can.
            x = x.clone() if x.is_inference() else x.detach()
            y = y.clone() if y.is_inference() else y
            asked, itself = self.prepare(model, x), GuardedModel(model, x.device, x.dtype)
            # Small steps are lost in half precision.
            start = clip_rounding(x.to(torch.promote_types(x.dtype, torch.float32)), self.bounds)
            with without_autocast(x.device):
                x_adv = self.perturb(asked, start, y, generator)
                if self.precision is not None and self.by_sample and self.returns_best:
                    x_adv = confirmed(self, asked, itself, start, y, x_adv, generator)
                if not (asked.all_finite() and itself.all_finite()):
                    warn_of_non_finite_logits(prediction(itself(x_adv)))
                return x_adv.to(x.dtype)

    @property
    def estimated_passes(self) -> int:
        """About how many forward passes over the whole batch a call takes: decides whether a faster copy pays off."""
        return 20

    @property
    def returns_best(self) -> bool:
        """Whether the best of the evaluated points is returned; otherwise the last one, unevaluated."""
        return True

    def rows(self: AnyAttack, rows: Tensor | slice) -> AnyAttack:
        """The same attack for some rows of the batch, where a setting has a value for each sample."""
        return self

    def check_batch(self, count: int) -> None:
        """Raise ValueError for settings with a value for each sample that do not fit a batch of ``count``."""
        return

    def prepare(self, model: Model, x: Float[Tensor, "batch ..."]) -> GuardedModel:
        """What :meth:`perturb` calls for logits: the model or its faster copy, its input and its logits guarded."""
        return GuardedModel(self.faster(model, x), x.device, x.dtype)

    def faster(self, model: Model, x: Float[Tensor, "batch ..."]) -> Model:
        """A copy of the model that takes less time, where there is one that pays off; otherwise the model itself."""
        # Within the caller's autocast a copy in float32 would be another function than the model.
        if self.fast and not (self.precision is None and torch.is_autocast_enabled(x.device.type)):
            # A clone, since the model may write into what it gets.
            return prepared(model, x.clone(), passes=self.estimated_passes, precision=self.precision)
        return model if self.precision is None else Autocast(model, self.precision)

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

    def check_batch(self, count: int) -> None:
        self.threat.check_batch(count)

    def scaled(self: SomeAttack, factor: float | Tensor) -> SomeAttack:
        """The same attack in a threat ``factor`` times as large (one number, or one for each sample).

        A step size in units of the input scales too.
        """
        return dataclasses.replace(self, threat=self.threat.scaled(factor))

    def rows(self: SomeAttack, rows: Tensor | slice) -> SomeAttack:
        """The same attack for some rows of the batch, where ``eps`` has a value for each sample."""
        return dataclasses.replace(self, threat=self.threat.rows(rows))


def confirmed(
    attack: Attack,
    copy: GuardedModel,
    itself: GuardedModel,
    x: Float[Tensor, "batch ..."],
    y: Int[Tensor, " batch"],
    x_adv: Float[Tensor, "batch ..."],
    generator: Source,
) -> Float[Tensor, "batch ..."]:
    """The result, with those samples attacked once more that fool the copy in bfloat16 and not the model itself."""
    if copy.model is itself.model:
        return x_adv

    def fooled(model: Model) -> Tensor:
        predicted = prediction(model(x_adv))
        return predicted == y if attack.targeted else predicted != y

    rows = (fooled(copy) & ~fooled(itself)).nonzero().squeeze(1)
    if len(rows) == 0:
        return x_adv
    again = attack.rows(rows).perturb(itself, x[rows], y[rows], rows_of(generator, rows))
    return x_adv.index_copy(0, rows, again)
