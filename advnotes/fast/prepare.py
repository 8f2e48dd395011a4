"""A copy of a model that computes the same logits and input gradients faster."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from advnotes.fast.fuse import fuse
from advnotes.fast.modules import ModelSignature
from advnotes.fast.program import Program
from advnotes.fast.trace import no_randomness, traced
from advnotes.fast.traceable import Untraceable

__all__ = ["Autocast", "keeping", "prepared", "why_not"]

#: Says at the level DEBUG why a model has no copy.
LOG = logging.getLogger("advnotes.fast")

SomeModel = TypeVar("SomeModel", bound=Callable[[Tensor], Tensor])

#: With fewer input values in all passes together, preparing costs more than it saves: for a new copy, and for a kept
#: one that only takes over parameters.
WORTH, WORTH_KEPT = 250_000, 50_000
#: How far the logits and the gradients of the copy may be from the model's, relative to their size. What rounding does
#: in float32 is far below, another function far above; bfloat16 has 8 bits.
CLOSE = {torch.float32: (1e-4, 1e-2), torch.bfloat16: (0.1, 0.5)}


def prepared(
    model: SomeModel,
    x: Float[Tensor, "batch ..."],
    *,
    passes: int = 20,
    precision: torch.dtype | None = None,
) -> "SomeModel | nn.Module | Autocast":
    r"""The model, or a copy that takes less time for its logits and their gradient with respect to the input.

    In the copy the parameters are constants, so that batch normalisation and the scale of the input are folded into
    the weights, :math:`\gamma (W x + b - \mu) / \sigma + \beta = W' x + b'`; rectifiers and residual sums are computed
    within the layer before them; images lie in channels-last memory; the gradient with respect to few channels is
    computed as :class:`~advnotes.fast.blocks.Blocks` has it. The result agrees with the model's to rounding.

    The model itself comes back where a copy may not be the same function or does not pay: it is not a module in eval
    mode whose parameters are float32 on the device of ``x``; it has hooks, parametrisations or wrappers (compiled,
    parallel); what its ``forward`` does depends on the input's values, on the size of the batch or on whether
    gradients are recorded, draws at random, computes beside the input, or writes attributes; it reaches an object,
    a global container or an autograd function of the user's own; the logits or gradients differ from the model's at
    some inputs, noise or extremes; or the passes are too few. :func:`why_not` says which of them it is, as does the
    logger ``advnotes.fast`` at the level DEBUG.

    Nothing changes in the model, and its ``forward`` is not called any more where there is a copy: a counter of its
    calls stands still. The copy is one of its present parameters: where they change, prepare anew, which within
    :func:`keeping` costs little. The copy gives no gradients of parameters and no second derivatives.

    Args:
        model: maps ``x`` to logits, in eval mode.
        x: some inputs as they will come; the batch may have another size later.
        passes: about how many forward and backward passes are to come.
        precision: ``torch.bfloat16`` computes inside the copy in bfloat16, and gives logits and gradients in the dtype
            of ``x``. A model that cannot be copied runs under autocast instead.
    """
    work = passes * x.numel()
    if work == 0:
        return model
    copies = _copies.get() if precision is None else None
    copy = None
    if work >= (WORTH if copies is None else WORTH_KEPT) or precision is not None:
        try:
            new = partial(_checked_copy, precision=precision or x.dtype)
            copy = (new if copies is None else partial(_kept_copy, copies))(model, x)
        # A model's forward is anybody's code, and it meets stand-ins for tensors here: it may fail in any way. What is
        # wrong with the model itself comes to light when the attack calls it.
        except Exception as error:
            LOG.debug("no copy of %s: %s", type(model).__name__, _reason(error))
    if copy is not None:
        return copy
    return model if precision is None else Autocast(model, precision)


def why_not(
    model: Callable[[Tensor], Tensor], x: Float[Tensor, "batch ..."], precision: torch.dtype | None = None
) -> str:
    """Why :func:`prepared` makes no copy of a model for inputs like ``x``; empty where it makes one."""
    try:
        _checked_copy(model, x, precision or x.dtype)
    except Exception as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Untraceable) else f"{type(error).__name__}: {error}"


#: The copies that are kept, by their models; None where none are.
_copies: ContextVar["WeakIdKeyDictionary | None"] = ContextVar("copies", default=None)


@contextmanager
def keeping() -> Iterator[None]:
    """Within this, a model's copy is kept from one attack on it to the next, and only takes over its parameters.

    What a model's ``forward`` does is then found out once instead of in every attack, as training against one wants it;
    :func:`advnotes.play` does so. In a loop of your own::

        with keeping():
            for x, y in loader:
                x_adv = attack(model, x, y)
                ...

    A copy is made anew where a module, an attribute or a hook is another than it was. A ``forward`` that is neither
    PyTorch's nor of this package may depend on more than that: there the logits of two samples are compared with the
    model's each time. At the end all copies are let go.
    """
    if _copies.get() is not None:
        yield
        return
    token = _copies.set(WeakIdKeyDictionary())
    try:
        yield
    finally:
        _copies.reset(token)


class Autocast:
    """A model under autocast, whose logits have the dtype of its input."""

    def __init__(self, model: Callable[[Tensor], Tensor], precision: torch.dtype) -> None:
        self.model, self.precision = model, precision

    def __call__(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, dtype=self.precision):
            logits = self.model(x)
        return logits.to(x.dtype) if isinstance(logits, Tensor) else logits


class _Copy(nn.Module):
    """A program that computes in a precision of its own and answers in the input's."""

    def __init__(self, program: Program, precision: torch.dtype) -> None:
        super().__init__()
        self.program, self.precision = program, precision

    def forward(self, x: Tensor) -> Tensor:
        return self.program(x.to(self.precision)).to(x.dtype)


