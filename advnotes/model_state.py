"""What a model is while it is attacked or judged: its modules, their modes and buffers, its input and its logits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.checks import check_logits_shape, with_remedies
from advnotes.identity import modules, parameters

__all__ = [
    "NO_CLASS",
    "GuardedModel",
    "Model",
    "NonFiniteLogitsWarning",
    "PassCounter",
    "attacked",
    "device_of",
    "prediction",
    "warn_of_non_finite_logits",
    "without_autocast",
]

#: Maps a batch of inputs in their natural range to logits ``[batch, classes]``: a module or any callable.
Model = Callable[[Tensor], Tensor]

#: The class of a sample whose logits are not all finite.
NO_CLASS = -1


class NonFiniteLogitsWarning(UserWarning):
    """The model gives some perturbed samples no class, as their logits are not finite; they count as fooled."""


def device_of(model: Model, x: Tensor) -> torch.device:
    """Where a model wants its inputs: where its parameters are, or where ``x`` is if it has none."""
    first = next(parameters(model), None)
    return x.device if first is None else first.device


@contextmanager
def attacked(model: Model, training: bool = False) -> Iterator[None]:
    """Every module that a model reaches in eval (or train) mode for the time of an attack.

    Modes and buffers are put back, whatever happens. A function, a partial, a bound method or an object around modules
    is protected as a module is (:func:`advnotes.identity.modules`).
    """
    members = {module: module.training for top in modules(model).values() for module in top.modules()}
    buffers = (
        [(buffer, buffer.clone()) for module in members for buffer in module.buffers(recurse=False)]
        if training
        else []
    )
    for module in members:
        module.training = training
    try:
        yield
    finally:
        for module, mode in members.items():
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


class GuardedModel:
    """A model as attacks and metrics call it: its input is protected, its logits are checked and cast.

    - A model that writes into its input gets a copy of it. Whether it does is seen at the first call.
    - The logits must be ``[batch, classes]`` in every batch. They come in the dtype of the input, at least float32.
    - An attack computes in at least float32. A model in half precision gets its points in the dtype of its inputs.
    - The caller's autocast holds for the model alone; see :func:`without_autocast`.
    - Where torch fails because of the input's dtype or the size of the batch, the error says so.

    Args:
        model: maps inputs to logits.
        device: where the inputs are.
        dtype: what the inputs are converted to; None leaves them as they are.
    """

    def __init__(self, model: Model, device: torch.device, dtype: torch.dtype | None = None) -> None:
        self.model, self.dtype = model, dtype
        enabled = torch.is_autocast_enabled(device.type)
        self.autocast = (device.type, torch.get_autocast_dtype(device.type)) if enabled else None
        self._writes: bool | None = None
        self._first_size = 0
        # No longer finite once a logit was not; kept as a tensor, so that a GPU is not waited for.
        self._sum: Tensor | None = None

    def __call__(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The logits.

        Raises:
            ValueError: where they are not as expected, or the model cannot take this input; see above.
            RuntimeError: where the model writes into its input only now.
        """
        # Tensors of inference mode do not count their changes.
        counted = not x.is_inference()
        given = x.to(self.dtype or x.dtype, copy=not counted or self._writes is not False)
        before = given._version if counted else 0
        with with_remedies(self.model, given, self._first_size), self._precision():
            logits = self.model(given)
        check_logits_shape(logits, len(x))
        self._first_size = self._first_size or len(x)
        if counted:
            self._look_at_input(x, given, before)
        logits = logits.to(torch.promote_types(x.dtype, torch.float32))
        total = logits.detach().sum()
        self._sum = total if self._sum is None else self._sum + total
        return logits

    def all_finite(self) -> bool:
        """Whether all logits so far were finite (or False where their sum is too large for their dtype)."""
        return self._sum is None or bool(self._sum.isfinite())

    def _look_at_input(self, x: Tensor, given: Tensor, before: int) -> None:
        changed = given._version != before
        if self._writes is None:
            # What goes through .data or NumPy is not counted.
            self._writes = changed or bool((given != x.to(given.dtype)).any())
        elif changed and not self._writes:
            raise RuntimeError(
                "the model has written into its input, which it did not at its first call: let its forward begin with "
                "x = x.clone()"
            )

    def _precision(self) -> AbstractContextManager[object]:
        return nullcontext() if self.autocast is None else torch.autocast(*self.autocast)


class PassCounter:
    """A model that counts the samples that go forward through it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.passes = 0

    def __call__(self, x: Tensor) -> Tensor:
        """The model's logits."""
        self.passes += len(x)
        return self.model(x)


@contextmanager
def without_autocast(device: torch.device) -> Iterator[None]:
    """Outside the caller's autocast: small differences are lost in half precision.

    Weights that autocast has cast and kept meanwhile are let go: kept without a graph, they would leave the caller's
    next step of training without gradients.
    """
    if not torch.is_autocast_enabled(device.type):
        yield
        return
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.clear_autocast_cache()


def prediction(logits: Float[Tensor, "batch classes"]) -> Int[Tensor, " batch"]:
    """The class of the highest logit; :data:`NO_CLASS` where a sample's logits are not all finite."""
    # 0 times what is not finite is no number; in a random search this costs half of what isfinite does.
    return logits.argmax(dim=1).masked_fill((0 * logits).sum(dim=1) != 0, NO_CLASS)


def warn_of_non_finite_logits(predicted: Int[Tensor, " batch"]) -> None:
    """Say for how many perturbed samples the model gives no class, as :func:`prediction` has it."""
    count = int((predicted == NO_CLASS).sum())
    if count:
        warnings.warn(
            f"the logits of {count} of {len(predicted)} perturbed samples are not finite: the model gives them no "
            "class. They count as fooled, and as no class that was to be reached. Look for a logarithm of 0, a "
            "division by 0 or an overflow in the model.",
            NonFiniteLogitsWarning,
            stacklevel=3,
        )
