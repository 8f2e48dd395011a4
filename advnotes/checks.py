"""What every entrance asks of its arguments: one function for each kind of argument, and one message for each mistake.

Attacks, games, metrics, the scikit-learn classes and the command line call these before any work starts. A message
says what was expected, what came, and how to mend it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from advnotes.identity import modules

__all__ = [
    "batch_size_mistake",
    "check_bounds",
    "check_count",
    "check_counts",
    "check_device",
    "check_finite_logits",
    "check_floating",
    "check_inputs",
    "check_labels",
    "check_logits",
    "check_logits_shape",
    "check_model",
    "check_number",
    "check_per_sample",
    "check_range",
    "clip_rounding",
    "dtype_mistake",
    "logits_of",
]

#: Inputs may miss the ends of their range by so much of it: the rounding of a normalisation that was undone.
ROUNDING = 1e-6


def check_count(name: str, value: object, least: int = 1) -> int:
    """A whole number from ``least`` on, as Python's int: NumPy's and torch's whole numbers are taken too.

    Raises:
        ValueError: where it is none, a bool among them, or is smaller.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return number


def check_counts(**counts: object) -> None:
    """Refuse a count that is no whole number of at least 1: how many steps, restarts, queries ...

    Raises:
        ValueError: see above.
    """
    for name, count in counts.items():
        check_count(name, count)


def check_per_sample(name: str, value: object, count: int) -> None:
    """Refuse a tensor with a value for each sample that has another number of values than ``count``.

    Raises:
        ValueError: see above.
    """
    if isinstance(value, Tensor) and value.ndim and len(value) != count:
        raise ValueError(
            f"{name} has one value for each of {len(value)} samples, but there are {count}: give one number, or one "
            "for each sample. One for each feature is not supported: let a first layer of the model rescale the "
            f"features so that one {name} fits them all"
        )


def check_number(
    name: str,
    value: object,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float | None = None,
) -> float:
    """A finite number from ``least`` to ``most``, and greater than ``above`` where that is given.

    Raises:
        ValueError: where it is none, is not finite, or lies elsewhere.
    """
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if math.isfinite(number) and least <= number <= most and (above is None or number > above):
        return number
    lower = f"above {above:g}" if above is not None else f"of at least {least:g}" if least > -math.inf else ""
    upper = f"at most {most:g}" if most < math.inf else ""
    raise ValueError(
        f"{name} must be a finite number {' and '.join(filter(None, (lower, upper)))}".rstrip()
        + f", got {value!r}"
    )


def check_bounds(bounds: object) -> tuple[float, float]:
    """The range of the input as two finite numbers.

    Raises:
        ValueError: where it is no pair of numbers, is empty or infinite, or is given for each feature.
    """
    advice = "bounds must be (lowest, highest), finite numbers for all features with lowest < highest, such as (0, 1)"
    if not isinstance(bounds, Sequence) or isinstance(bounds, str) or len(bounds) != 2:
        raise ValueError(f"{advice}; got {bounds!r}")
    try:
        lowest, highest = (float(end) for end in bounds)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"{advice}; got ends of type {type(bounds[0]).__name__}: for a range of its own for each feature, let a "
            "first layer of the model map [0, 1] to it"
        ) from None
    if math.isinf(lowest) or math.isinf(highest):
        raise ValueError(
            f"{advice}; got {(lowest, highest)}: for data without natural limits take those of the data, such as "
            "(x.min().item(), x.max().item()), or wider ones"
        )
    if not lowest < highest:
        raise ValueError(f"{advice}; got {(lowest, highest)}")
    return lowest, highest


def check_inputs(x: object, y: object, bounds: tuple[float, float]) -> None:
    """Refuse a batch that an attack or a game would silently get wrong.

    Args:
        x: floating point, ``[batch, ...]``, within ``bounds`` up to :data:`ROUNDING` of their width.
        y: int64, ``[batch]``, from 0 on, on the device of ``x``.
        bounds: the range of the input.

    Raises:
        ValueError: see above.
    """
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        raise ValueError(
            f"inputs and labels must be tensors, got {type(x).__name__} and {type(y).__name__}: "
            "torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y)?"
        )
    check_floating(x, bounds)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"inputs must be a batch of at least one, [batch, ...], got shape {tuple(x.shape)}")
    if y.shape == (1,) and len(x) != 1 and x.ndim < 4:
        raise ValueError(
            f"got one label for inputs of shape {tuple(x.shape)}, which is read as a batch of {len(x)}: for a single "
            "sample add the batch dimension, x[None]"
        )
    check_labels(y, len(x))
    if y.dtype != torch.int64:
        raise ValueError(f"labels must be int64 class numbers, got {y.dtype}: y.long()")
    if y.device != x.device:
        raise ValueError(f"inputs are on {x.device} and labels on {y.device}: move them to one device")
    check_range(x, bounds)
    if int(y.min()) < 0:
        raise ValueError(f"labels must be class numbers from 0, got {int(y.min())}")