def _kept_copy(copies: WeakIdKeyDictionary, model: Callable[[Tensor], Tensor], x: Tensor) -> _Copy | None:
    """The kept copy with the present parameters, or a new one; None where the model has none."""
    if not isinstance(model, nn.Module):
        return None
    copy, signature = copies.get(model, (None, None))
    few = x[:2]
    now = ModelSignature(model.modules(), few)
    if signature == now:
        if copy is None:
            return None
        copy.program.refresh()
        with torch.no_grad():
            if signature.all or _close(copy(few), model(few), CLOSE[x.dtype][0]):
                return copy
    copies[model] = None, now
    copy = _new_copy(model, x, x.dtype)
    # A copy that differs now may agree at the next step: what a run does must not depend on what the steps before the
    # last stop have found.
    del copies[model]
    _check(copy, model, x)
    copies[model] = copy, now
    return copy


def _checked_copy(model: Callable[[Tensor], Tensor], x: Tensor, precision: torch.dtype) -> _Copy:
    copy = _new_copy(model, x, precision)
    _check(copy, model, x)
    return copy


def _new_copy(model: Callable[[Tensor], Tensor], x: Tensor, precision: torch.dtype) -> _Copy:
    if not isinstance(model, nn.Module) or x.dtype != torch.float32:
        kind = type(model).__name__
        raise Untraceable(f"only modules with float32 inputs have copies, got {kind} and {x.dtype}")
    with torch.no_grad():
        top, graph = traced(model, _points(x))
        return _Copy(fuse(top.to(precision), graph), precision)


def _check(copy: _Copy, model: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Refuse a copy that differs from the model in its logits, with or without gradients, or in their gradient.

    Raises:
        Untraceable: see above, and where one of them draws random numbers.
    """
    points = _points(x)
    with no_randomness(x.device):
        ours = *_logits_and_gradient(copy, points), _logits(copy, points)
        theirs = *_logits_and_gradient(model, points), _logits(model, points)
    logits, gradient = CLOSE[copy.precision]
    if not all(map(_close, ours, theirs, (logits, gradient, logits))):
        raise Untraceable("its logits or gradients differ from the model's")


def _points(x: Tensor) -> Tensor:
    """Two samples, noise in the range of all, and a picture of the ends of the range."""
    generator = torch.Generator().manual_seed(0)  # the caller's random numbers are not touched
    low, high = x.aminmax()
    noise = torch.rand(2, *x.shape[1:], generator=generator).to(x)
    noise[1] = noise[1].round()
    return torch.cat([x[:1], x[:2][-1:], low + (high - low) * noise])


def _logits(model: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


def _logits_and_gradient(model: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The logits, and the gradient of a sum of them in which each has a weight of its own."""
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = model(x)
        weights = torch.linspace(-1, 1.5, logits.shape[1], dtype=logits.dtype, device=logits.device)
        (gradient,) = torch.autograd.grad((logits * weights).sum(), x)
    return logits.detach(), gradient


def _close(ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    """Whether each sample's values differ by less than a share of their size; NaN never does."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    difference, size = ((t.flatten(1)).norm(dim=1) for t in (ours - theirs, theirs))
    return bool((difference <= tolerance * size).all())
