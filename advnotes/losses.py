"""Losses with one value for each sample: what an attack ascends and a defence descends."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "Loss",
    "cross_entropy",
    "dlr",
    "entropy",
    "kl",
    "kl_slope",
    "margin",
    "margin_loss",
    "reach_dlr",
    "targeted_dlr",
    "targeted_margin",
]

#: ``loss(logits, y)`` with one value for each sample, larger where the prediction is worse.
Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(
    logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    r"""Cross-entropy :math:`-\log p_y = \log\sum_j e^{z_j} - z_y` of each sample, in nats."""
    return F.cross_entropy(logits, y, reduction="none")


def kl(
    logits: Float[Tensor, "batch classes"], other: Float[Tensor, "batch classes"]
) -> Float[Tensor, " batch"]:
    r"""How far a prediction is from another, :math:`\mathrm{KL}(p\,\|\,q) = \sum_k p_k (\log p_k - \log q_k)`.

    Args:
        logits, other: of :math:`p` and of :math:`q`; differentiable in both, so detach what is to stand still.

    Returns:
        The divergence of each sample, in nats; half precisions are summed in float32.
    """
    log_p, log_q = (_log_softmax(z) for z in (logits, other))
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(dim=1)


def kl_slope(
    logits: Float[Tensor, "batch classes"], other: Float[Tensor, "batch classes"]
) -> Float[Tensor, "batch classes"]:
    r"""The gradient of :math:`\mathrm{KL}(p\,\|\,q)` in the logits of :math:`q`: :math:`q - p`, without rounding.

    Where the two are almost equal, or almost 0 or 1, the plain difference would be rounding. It is
    :math:`p\,(e^c - 1)` with :math:`c = \log q - \log p`, which comes from differences of logits.
    """
    p, q = logits.softmax(dim=1), other.softmax(dim=1)
    likeliest = p.argmax(dim=1, keepdim=True)
    c = (other - other.gather(1, likeliest)) - (logits - logits.gather(1, likeliest))
    near = c.abs().amax(dim=1, keepdim=True) < 1
    c = c.clamp(-1, 1)  # elsewhere it would overflow, and the plain difference is exact enough
    c = c - torch.log1p((p * torch.expm1(c)).sum(dim=1, keepdim=True))
    return torch.where(near, p * torch.expm1(c), q - p)


def entropy(logits: Float[Tensor, "batch classes"]) -> Float[Tensor, " batch"]:
    r"""How undecided a prediction is, :math:`\mathrm{H}(p) = -\sum_k p_k \log p_k`, for each sample, in nats."""
    log_p = _log_softmax(logits)
    return -(log_p.exp() * log_p).sum(dim=1)


def margin(logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    r"""Margin :math:`z_y - \max_{j \neq y} z_j`: positive where the prediction is right.

    The true class is masked with :math:`-\infty`, not with zero, so that it is right for logits of any sign:
    ``(-1, -5, -9)`` with true class 0 has margin 4.

    Raises:
        ValueError: where there are fewer than two classes.
    """
    if logits.shape[1] < 2:
        raise ValueError(f"a margin wants at least 2 classes, got logits of shape {tuple(logits.shape)}")
    true = F.one_hot(y, logits.shape[1]).bool()
    others = logits.masked_fill(true, -torch.inf).amax(dim=1)
    return logits.gather(1, y[:, None]).squeeze(1) - others


def margin_loss(logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    r"""The margin turned round, :math:`\max_{j \neq y} z_j - z_y`: positive where the sample is fooled.

    Its gradient does not vanish when the softmax saturates, which makes it the loss to try when cross-entropy
    finds nothing (Carlini and Wagner 2017, :math:`f_6` without its clamp).
    """
    return -margin(logits, y)


def dlr(logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    r"""Difference of logits ratio (Croce and Hein 2020, equation 6), with :math:`z_{\pi_1} \ge z_{\pi_2} \ge \dots`:

    .. math:: -\frac{z_y - \max_{j \neq y} z_j}{z_{\pi_1} - z_{\pi_3}}

    The margin loss in a unit of its own: it does not change when the logits are shifted or multiplied, so that a
    model cannot hide behind large ones. Between -1 and 0 where the prediction is right, positive where it is wrong.

    It is made to leave a class. Where ``y`` is the third likeliest class (with three classes: the last), the two
    differences are one and the same: the loss is 1, and its gradient zero. The prediction is wrong there, so that an
    adversary that leaves ``y`` is done; one that is to reach ``y`` would get nowhere, and attacks refuse this loss with
    ``targeted``: there :func:`reach_dlr` takes its place.

    Raises:
        ValueError: where there are fewer than three classes.
    """
    if logits.shape[1] < 3:
        raise ValueError(
            f"the difference of logits ratio wants at least 3 classes, got logits of shape {tuple(logits.shape)}: use "
            "margin_loss, its numerator"
        )
    highest, own = logits.topk(3, dim=1).values, logits.gather(1, y[:, None]).squeeze(1)
    ratio = margin_loss(logits, y) / _least_spread(highest[:, 0] - highest[:, 2])
    # The quotient's gradient would be rounding there, of which an attack by signs makes whole steps.
    third = (own == highest[:, 2]) & (own < highest[:, 0])
    return torch.where(third, torch.ones_like(ratio), ratio)


def reach_dlr(logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    r"""Difference of logits ratio for an adversary that is to reach ``y`` from wherever it is: to be lowered.

    .. math:: -\frac{z_y - \max_{j \neq y} z_j}{z_{\pi_1} - (z_{\pi_3} + z_{\pi_4}) / 2}

    The numerator is that of :func:`dlr`, which asks for no true class; the denominator is that of Croce and Hein 2020,
    equation 7, so that it has a gradient whatever place ``y`` has among the classes. For ``targeted=True``.

    Raises:
        ValueError: where there are fewer than four classes.
    """
    return margin_loss(logits, y) / _spread(logits, "margin_loss")


def targeted_margin(
    logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"], target: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    r"""How far one wrong class is ahead of the true one, :math:`z_t - z_y`: positive where the sample is fooled."""
    return (logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])).squeeze(1)


def targeted_dlr(
    logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"], target: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    r"""Difference of logits ratio towards one wrong class ``target`` (Croce and Hein 2020, equation 7):

    .. math:: -\frac{z_y - z_t}{z_{\pi_1} - (z_{\pi_3} + z_{\pi_4}) / 2}

    Raises:
        ValueError: where there are fewer than four classes.
    """
    return targeted_margin(logits, y, target) / _spread(logits, "targeted_margin")


def _spread(logits: Tensor, numerator: str) -> Tensor:
    r"""The denominator of equation 7, :math:`z_{\pi_1} - (z_{\pi_3} + z_{\pi_4}) / 2`."""
    if logits.shape[1] < 4:
        raise ValueError(
            "the targeted difference of logits ratio wants at least 4 classes, got logits of shape "
            f"{tuple(logits.shape)}: use {numerator}, its numerator"
        )
    highest = logits.topk(4, dim=1).values
    return _least_spread(highest[:, 0] - (highest[:, 2] + highest[:, 3]) / 2)


def _least_spread(spread: Tensor) -> Tensor:
    """At least 1e-12, as in the authors' code: a ratio to less would have a gradient beyond the largest number."""
    return spread.clamp_min(max(1e-12, torch.finfo(spread.dtype).tiny))


def _log_softmax(logits: Tensor) -> Tensor:
    return F.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=1)
