"""Models, and what they answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from advnotes.identity import parameters

__all__ = [
    "call_model",
    "check_finite_logits",
    "check_label_range",
    "check_logits",
    "check_logits_shape",
    "check_model",
    "logits_of",
    "with_remedies",
]


def check_logits(logits: object, y: Tensor) -> None:
    """Raise ValueError for what is not one row of logits for each sample, or has none for a label."""
    check_label_range(y, check_logits_shape(logits, len(y)))


def check_label_range(y: Tensor, classes: int) -> None:
    """Raise ValueError for labels for which there is no class; the first sample is named."""
    wrong = (y < 0) | (y >= classes)
    if bool(wrong.any()):
        bad = int(wrong.nonzero()[0, 0])
        raise ValueError(
            f"labels must lie from 0 to {classes - 1}, got {int(y[bad])} for sample {bad}: do they count from 1, or "
            "belong to another model?"
        )


def check_logits_shape(logits: object, count: int) -> int:
    """The number of classes; raise ValueError for what is not a row of logits for each of ``count`` samples."""
    if isinstance(logits, nn.Module):
        raise ValueError(
            f"the model must return logits, and returns a network, a {type(logits).__name__}: it makes models. Pass "
            "what it makes from its arguments"
        )
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"the model must return a tensor of logits, got {type(logits).__name__}: wrap it in a module whose forward "
            "picks the logits out"
        )
    if logits.shape == (count,) or logits.shape == (count, 1):
        raise ValueError(
            f"the model returns one number for each sample, of shape {tuple(logits.shape)}; one logit for each class "
            "is wanted: for a binary model with logit s, advnotes.nets.TwoLogits(model) gives [0, s]"
        )
    if logits.ndim == 1:
        raise ValueError(
            f"the model returns {tuple(logits.shape)} for a batch of {count}: a squeeze() without a dimension in it "
            "also removes the batch's where that is 1; write squeeze(dim)"
        )
    if logits.ndim != 2 or len(logits) != count:
        raise ValueError(
            f"the model must return logits of shape [batch, classes] = [{count}, ...], got {tuple(logits.shape)}"
        )
    return logits.shape[1]


def logits_of(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """The model's answer at ``x``, checked to be logits that fit the labels ``y``: what a game trains on.

    Raises:
        ValueError: where it is no row of logits for each sample, or has no logit for a label.
    """
    logits = call_model(model, x)
    check_logits(logits, y)
    return logits


def check_finite_logits(logits: Tensor, rows: Tensor | None = None) -> None:
    """Raise ValueError for logits that are not finite; the first sample is named.

    Args:
        logits: of some samples.
        rows: the samples' numbers in the data; counted from 0 where they are left out.
    """
    bad = ~logits.isfinite().all(dim=1)
    if not bool(bad.any()):
        return
    numbers = bad.nonzero().squeeze(1) if rows is None else rows.to(bad.device)[bad]
    raise ValueError(
        f"the logits of sample {int(numbers.min())} are not finite ({int(bad.sum())} of {len(bad)} samples): a "
        "logarithm of 0 or a division by 0 in the model, or did its training diverge? For a class that never occurs "
        "return -1e4, say, instead of -inf"
    )


def check_model(model: object) -> None:
    """Raise ValueError for a model that cannot be called; for an estimator it names the adapter."""
    if callable(model):
        return
    adapter = (
        ": advnotes.attacks.black_box(estimator) makes one of an estimator, for attacks that take no gradients"
        if hasattr(model, "predict_proba") or hasattr(model, "decision_function")
        else ""
    )
    raise ValueError(
        f"the model must be a module or function that maps inputs to logits, got {type(model).__name__}, which cannot "
        f"be called{adapter}"
    )


def dtype_mistake(model: Callable[[Tensor], Tensor], x: Tensor, error: Exception) -> str:
    """Why ``model(x)`` failed in torch: another precision; empty where that is not the reason."""
    if not re.search(r"dtype|scalar type|[Tt]ype \(", str(error)):
        return ""
    first = next((parameter for parameter in parameters(model) if parameter.is_floating_point()), None)
    if first is None or first.dtype == x.dtype:
        return ""
    return (
        f"inputs are {x.dtype}, the model {first.dtype}: x.to({first.dtype}), or convert them in its forward"
    )


def batch_size_mistake(before: int, now: int, error: Exception) -> str:
    """Why a model may have failed in torch: it takes one size of batch only; empty where that is not the reason.

    Args:
        before: the size of a batch that the model has answered; 0 where there was none.
        now: the size of the batch that it failed on.
        error: what torch raised.
    """
    if before in (0, now) or not re.search(
        r"size of tensor|[Ss]izes of|size mismatch|size\(\)|shape|expand", str(error)
    ):
        return ""
    return (
        f"the model has answered a batch of {before} samples and fails on one of {now} ({error}): attacks leave out "
        "samples that are done. Let the model take a batch of any size, or use "
        f"evaluate(batch_size={before}, pad_batches=True), or early_stop=False; attacks of the least norm and "
        "AutoAttack make batches smaller in any case"
    )


@contextmanager
def with_remedies(model: Callable[[Tensor], Tensor], x: Tensor, before: int = 0) -> Iterator[None]:
    """Within this ``model(x)`` is called: where it fails and torch's own error names no remedy, the error does.

    Args:
        model: a module, or a callable that reaches some.
        x: its input.
        before: as in :func:`batch_size_mistake`.

    Raises:
        ValueError: where batch normalisation in train mode gets a single sample, or ``x`` has another precision or
            another size of batch than the model takes.
    """
    try:
        yield
    except (RuntimeError, ValueError, AssertionError) as error:
        if "more than 1 value per channel" in str(error):
            mistake = (
                f"batch normalisation cannot train on a batch of {len(x)}, which has no variance: leave a smaller last "
                "batch out, DataLoader(..., drop_last=True), or take another batch size"
            )
        elif isinstance(error, ValueError):
            raise
        else:
            mistake = dtype_mistake(model, x, error) or batch_size_mistake(before, len(x), error)
        if mistake:
            raise ValueError(mistake) from error
        raise


def call_model(model: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``model(x)``, with the remedy where torch's own error names none.

    Raises:
        ValueError: where the answer is no tensor, or as in :func:`with_remedies`.
    """
    with with_remedies(model, x):
        answer = model(x)
    if not isinstance(answer, Tensor):
        raise ValueError(
            f"the network must return a tensor, got {type(answer).__name__}: wrap it in a module whose forward picks "
            "the tensor out"
        )
    return answer
