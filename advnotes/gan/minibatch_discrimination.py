"""Minibatch discrimination of Salimans et al. 2016: a layer by which a discriminator sees how alike a batch is."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.gan.standard import LARGER
from advnotes.precision import at_least_float32

__all__ = ["MinibatchDiscrimination"]


class MinibatchDiscrimination(nn.Module):
    r"""Append to each sample's features how close the other samples of its batch are.

    With a tensor :math:`T` that is learnt, sample :math:`i` has a matrix :math:`M_i = f(x_i)\,T` of ``kernels`` rows
    with ``size`` columns, and

    .. math:: o_b(x_i) = \sum_{j \ne i} \exp\bigl(-\lVert M_{i,b} - M_{j,b} \rVert_1\bigr), \qquad b = 1 \dots
        \text{kernels}

    (Salimans et al. 2016, section 3.2). The output is :math:`(f(x_i), o(x_i))`. A clump of samples has a large
    :math:`o`, and the gradient through it drives them apart. Real and generated samples go through the discriminator in
    batches of their own, as in every game of this package, and in batches of one size, since :math:`o` is a sum.

    It belongs in front of the discriminator's last layer. A sample's logit depends on its batch then, so that games
    with a penalty on gradients, or one that joins batches, refuse it as they do batch normalisation.

    Differs from the paper: :math:`j = i`, whose term is always 1, is left out, as in the authors' code.

    Args:
        features: how many features a sample comes with.
        kernels: how many closenesses are computed, :math:`B` in the paper.
        size: in how many coordinates each of them is measured, :math:`C` in the paper.

    Raises:
        ValueError: where a number is less than 1; when called, where the input is not ``[batch, features]`` or has a
            single sample.
    """

    across_batch = True  # what advnotes.nets.check_logit_network looks for

    def __init__(self, features: int, kernels: int = 16, size: int = 4) -> None:
        super().__init__()
        self.features = check_count("features", features)
        self.kernels, self.size = check_count("kernels", kernels), check_count("size", size)
        self.weight = nn.Parameter(torch.randn(features, kernels * size) / features**0.5)

    def forward(self, h: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch wider"]:
        """The features with the closenesses behind them, ``[batch, features + kernels]``."""
        if h.ndim != 2 or h.shape[1] != self.features:
            raise ValueError(
                f"expected features of shape [batch, {self.features}], got {tuple(h.shape)}: put nn.Flatten() in "
                "front, and check the number of features"
            )
        return torch.cat([h, self.closeness(h)], dim=1)

    def closeness(self, h: Float[Tensor, "batch features"]) -> Float[Tensor, "batch kernels"]:
        """How close the other samples of the batch are to each: from 0 to their number.

        Raises:
            ValueError: where there is a single sample.
        """
        if len(h) < 2:
            raise ValueError(
                f"minibatch discrimination compares the samples of a batch, got {len(h)}: pass two samples or more, as "
                f"many as in training; {LARGER}"
            )
        rows = at_least_float32(h @ self.weight).view(len(h), self.kernels, self.size).transpose(0, 1)
        return (torch.exp(-torch.cdist(rows, rows, p=1.0)).sum(dim=2).T - 1).to(h.dtype)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.features}, kernels={self.kernels}, size={self.size}"
