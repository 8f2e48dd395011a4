"""How often a perturbation changes what a model says: no labels needed."""

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_count, check_finite_logits, check_model
from advnotes.metrics.accuracy import Proportion
from advnotes.model_state import (
    GuardedModel,
    Model,
    attacked,
    device_of,
    prediction,
    warn_of_non_finite_logits,
)

__all__ = ["fooling_rate"]


def fooling_rate(
    model: Model, x: Float[Tensor, "batch ..."], x_adv: Float[Tensor, "batch ..."], *, batch_size: int = 500
) -> Proportion:
    r"""The share of inputs whose predicted class changes, :math:`\hat k(x') \ne \hat k(x)`.

    What Moosavi-Dezfooli et al. 2017 measure (equation 1). An input that was wrong all along and stays so is not
    fooled, and one that becomes right is: for the true classes see
    :func:`~advnotes.metrics.robust_accuracy`.

    Args:
        model: maps inputs to logits ``[batch, classes]``; seen in eval mode, its modes are put back afterwards.
        x, x_adv: the inputs and what became of them, moved to the model's device batch by batch.
        batch_size: how many inputs at a time.

    Warns:
        NonFiniteLogitsWarning: where the logits of perturbed inputs are not finite; these count as fooled.

    Raises:
        ValueError: where there are no inputs, the two differ in shape, the logits are not as expected (at ``x``: not
            finite), or ``batch_size`` is less than 1.
    """
    if x.shape != x_adv.shape or len(x) == 0:
        raise ValueError(
            f"expected at least one input and as many perturbed ones, got shapes {tuple(x.shape)} and "
            f"{tuple(x_adv.shape)}"
        )
    check_model(model)
    check_count("batch_size", batch_size)
    device = device_of(model, x)
    guarded, changed, perturbed = GuardedModel(model, device), 0, []
    with torch.no_grad(), attacked(model):
        for number, (clean, moved) in enumerate(
            zip(x.split(batch_size), x_adv.split(batch_size), strict=True)
        ):
            logits = guarded(clean.to(device))
            check_finite_logits(logits, number * batch_size + torch.arange(len(clean)))
            perturbed.append(prediction(guarded(moved.to(device))))
            changed += int((logits.argmax(dim=1) != perturbed[-1]).sum())
    warn_of_non_finite_logits(torch.cat(perturbed))
    return Proportion(changed, len(x))