def check_floating(x: Tensor, bounds: tuple[float, float] = (0.0, 1.0)) -> None:
    """Refuse inputs that are not floating point.

    Raises:
        ValueError: see above; bytes are told from whole numbers that may be token ids.
    """
    if x.is_floating_point():
        return
    if x.dtype == torch.uint8:
        raise ValueError(
            f"inputs must be floating point, got {x.dtype}: for pixels in [0, 1], x.float() / 255"
        )
    raise ValueError(
        f"inputs must be floating point within [{bounds[0]:g}, {bounds[1]:g}], got {x.dtype}: x.float() for "
        "numbers; token ids cannot move by a small step: split the model after its embedding and attack that"
    )


def check_labels(y: Tensor, count: int, where: str = "") -> None:
    """Refuse labels that are not one class number for each sample, with the advice that fits their shape.

    Args:
        y: the labels.
        count: how many samples there are.
        where: added to the message, such as " in batch 3".

    Raises:
        ValueError: see above.
    """
    if y.shape == (count,) and not (y.is_floating_point() or y.is_complex() or y.dtype == torch.bool):
        return
    if y.shape == (count,):
        advice = "y.long(), where they are class numbers"
    elif y.shape == (count, 1):
        advice = "y.squeeze(1)"
    elif y.ndim >= 3:
        advice = "one label for each sample is supported, not one for each pixel (segmentation)"
    elif y.ndim == 2 and len(y) == count and _one_hot(y):
        advice = "for one-hot labels, y.argmax(dim=1)"
    elif y.ndim == 2 and len(y) == count:
        advice = "several classes for one sample (multi-label) or soft labels are not supported"
    elif y.ndim == 0 or len(y) != count:
        advice = f"as many labels as samples, {count}"
    else:
        advice = "one class number for each sample"
    raise ValueError(
        f"labels must be class numbers of shape ({count},), got {y.dtype} of shape {tuple(y.shape)}{where}: {advice}"
    )


def _one_hot(y: Tensor) -> bool:
    return bool(((y == 0) | (y == 1)).all() & (y.sum(dim=1) == 1).all())


def check_range(x: Tensor, bounds: tuple[float, float], mend: str = "pass bounds= to the attack") -> None:
    """Refuse inputs that are not finite numbers within ``bounds``, up to rounding.

    Args:
        x: the inputs.
        bounds: their range.
        mend: what else helps, where the range is right for these inputs.

    Raises:
        ValueError: see above.
    """
    lowest, highest = bounds
    slack = ROUNDING * (highest - lowest)
    least, most = (end.item() for end in x.aminmax())
    if math.isnan(least) or math.isnan(most) or math.isinf(least) or math.isinf(most):
        raise ValueError(
            f"inputs must be finite, got values from {least:.4g} to {most:.4g}: mend or leave out such samples"
        )
    if not (least >= lowest - slack and most <= highest + slack):
        raise ValueError(
            f"inputs must lie within [{lowest:g}, {highest:g}], got values from {least:.4g} to {most:.4g}: keep images "
            f"in their natural range and put the normalisation into the model (advnotes.nets.Normalize), or {mend}"
        )


def clip_rounding(x: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Inputs that passed :func:`check_range`, brought back to the ends that rounding missed."""
    lowest, highest = bounds
    least, most = x.aminmax()
    return x if bool((least >= lowest) & (most <= highest)) else x.clamp(lowest, highest)


def check_logits(logits: object, y: Tensor) -> None:
    """Refuse a model whose output is not one row of logits for each sample, or has no logit for a label.

    Raises:
        ValueError: see above.
    """
    classes = check_logits_shape(logits, len(y))
    if len(y) and int(y.max()) >= classes:
        raise ValueError(
            f"labels go up to {int(y.max())}, but the model has {classes} classes, 0 to {classes - 1}: do they count "
            "from 1, or belong to another model?"
        )


def check_logits_shape(logits: object, count: int) -> int:
    """Refuse what is not one row of logits for each of ``count`` samples, and return the number of classes.

    Raises:
        ValueError: see above.
    """
    if isinstance(logits, torch.nn.Module):
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
    logits = model(x)
    check_logits(logits, y)
    return logits


def check_finite_logits(logits: Tensor, rows: Tensor | None = None) -> None:
    """Refuse logits that are not finite; the first sample is named.

    Args:
        logits: of some samples.
        rows: the samples' numbers in the data; counted from 0 where they are left out.

    Raises:
        ValueError: see above.
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
    """Refuse a model that cannot be called.

    Raises:
        ValueError: see above; for an estimator it names the adapter.
    """
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


def dtype_mistake(model: Callable[[Tensor], Tensor], x: Tensor, error: Exception | None = None) -> str:
    """Why a call of ``model`` with ``x`` may have failed in torch: another precision; empty where it is the same.

    Args:
        model: a module, or a callable that reaches some.
        x: its input.
        error: what torch raised; where it is given and is not about dtypes, there is no such mistake.
    """
    if error is not None and not re.search(r"dtype|scalar type|[Tt]ype \(", str(error)):
        return ""
    parameters = (p for module in modules(model).values() for p in module.parameters())
    first = next((p for p in parameters if p.is_floating_point()), None)
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


def check_device(device: str | torch.device) -> torch.device:
    """A device that is there.

    Raises:
        ValueError: where there is none of that name; it lists those that are there.
    """
    try:
        wanted = torch.device(device)
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        there += ["mps"] if torch.backends.mps.is_available() else []
        raise ValueError(
            f"there is no device {device!r} here ({str(error).splitlines()[0]}): {', '.join(there)}"
        ) from None
    return wanted
