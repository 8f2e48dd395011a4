"""Gradients with respect to the input: how they are taken, where there are none, and what to say then."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = [
    "MaskedGradientWarning",
    "NotDifferentiableError",
    "gradient_error",
    "has_no_gradient",
    "named_gradient_errors",
    "not_differentiable",
    "value_and_gradient",
    "warn_of_masked_gradients",
    "while_training",
]


class MaskedGradientWarning(UserWarning):
    """Some samples gave the attack no gradient to climb, so that it says little about them."""


class NotDifferentiableError(ValueError):
    """What is to be raised does not depend on the input in a differentiable way."""


#: What torch says where a backward pass fails for another reason than the model's function, and what helps.
REMEDIES = {
    "cudnn RNN backward can only be called in training mode": "cuDNN's recurrent layers give no gradient in eval mode. "
    "Attack within `with torch.backends.cudnn.flags(enabled=False):`; the model stays in eval mode",
    "checkpoint is incompatible with .grad()": "the model checkpoints its activations by the reentrant method, which "
    "gives no gradient of the input. Write checkpoint(..., use_reentrant=False) in it",
    "Checkpointing is not compatible with .grad()": "the model checkpoints its activations by the reentrant method, "
    "which gives no gradient of the input. Write checkpoint(..., use_reentrant=False) in it",
}


def gradient_error(error: BaseException) -> str | None:
    """What helps against an error of a backward pass that does not mean that the model has no gradient.

    Args:
        error: as torch raised it, or as :func:`value_and_gradient` passed it on.

    Returns:
        The remedy, or None where the error is not known: it should then be raised as it is.
    """
    return next((remedy for words, remedy in REMEDIES.items() if words in str(error)), None)


@contextmanager
def named_gradient_errors() -> Iterator[None]:
    """Errors of a forward and a backward pass, with what helps against them where that is known.

    Raises:
        NotDifferentiableError: where the model leaves torch for NumPy.
        RuntimeError: with the remedy, where :func:`gradient_error` knows one. Others are raised as they are.
    """
    try:
        yield
    except RuntimeError as error:
        if "Can't call numpy() on Tensor that requires grad" in str(error):
            raise not_differentiable("the logits do") from error
        remedy = gradient_error(error)
        if remedy is None:
            raise
        raise RuntimeError(f"{remedy} (torch: {error})") from error


def not_differentiable(subject: str) -> NotDifferentiableError:
    """What to raise where autograd finds no way back to the input; ``subject`` is such as "the loss does"."""
    return NotDifferentiableError(
        f"{subject} not depend on the input in a differentiable way (a detach, a rounding or a conversion to NumPy in "
        "the model?); attack the model without that step, with a differentiable stand-in for it "
        "(advnotes.attacks.BPDA), or with an attack that takes no gradients (advnotes.attacks.Square)"
    )


def value_and_gradient(
    objective: Callable[[Tensor], tuple[Tensor, Tensor | None]], point: Tensor
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The loss at a point, whether the adversary has won there, and the loss's gradient; all without a graph.

    Raises:
        NotDifferentiableError: where the loss does not depend on the point in a differentiable way.
        RuntimeError: see :func:`named_gradient_errors`.
    """
    point = point.detach().requires_grad_()
    with torch.enable_grad(), named_gradient_errors():
        loss, won = objective(point)
        # The loss may also have a graph that leads to the model's parameters and not to the point.
        gradient = (
            torch.autograd.grad(loss.sum(), point, allow_unused=True)[0] if loss.requires_grad else None
        )
    if gradient is None:
        raise not_differentiable("the loss does")
    return loss.detach(), won, gradient


def has_no_gradient(gradient: Float[Tensor, "batch ..."]) -> Bool[Tensor, " batch"]:
    """Which samples' gradients are zero or not finite."""
    largest = gradient.flatten(1).abs().amax(dim=1)
    return ~((largest > 0) & largest.isfinite())


@contextmanager
def while_training() -> Iterator[None]:
    """No warning of masked gradients while a game trains on what an attack finds.

    A sample that the network answers with certainty has a gradient of zero in float32: it is learnt, and nobody takes
    the attack's failure for robustness.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskedGradientWarning)
        yield


def warn_of_masked_gradients(
    no_gradient: Bool[Tensor, " rows"],
    won: Bool[Tensor, " rows"],
    total: int | None = None,
    evaluated: bool = True,
) -> None:
    """Say how many samples gave a gradient that was zero or not finite and were not won.

    Args:
        no_gradient: which samples gave such a gradient.
        won: where the adversary has won.
        total: how many samples were attacked, where some of them are won and left out of the two.
        evaluated: whether the points that are returned were looked at.
    """
    missed = int((no_gradient & ~won).sum())
    if missed:
        outcome = "and were not fooled" if evaluated else "and did not move by it"
        warnings.warn(
            f"{missed} of {total or len(no_gradient)} samples gave a gradient that was zero or not finite at some step "
            f"{outcome}: masked gradients, which do not mean robustness. Try a margin loss, more restarts, or an "
            "attack without gradients.",
            MaskedGradientWarning,
            stacklevel=3,
        )
