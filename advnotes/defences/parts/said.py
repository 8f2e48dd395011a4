"""What the guarded classifier says of an input: a detector asks whether the input looks like that."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.checks import call_model, check_logits_shape
from advnotes.model_state import NO_CLASS, Model, prediction

__all__ = ["class_said"]


def class_said(
    model: Model, x: Float[Tensor, "batch ..."], classes: int
) -> tuple[Int[Tensor, " batch"], Bool[Tensor, " batch"]]:
    """The class of each input, without a gradient, and where there is none since the logits are not all finite.

    Raises:
        ValueError: where the model does not return logits, or has more classes than the detector was fitted to.
    """
    with torch.no_grad():
        logits = call_model(model, x)
        found = check_logits_shape(logits, len(x))
        if found > classes:
            raise ValueError(
                f"the classifier has {found} classes, and the detector was fitted to {classes}: fit it to samples of "
                "every class that can be said"
            )
        said = prediction(logits)
    return said.clamp(min=0), said == NO_CLASS
