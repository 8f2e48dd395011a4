"""How well one set of points finds the points of its classes in another set."""

import torch
import torch.nn.functional as F
from jaxtyping import Int, Num
from torch import Tensor

from advnotes.checks import check_labels
from advnotes.metrics.features import AnyArray, as_matrix

__all__ = ["mean_average_precision"]


def mean_average_precision(
    queries: Num[Tensor, "n d"] | Num[AnyArray, "n d"],
    query_classes: Int[Tensor, " n"],
    gallery: Num[Tensor, "m d"] | Num[AnyArray, "m d"],
    gallery_classes: Int[Tensor, " m"],
) -> float:
    r"""The mean average precision of a search by cosine: are the nearest of the gallery of the query's class?

    .. math:: \mathrm{AP} = \frac{1}{\lvert R \rvert} \sum_{i \in R} \frac{\lvert \{j \in R : s_j \ge s_i\} \rvert}
        {\lvert \{j : s_j \ge s_i\} \rvert}

    for a query with similarities :math:`s_i`, where :math:`R` are the gallery's points of its class: at each right
    find, the share of right ones so far. Points of equal similarity count as found together, as in scikit-learn's
    ``average_precision_score``. 1 is perfect. Chance is about the share of the gallery that is of the query's class,
    and above it where the gallery is small.

    A search in the other direction is another number: swap the two sets.

    Args:
        queries, gallery: points, one in each row, tensors or arrays, of one width. A point of length 0 has similarity
            0 to all.
        query_classes, gallery_classes: their classes.

    Returns:
        The mean over the queries, in [0, 1].

    Raises:
        ValueError: where points and classes do not go together, a number is not finite, or a query's class is not in
            the gallery.
    """
    asked, found = as_matrix("queries", queries), as_matrix("gallery", gallery)
    if asked.shape[1] != found.shape[1]:
        raise ValueError(
            f"expected queries and gallery of one width, got {asked.shape[1]} and {found.shape[1]} features: "
            "encode both into one space"
        )
    dtype = torch.promote_types(asked.dtype, found.dtype)
    asked, found = asked.to(dtype), found.to(asked.device, dtype)
    classes = []
    for name, y, count in (
        ("query_classes", query_classes, len(asked)),
        ("gallery_classes", gallery_classes, len(found)),
    ):
        if not isinstance(y, Tensor):
            raise ValueError(f"{name} must be a tensor, got {type(y).__name__}: torch.as_tensor(...)")
        check_labels(y, count, f" in {name}")
        classes.append(y.to(asked.device))
    right = classes[0][:, None] == classes[1]
    if bool((none := ~right.any(dim=1)).any()):
        row = int(none.nonzero()[0])
        raise ValueError(
            f"the gallery has nothing of class {int(query_classes[row])}, which query {row} asks for: leave out "
            "such queries, or add to the gallery"
        )
    similarity = F.normalize(asked, dim=1) @ F.normalize(found, dim=1).T
    falling, order = similarity.sort(dim=1, descending=True)
    right = right.gather(1, order)
    # How many lie at least as near: points of equal similarity are found together.
    ends = torch.searchsorted((-falling).contiguous(), (-falling).contiguous(), right=True)
    precision = right.cumsum(dim=1).gather(1, ends - 1).double() / ends
    return float(((precision * right).sum(dim=1) / right.sum(dim=1)).mean())
