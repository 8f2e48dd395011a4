"""What users call numbers, as float64: of text, dates and complex numbers NumPy would make some without a word."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

__all__ = ["float_array"]


def float_array(given: ArrayLike) -> NDArray[np.float64]:
    """The numbers as float64, copied; a tensor's wherever it is.

    Raises:
        ValueError: where they are text, dates, complex numbers or no array; it says why.
    """
    try:
        values: Any = given.detach().cpu().numpy() if isinstance(given, Tensor) else given
        kind = np.asarray(values).dtype
        if kind.kind not in "biufO":
            raise ValueError(f"got {kind}, which are no real numbers")
        return np.array(values, dtype=np.float64)
    except (TypeError, RuntimeError) as error:
        raise ValueError(str(error)) from None
