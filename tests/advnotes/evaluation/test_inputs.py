"""Samples and labels: what they may come in, what is refused in which words, and an order of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from advnotes.checks import check_label_range
from advnotes.evaluation import inputs
from advnotes.evaluation.inputs import EvaluationData
from advnotes.seeds import content_seeds
from advnotes.threats import L2, Linf, Threat
from tests.advnotes.evaluation import models

X, Y = models.points(20)

#: As without the tests' type checker, which would answer first.
READ, check_radius = inspect.unwrap(inputs.read_data), inspect.unwrap(inputs.check_radius)


def read(data: Any, size: Any = None, bounds: tuple[float, float] = (0.0, 1.0)) -> tuple[Tensor, Tensor]:
    return READ(data, size, bounds)


def hashed(x: Tensor, y: Tensor, threat: Threat) -> str:
    order = torch.arange(len(x))
    return inputs.data_hash(EvaluationData(x, y, order, threat, (0.0, 1.0), torch.device("cpu"), order))


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(zip(X, Y, strict=True))


WAYS: dict[str, Callable[[], Any]] = {
    "a pair": lambda: (X, Y),
    "a pair in a list": lambda: [X, Y],
    "two batches": lambda: [(X[:7], Y[:7]), (X[7:], Y[7:])],
    "lists as batches": lambda: ([x[None], y[None]] for x, y in zip(X, Y, strict=True)),
    "a dataset": lambda: TensorDataset(X, Y),
    "a dataset without a length": Stream,
    "a loader": lambda: DataLoader(TensorDataset(X, Y), batch_size=6),
    "one that is read already": lambda: iter([(X[:7], Y[:7]), (X[7:], Y[7:])]),
}


@pytest.mark.parametrize("size", [None, 1, 7, 8, 20, 30])
@pytest.mark.parametrize("way", WAYS)
def test_the_first_samples_are_read_from_whatever_holds_them(way: str, size: int | None) -> None:
    x, y = read(WAYS[way](), size)
    assert torch.equal(x, X[:size])
    assert torch.equal(y, Y[:size])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
def test_labels_become_int64_and_samples_keep_their_dtype_but_no_graph(dtype: torch.dtype) -> None:
    x, y = read((X.double().requires_grad_() * 1, Y.to(dtype)))
    assert (x.dtype, y.dtype) == (torch.float64, torch.int64)
    assert not x.requires_grad
    assert torch.equal(y, Y)


def test_nothing_is_read_beyond_what_is_wanted() -> None:
    given = []

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            given.append(8)
            yield X[:8], Y[:8]

    assert len(read(batches(), 16)[0]) == 16
    assert sum(given) == 16


TWICE = torch.nn.functional.one_hot(Y, 2)


@pytest.mark.parametrize(
    ("data", "size", "message"),
    [
        (X, None, r"a tensor without labels: pass \(x, y\), or a DataLoader"),
        (3, None, r"data is \(x, y\), a DataLoader.*got int$"),
        (None, None, "got NoneType"),
        ((X, Y), 0, "size must be a whole number of at least 1, got 0"),
        ((X, Y), -3, "of at least 1, got -3"),
        ((X, Y), True, "of at least 1, got True"),
        ((X, Y), 2.5, "of at least 1, got 2.5"),
        ((X[:0], Y[:0]), None, "there are no samples: data is empty .*read before"),
        ([], None, "there are no samples"),
        (iter(()), 5, "there are no samples"),
        ([(X[:0], Y[:0])] * 3, None, "there are no samples"),
        ([(X, Y), {"x": X, "y": Y}, 0], None, "batch 1 is a dict, expected samples and labels.*collate_fn"),
        ([{"x": X}, {"x": X}], None, "batch 0 is a dict"),
        ([X[:4], X[4:8], X[8:]], None, "batch 0 is a Tensor"),
        ([(X, Y, Y)], None, r"batch 0 is a tuple"),
        ((X, ["a"] * 20), None, "must be tensors or arrays of numbers, got Tensor and list in batch 0"),
        ([(X, Y), (X, np.array(["a"] * 20))], None, "got Tensor and ndarray in batch 1"),
        (((255 * X).byte(), Y), None, r"must be floating point, got torch\.uint8.*x\.float\(\) / 255"),
        ((X > 0.5, Y), None, r"must be floating point .*got torch\.bool"),
        ((X.to(torch.complex64), Y), None, r"must be floating point .*got torch\.complex64"),
        ((X[0], Y[:6]), None, r"come in batches, \[batch, \.\.\.\], got the shape \(6,\)"),
        ((torch.tensor(0.5), Y), None, r"got the shape \(\)"),
        ((X, Y[:7]), None, r"class numbers of shape \(20,\), got torch\.int64 of shape \(7,\) in batch 0"),
        ([(X, Y), (X[:3], Y[:2])], None, r"of shape \(3,\), got torch\.int64 of shape \(2,\) in batch 1"),
        ((X, Y.float()), None, "got torch.float32"),
        ((X, Y.bool()), None, "got torch.bool"),
        ((X, Y.to(torch.complex64)), None, "got torch.complex64"),
        ((X, Y[:, None]), None, r"got torch\.int64 of shape \(20, 1\) in batch 0: y\.squeeze\(1\)"),
        ((X, torch.zeros(20, 3, 3).long()), None, "one label for each sample .*not .*each pixel"),
        ((X, torch.ones(20, 4)), None, r"several classes for one sample \(multi-label\)"),
        ((torch.randint(0, 99, (20, 6)), Y), None, "token ids"),
        ((X, TWICE), None, r"shape \(20, 2\).*for one-hot labels, y\.argmax\(dim=1\)"),
        (
            [(X[:4], Y[:4]), (X[4:, :3], Y[4:])],
            None,
            r"batch 1 has samples of shape \(3,\) in torch\.float32, those before it \(6,\).*one shape",
        ),
        (
            [(X[:4], Y[:4]), (X[4:].double(), Y[4:])],
            None,
            r"batch 1 .*in torch\.float64, those before it .*torch\.float32: .*one dtype",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_where_and_how_to_mend_it(
    data: Any, size: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(data, size)


def test_a_bad_batch_beyond_the_wanted_size_is_not_met() -> None:
    assert len(read([(X, Y), "nonsense"], 20)[0]) == 20
    with pytest.raises(ValueError, match="batch 1 is a str"):
        read([(X, Y), "nonsense"], 21)


def with_value(rows: list[int], value: float) -> Tensor:
    x = X.clone()
    x[rows, 2] = value
    return x


@pytest.mark.parametrize(
    ("x", "bounds", "message"),
    [
        (with_value([11, 4], 1.5), (0.0, 1.0), r"within \[0, 1\], got values from .* to 1\.5 in sample 4"),
        (
            with_value([4], -0.25),
            (0.0, 1.0),
            r"from -0\.25 to .* in sample 4: .*normalisation into the model",
        ),
        (255 * X, (0.0, 1.0), r"in sample 0: .*or say bounds=\(lowest, highest\)"),
        (X, (0.5, 1.0), r"within \[0\.5, 1\]"),
        (
            with_value([9, 13], torch.nan),
            (0.0, 1.0),
            "inputs must be finite.* in sample 9: mend or leave out",
        ),
        (with_value([9], -torch.inf), (0.0, 1.0), "inputs must be finite.* in sample 9"),
    ],
)
def test_values_outside_the_range_are_refused_and_the_first_sample_named(
    x: Tensor, bounds: tuple[float, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read((x, Y), None, bounds)


def test_what_misses_the_range_by_rounding_is_clipped() -> None:
    x = with_value([3], 1.0 + 1e-7)
    x[5, 0] = -3e-8
    clipped, _ = read((x, Y))
    assert torch.equal(clipped, x.clamp(0, 1))
    spread, _ = read((2 * X.clamp(0, 1) - 1, Y), None, (-1.0, 1.0))
    assert torch.equal(spread, 2 * X - 1)
    with pytest.raises(ValueError, match="sample 3"):
        read((with_value([3], 1 + 1e-5), Y))


def test_arrays_and_lists_of_labels_are_taken() -> None:
    for data in ((X.numpy(), Y.numpy()), (X, Y.tolist()), [(X.numpy(), Y.numpy())]):
        x, y = read(data)
        assert torch.equal(x, X)
        assert torch.equal(y, Y)
    assert read((X.double().numpy(), Y.numpy()))[0].dtype == torch.float64


class Pictures(Dataset[Any]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, row: int) -> tuple[Any, int]:
        return Image.new("L", (8, 8)), row


def test_pictures_that_are_no_tensors_are_told_how_to_become_some() -> None:
    for data in (Pictures(), DataLoader(Pictures(), batch_size=2)):
        with pytest.raises(ValueError, match=r"cannot be put into a batch .*PIL.*ToTensor\(\)"):
            read(data)


@pytest.mark.parametrize(
    ("label", "classes", "message"),
    [
        (2, 2, "labels must lie from 0 to 1, got 2 for sample 6: do they count from 1"),
        (-1, 2, "got -1 for sample 6"),
        (10, 10, "from 0 to 9, got 10 for sample 6"),
    ],
)
def test_labels_without_a_logit_are_refused_and_the_first_named(
    label: int, classes: int, message: str
) -> None:
    y = Y.clone()
    y[[6, 15]] = label
    with pytest.raises(ValueError, match=message):
        check_label_range(y, classes)
    check_label_range(Y, classes)


@pytest.mark.parametrize(
    ("threat", "message"),
    [
        (0.3, r"expected a threat such as Linf\(8 / 255\), got 0\.3"),
        (Linf, "expected a threat"),
        (None, "expected a threat"),
        (Linf(torch.ones(19)), "one value for each of 19 samples, but there are 20"),
        (L2(float("inf")), "wants a finite eps"),
        (L2(torch.tensor([1.0] * 19 + [torch.inf])), "wants a finite eps"),
    ],
)
def test_a_threat_without_a_radius_for_every_sample_is_refused(threat: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_radius(threat, 20)
    inputs.check_radius(Linf(torch.zeros(20)), 20)
    inputs.check_radius(Linf(torch.tensor(0.1)), 20)


@given(st.permutations(range(20)))
@settings(max_examples=20)
def test_the_order_is_of_the_samples_and_not_of_how_they_came(order: list[int]) -> None:
    # The first four are one sample, told apart by their radii alone.
    x, y, eps = X.clone(), Y.clone(), torch.linspace(0, 1, 20)
    x[:4], y[:4] = x[0].clone(), 1
    threat, rows = Linf(eps), torch.tensor(order)
    one = inputs.canonical_order(x, y, threat)
    other = rows[inputs.canonical_order(x[rows], y[rows], threat.rows(rows))]
    assert sorted(one.tolist()) == list(range(20))
    assert torch.equal(one, other)


def test_the_digest_is_of_every_bit() -> None:
    fixed, own = Linf(0.1), Linf(torch.full((20,), 0.1))
    digests = [hashed(X, Y, fixed), hashed(X, Y, own)]
    assert hashed(X.clone(), Y.clone(), Linf(0.2)) == digests[0], "one radius is none of the data"
    nudged, relabelled, radii = X.clone(), Y.clone(), torch.full((20,), 0.1)
    nudged[19, 5] = torch.nextafter(nudged[19, 5], torch.tensor(1.0))
    relabelled[19] = 1 - relabelled[19]
    radii[19] *= 2
    digests += [
        hashed(nudged, Y, fixed),
        hashed(X, relabelled, fixed),
        hashed(X, Y, Linf(radii)),
        hashed(X.double(), Y, fixed),
        hashed(X.view(20, 2, 3), Y, fixed),
        hashed(X[:19], Y[:19], fixed),
    ]
    assert len(set(digests)) == len(digests)


def test_the_digest_reaches_the_last_of_many_samples() -> None:
    x = torch.zeros(2 * inputs.ROWS + 9, 3)
    y = torch.zeros(len(x), dtype=torch.int64)
    before = hashed(x, y, Linf(0.1))
    x[-1, -1] = 1
    assert hashed(x, y, Linf(0.1)) != before


def test_many_samples_have_the_seeds_and_the_order_of_all_at_once() -> None:
    x = torch.rand(2 * inputs.ROWS + 9, 3, generator=torch.Generator().manual_seed(0))
    y = torch.arange(len(x)) % 3
    assert torch.equal(inputs.seeds_of(x, y, 5), content_seeds(x, y, 5))
    assert not torch.equal(inputs.seeds_of(x, y, 5), inputs.seeds_of(x, y, 6))
    order = inputs.canonical_order(x, y, Linf(0.1))
    ordered = inputs.seeds_of(x, y, 0)[order]
    assert torch.equal(ordered, ordered.sort().values)
