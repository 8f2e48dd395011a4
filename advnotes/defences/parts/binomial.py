"""What counts say of probabilities: the bound of Clopper and Pearson, and a test of which of two is larger."""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import beta, binom
from torch import Tensor

from advnotes.checks import check_count, check_number

__all__ = ["clopper_pearson", "unevenness"]


def clopper_pearson(k: Int[Tensor, " batch"], n: int, alpha: float) -> Float[Tensor, " batch"]:
    r"""The lower bound of a probability of which ``k`` of ``n`` samples are known, at confidence ``1 - alpha``.

    .. math:: \underline p = \max\{p : \Pr[\mathrm{Bin}(n, p) \ge k] \le \alpha\}

    In float64, 0 where ``k`` is 0. Source: Clopper & Pearson 1934.

    Raises:
        ValueError: where a count is not from 0 to ``n``, or ``alpha`` is out of range.
    """
    check_count("n", n)
    check_number("alpha", alpha, above=0.0, most=0.5)
    if not bool(((k >= 0) & (k <= n)).all()):
        raise ValueError(f"counts must lie from 0 to n={n}, got {k.min()} to {k.max()}")
    counts = k.cpu().numpy()
    return _beside(np.where(counts > 0, beta.ppf(alpha, np.maximum(counts, 1), n - counts + 1), 0.0), k)


def unevenness(k: Int[Tensor, " batch"], other: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """How likely two classes of equal probability are counted as unevenly as ``k`` and ``other``, or more so.

    The two-sided binomial test at 1/2, given how many samples are in either of them; ``k`` is the larger count.
    """
    most, rest = k.cpu().numpy(), other.cpu().numpy()
    return _beside(np.minimum(2 * binom.sf(most - 1, most + rest, 0.5), 1.0), k)


def _beside(values: np.ndarray, like: Tensor) -> Tensor:  # type: ignore[type-arg]
    """On the device of another tensor, in float64 where that has it."""
    found = torch.from_numpy(np.asarray(values))
    return (found.float() if like.device.type == "mps" else found).to(like.device)
