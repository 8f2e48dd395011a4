"""Mean average precision: scikit-learn's, query by query, and what is known without computing."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import average_precision_score

from advnotes.metrics import mean_average_precision


def drawn(seed: int, n: int = 30, m: int = 50, d: int = 4) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    queries, gallery = torch.randn(n, d, generator=draw), torch.randn(m, d, generator=draw)
    return queries, torch.arange(n) % 3, gallery, torch.arange(m) % 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("coarse", [False, True])
def test_it_is_scikit_learn_s_ties_too(seed, coarse):
    queries, y, gallery, classes = drawn(seed)
    if coarse:  # few different points: most similarities occur several times, to the last bit
        gallery, queries = torch.eye(4)[torch.arange(50) % 4], torch.eye(4)[torch.arange(30) * 7 % 4]
    similarity = F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T
    wanted = [average_precision_score(classes == of, row) for of, row in zip(y, similarity, strict=True)]
    assert mean_average_precision(queries, y, gallery, classes) == pytest.approx(np.mean(wanted), abs=1e-9)


def test_by_hand():
    angles = torch.tensor([0.1, 0.2, 0.3, 0.4])
    gallery = torch.stack([angles.cos(), angles.sin()], dim=1)
    found = mean_average_precision(
        torch.tensor([[5.0, 0.0]]), torch.tensor([1]), gallery, torch.tensor([1, 0, 0, 1])
    )
    assert found == pytest.approx((1 / 1 + 2 / 4) / 2)


def test_perfect_worst_and_blind():
    points = torch.eye(3).repeat(4, 1)
    classes = torch.arange(3).repeat(4)
    assert mean_average_precision(points, classes, 7 * points, classes) == 1
    apart = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert mean_average_precision(apart, torch.tensor([0, 1]), -apart, torch.tensor([0, 1])) == 0.5
    blind = mean_average_precision(torch.zeros(3, 2), torch.arange(3), points[:, :2], classes)
    assert blind == pytest.approx(1 / 3)  # all are found together


def test_arrays_whole_numbers_and_lengths_do_not_matter():
    queries, y, gallery, classes = drawn(5)
    plain = mean_average_precision(queries, y, gallery, classes)
    assert mean_average_precision(queries.numpy(), y, gallery.numpy(), classes) == plain
    lengths = torch.linspace(0.5, 3, len(gallery))[:, None]
    assert mean_average_precision(queries, y, gallery * lengths, classes) == pytest.approx(plain, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: (a[0][:, :3], *a[1:]), "one width, got 3 and 4 features"),
        (lambda a: (a[0], a[1] + 9, *a[2:]), "nothing of class 9, which query 0 asks for"),
        (lambda a: (a[0], a[1][:4], *a[2:]), "30"),
        (lambda a: (a[0], a[1].tolist(), *a[2:]), "query_classes must be a tensor, got list"),
        (lambda a: (a[0] / 0, *a[1:]), "queries must be finite"),
        (lambda a: (a[0][0], *a[1:]), r"shape \[samples, features\]"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_it_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        mean_average_precision(*change(drawn(0)))
