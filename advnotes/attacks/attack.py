"""What every attack has in common: the call, its checks, and leaving the world as it was."""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.fast import Autocast, prepared
from advnotes.losses import Loss, dlr
from advnotes.seeds import Source, rows_of
from advnotes.threats import Bounds, Linf, Threat, check_threat

__all__ = ["Attack", "Classification", "Model", "NormAttack"]

#: Maps a batch of inputs in their natural range to logits ``[batch, classes]``: a module or any callable.
Model = Callable[[Tensor], Tensor]

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
        logits = self.model(point)
        if not self._checked:
            check_logits(logits, self.y)
        value = self.loss(logits, self.y)
        if value.shape != self.y.shape:
            raise ValueError(
                f"loss must return one value for each of the {len(self.y)} samples, got shape {tuple(value.shape)}: "
                "no mean, no sum"
            )
        self._checked = True
        said = logits.argmax(dim=1)
        return (-value, said == self.y) if self.targeted else (value, said != self.y)

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


def check_inputs(x: object, y: object, bounds: Bounds) -> None:
    """Refuse inputs that an attack would silently get wrong."""
    lowest, highest = bounds
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        raise ValueError(
            f"inputs and labels must be tensors, got {type(x).__name__} and {type(y).__name__}: torch.as_tensor(...)?"
        )
    if not x.is_floating_point():
        raise ValueError(
            f"inputs must be floating point in [{lowest}, {highest}], got {x.dtype}: x.float() / 255?"
        )
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"inputs must be a batch of at least one, [batch, ...], got shape {tuple(x.shape)}")
    if y.dtype != torch.int64 or y.shape != (len(x),):
        raise ValueError(
            f"labels must be int64 class numbers of shape ({len(x)},), got {y.dtype} of shape {tuple(y.shape)}"
        )
    if y.device != x.device:
        raise ValueError(f"inputs are on {x.device} and labels on {y.device}: move them to one device")
    least, most = x.min().item(), x.max().item()
    if not (least >= lowest and most <= highest):  # written so that NaN is refused too
        raise ValueError(
            f"inputs must be finite and within [{lowest}, {highest}], got values from {least:.4g} to {most:.4g}: "
            "keep images in their natural range and put the normalisation into the model "
            "(advnotes.nets.Normalize), or pass bounds= to the attack"
        )
    if int(y.min()) < 0:
        raise ValueError(f"labels must be class numbers from 0, got {int(y.min())}")


def check_logits(logits: object, y: Tensor) -> None:
    """Refuse a model whose output is not one row of logits for each sample."""
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"the model must return a tensor of logits, got {type(logits).__name__}: wrap it in a module whose forward "
            "picks the logits out"
        )
    if logits.ndim != 2 or len(logits) != len(y):
        raise ValueError(
            f"the model must return logits of shape [batch, classes] = [{len(y)}, ...], got {tuple(logits.shape)}"
        )
    if logits.shape[1] < 2:
        raise ValueError(
            "the model returns one number for each sample; an attack wants one logit for each class: for a binary "
            "model with logit s, return [0, s]"
        )
    if int(y.max()) >= logits.shape[1]:
        raise ValueError(f"labels go up to {int(y.max())}, but the model has {logits.shape[1]} classes")


def device_of(model: Model, x: Tensor) -> torch.device:
    """Where a model wants its inputs: where its parameters are, or where ``x`` is if it has none."""
    parameters = model.parameters() if isinstance(model, nn.Module) else iter(())
    return next((parameter.device for parameter in parameters), x.device)


@contextmanager
def attacked(model: Model, training: bool = False) -> Iterator[None]:
    """Every module in eval (or train) mode for the time of an attack; modes and buffers put back, come what may."""
    if not isinstance(model, nn.Module):
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()] if training else []
    for module, _ in modes:
        module.training = training
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
