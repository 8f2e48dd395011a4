"""How often a perturbation changes what a model says: no labels needed."""

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.metrics.accuracy import Proportion
from advnotes.model_state import Model, attacked, device_of

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

    Raises:
        ValueError: where there are no inputs, the two differ in shape, or ``batch_size`` is less than 1.
    """
    if x.shape != x_adv.shape or len(x) == 0:
        raise ValueError(
            f"expected at least one input and as many perturbed ones, got shapes {tuple(x.shape)} and "
            f"{tuple(x_adv.shape)}"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    device, changed = device_of(model, x), 0
    with torch.no_grad(), attacked(model):
        for before, after in zip(x.split(batch_size), x_adv.split(batch_size), strict=True):
            said, says = (model(part.to(device)).argmax(dim=1) for part in (before, after))
            changed += int((said != says).sum())
    return Proportion(changed, len(x))
