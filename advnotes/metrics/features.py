"""Features of samples as metrics take them: a matrix of finite numbers, in a precision that can be computed in."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["AnyArray", "as_matrix", "as_numbers", "as_pair"]

#: An array in a shape that jaxtyping checks, for which it takes the bare class.
if TYPE_CHECKING:
    AnyArray = NDArray[Any]
else:
    AnyArray = np.ndarray


def as_numbers(name: str, values: Tensor | NDArray[np.generic]) -> Tensor:
    """The same numbers, without a graph: float32 and float64 as they are, long whole numbers as float64.

    Everything else comes as float32.

    Args:
        name: of the argument, for messages.
        values: a tensor or an array of numbers.

    Raises:
        ValueError: where they are none, or one is not finite.
    """
    if not isinstance(values, (Tensor, np.ndarray)):
        raise ValueError(
            f"{name} must be a tensor or an array, got {type(values).__name__}: torch.as_tensor(values)"
        )
    try:
        numbers = torch.as_tensor(values).detach()
    except TypeError:
        raise ValueError(f"{name} must hold numbers, got an array of {values.dtype}") from None
    if numbers.is_complex():
        raise ValueError(f"{name} must hold real numbers, got {numbers.dtype}")
    if numbers.dtype not in (torch.float32, torch.float64):
        wide = (
            not numbers.is_floating_point() and numbers.element_size() >= 4
        )  # float32 would merge neighbours
        numbers = numbers.double() if wide else numbers.float()
    # The sum takes one pass; it may also overflow where every number is finite.
    if not bool(numbers.sum().isfinite()) and bool((bad := ~numbers.isfinite()).any()):
        where = int(bad.reshape(len(bad), -1).any(dim=1).nonzero()[0]) if numbers.ndim else 0
        raise ValueError(
            f"{name} must be finite, got an infinity or NaN in sample {where}: leave such samples out"
        )
    return numbers


def as_matrix(name: str, values: Tensor | NDArray[np.generic], least: int = 1) -> Tensor:
    """Features, one sample in each row, ``[samples, features]``, as in :func:`as_numbers`.

    Args:
        name: of the argument, for messages.
        values: a tensor or an array of numbers.
        least: how many samples there must be.

    Raises:
        ValueError: where they have another shape, are too few, or are no finite numbers.
    """
    numbers = as_numbers(name, values)
    if numbers.ndim != 2:
        advice = (
            "with one number for each sample pass x[:, None]"
            if numbers.ndim < 2
            else "take features of a network, such as advnotes.zoo.mnist_features(), or x.flatten(1) for pixels"
        )
        raise ValueError(
            f"{name} must have the shape [samples, features], got {tuple(numbers.shape)}: {advice}"
        )
    if len(numbers) < least or numbers.shape[1] == 0:
        raise ValueError(
            f"{name} must have at least {least} samples on either side and at least 1 feature, got the shape "
            f"{tuple(numbers.shape)}"
        )
    return numbers


def as_pair(
    real: Tensor | NDArray[np.generic],
    generated: Tensor | NDArray[np.generic],
    least: int,
    least_generated: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Two sets as matrices of equally many features, as in :func:`as_matrix`.

    Args:
        real, generated: a tensor or an array of numbers.
        least: how many real samples there must be.
        least_generated: how many generated ones; None: as many.

    Raises:
        ValueError: where one is no such matrix, or they differ in their number of features.
    """
    first = as_matrix("real", real, least)
    second = as_matrix("generated", generated, least if least_generated is None else least_generated)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"real and generated must have equal numbers of features, got shapes {tuple(first.shape)} and "
            f"{tuple(second.shape)}: take both from the same network and layer"
        )
    return first, second
