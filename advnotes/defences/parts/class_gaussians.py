"""A Gaussian for each class, after the directions of least variance are left out."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import check_count, check_label_range, check_labels, check_number

__all__ = ["ClassGaussians", "principal_directions"]


class ClassGaussians(nn.Module):
    r"""The density of features in each class, :math:`p_k = \mathcal N(V^\top(\phi - m);\ \mu_k, \Sigma_k)`.

    :math:`V` holds the directions of largest variance of all features. Everything is fitted in float64.

    Args:
        features: ``[n, d]``, of each class at least two.
        y: their classes.
        classes: how many classes there are.
        size: how many directions are kept, at most ``d`` and ``n - 1``.
        ridge: what is added to the diagonal of each covariance, as a share of its mean: above 0.

    Raises:
        ValueError: where these do not fit together, or the features of a class do not vary.
    """

    middle: Tensor
    directions: Tensor
    means: Tensor
    roots: Tensor
    constant: Tensor

    def __init__(
        self,
        features: Float[Tensor, "n d"],
        y: Int[Tensor, " n"],
        classes: int,
        size: int = 16,
        ridge: float = 1e-3,
    ) -> None:
        super().__init__()
        check_number("ridge", ridge, above=0.0)
        check_labels(y, len(features))
        check_label_range(y, check_count("classes", classes))
        middle, directions = principal_directions(features, size)
        z = (features.double() - middle) @ directions
        counts = y.bincount(minlength=classes)
        if int(counts.min()) < 2:
            raise ValueError(
                f"a Gaussian wants at least 2 samples of each class, got {int(counts.min())} of class "
                f"{int(counts.argmin())}: fit to more data"
            )
        means = torch.stack([z[y == k].mean(dim=0) for k in range(classes)])
        spread = torch.stack(
            [(z[y == k] - means[k]).T @ (z[y == k] - means[k]) / (counts[k] - 1) for k in range(classes)]
        )
        share = ridge * spread.diagonal(dim1=1, dim2=2).mean(dim=1)
        if not bool((share > 0).all()):
            raise ValueError(
                f"the features of class {int(share.argmin())} do not vary: are they constant in the training set?"
            )
        spread = spread + share[:, None, None] * torch.eye(size, dtype=z.dtype, device=z.device)
        factor = torch.linalg.cholesky(spread)
        # Rows of whitening: |R_k (z - mu_k)| is the Mahalanobis distance.
        roots = torch.linalg.solve_triangular(
            factor, torch.eye(size, dtype=z.dtype, device=z.device), upper=False
        )
        constant = factor.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        held = {
            "middle": middle,
            "directions": directions,
            "means": means,
            "roots": roots,
            "constant": constant,
        }
        for name, value in held.items():
            self.register_buffer(name, value.to(features.dtype))

    def forward(self, features: Float[Tensor, "batch d"]) -> Float[Tensor, "batch classes"]:
        r""":math:`-\log p_k` for each class, in nats, without the constant :math:`\frac{r}{2} \log 2\pi`."""
        z = (features - self.middle) @ self.directions
        white = torch.einsum("kij,bkj->bki", self.roots, z[:, None] - self.means)
        return white.square().sum(dim=2) / 2 + self.constant


def principal_directions(
    features: Float[Tensor, "n d"], size: int
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d size"]]:
    """Their mean, and the ``size`` directions in which they vary most; in float64.

    Raises:
        ValueError: where there are not so many.
    """
    most = min(features.shape[1], len(features) - 1)
    if check_count("size", size) > most:
        raise ValueError(
            f"size must be at most {most}, since there are {len(features)} samples of {features.shape[1]} numbers, "
            f"got {size}"
        )
    wide = features.detach().double()
    middle = wide.mean(dim=0)
    spread = (wide - middle).T @ (wide - middle)
    return middle, torch.linalg.eigh(spread).eigenvectors[:, -size:]
