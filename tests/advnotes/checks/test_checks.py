"""What is refused at an entrance, and the advice that fits each case."""

import numpy as np
import pytest
import torch
from torch import nn

from advnotes.checks import (
    check_bounds,
    check_counts,
    check_finite_logits,
    check_floating,
    check_inputs,
    check_labels,
    check_logits,
    check_model,
    check_per_sample,
    check_same_kind,
    clip_rounding,
)
from advnotes.checks.models import batch_size_mistake, dtype_mistake
from advnotes.nets import mlp
from advnotes.robust import VAT

LONG = torch.int64


@pytest.mark.parametrize(
    ("y", "advice"),
    [
        (torch.zeros(6, 1, dtype=LONG), r"y\.squeeze\(1\)$"),
        (torch.zeros(6, 1), r"y\.squeeze\(1\)$"),
        (torch.eye(4)[torch.arange(6) % 4], r"one-hot labels, y\.argmax\(dim=1\)$"),
        (torch.tensor([[0.0, 1.0, 1.0, 0.0]] * 6), "multi-label"),
        (torch.full((6, 4), 0.25), "soft labels"),
        (torch.zeros(6, 8, 8, dtype=LONG), "segmentation"),
        (torch.zeros(6), r"y\.long\(\)"),
        (torch.zeros(6, dtype=torch.bool), r"y\.long\(\)"),
        (torch.zeros(5, dtype=LONG), "as many labels as samples, 6"),
        (torch.tensor(3), "as many labels as samples, 6"),
    ],
)
def test_advice_on_labels_fits_their_shape(y, advice):
    with pytest.raises(ValueError, match=r"labels must be class numbers of shape \(6,\).*" + advice):
        check_labels(y, 6)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_class_numbers_are_taken(dtype):
    check_labels(torch.zeros(6, dtype=dtype), 6)


@pytest.mark.parametrize(
    ("x", "advice"),
    [
        (torch.zeros(2, 3, dtype=torch.uint8), r"pixels in \[0, 1\], x\.float\(\) / 255"),
        (torch.zeros(2, 3, dtype=LONG), "token ids .*after its embedding"),
    ],
)
def test_advice_on_whole_numbers_tells_pixels_from_token_ids(x, advice):
    with pytest.raises(ValueError, match=advice):
        check_floating(x)


def test_a_single_sample_without_its_batch_dimension_is_told_so():
    with pytest.raises(ValueError, match=r"one label for inputs of shape \(3, 8, 8\).*x\[None\]"):
        check_inputs(torch.rand(3, 8, 8), torch.tensor([1]), (0.0, 1.0))
    check_inputs(torch.rand(1, 3, 8, 8), torch.tensor([1]), (0.0, 1.0))


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (None, "got None"),
        ((float("-inf"), float("inf")), r"x\.min\(\)\.item\(\), x\.max\(\)\.item\(\)"),
        ((0.0, float("inf")), "natural limits"),
        ((0.0, float("nan")), "lowest < highest"),
        (([-3.0] * 8, [3.0] * 8), "a range of its own for each feature.*first layer"),
        ((torch.zeros(8), torch.ones(8)), "a range of its own for each feature.*first layer"),
        ((1.0, 0.0), "lowest < highest"),
        ((0.0, 0.0), "lowest < highest"),
        ((0.0, 0.5, 1.0), "lowest, highest"),
        ("01", "lowest, highest"),
        (1.0, "lowest, highest"),
    ],
)
def test_bounds_are_two_finite_numbers(bounds, message):
    with pytest.raises(ValueError, match=message):
        check_bounds(bounds)


@pytest.mark.parametrize("bounds", [(0, 1), [0.0, 1.0], (np.float32(0), torch.tensor(1.0))])
def test_pairs_of_numbers_become_bounds(bounds):
    assert check_bounds(bounds) == (0.0, 1.0)
    assert all(type(end) is float for end in check_bounds(bounds))


def test_rounding_is_clipped_and_nothing_else_is_copied():
    x = torch.tensor([[0.0, 0.5, 1.0]])
    assert clip_rounding(x, (0.0, 1.0)) is x
    assert clip_rounding(x + torch.tensor([-3e-8, 0.0, 1.2e-7]), (0.0, 1.0)).tolist() == x.tolist()


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", None, torch.ones(2)])
def test_counts_are_whole_numbers_from_one(value):
    with pytest.raises(ValueError, match="restarts must be a whole number of at least 1, got"):
        check_counts(steps=3, restarts=value)
    check_counts(steps=np.int64(3), restarts=torch.tensor(2))


def test_one_value_for_each_sample_or_one_for_all():
    for value in (0.1, None, torch.tensor(0.1), torch.zeros(6)):
        check_per_sample("eps", value, 6)
    with pytest.raises(ValueError, match="eps has one value for each of 8 samples, but there are 6"):
        check_per_sample("eps", torch.zeros(8), 6)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.zeros(6), "one number for each sample.*TwoLogits"),
        (torch.zeros(6, 1), "one number for each sample.*TwoLogits"),
        (torch.zeros(4), r"a squeeze\(\) without a dimension"),
        (torch.zeros(5, 4), r"\[6, \.\.\.\], got \(5, 4\)"),
        (torch.zeros(6, 4, 8, 8), r"got \(6, 4, 8, 8\)"),
        ((torch.zeros(6, 4), None), "got tuple"),
        ({"logits": torch.zeros(6, 4)}, "got dict"),
        (torch.zeros(6, 2), "labels must lie from 0 to 1, got 2 for sample 2: do they count from 1"),
    ],
)
def test_logits_are_a_row_for_each_sample_with_a_place_for_each_label(logits, message):
    with pytest.raises(ValueError, match=message):
        check_logits(logits, torch.tensor([0, 1, 2, 0, 1, 2]))


def test_the_first_sample_without_finite_logits_is_named():
    logits = torch.zeros(4, 2)
    check_finite_logits(logits)
    logits[2, 1], logits[3, 0] = torch.nan, torch.inf
    with pytest.raises(ValueError, match=r"sample 2 are not finite \(2 of 4 samples\)"):
        check_finite_logits(logits)
    with pytest.raises(ValueError, match=r"sample 31 are"):
        check_finite_logits(logits, torch.tensor([50, 40, 31, 32]))


def test_a_model_can_be_called():
    class Estimator:
        def decision_function(self, x):
            return x

    for model in (nn.Linear(2, 2), len):
        check_model(model)
    with pytest.raises(ValueError, match=r"got Estimator, .*advnotes\.attacks\.black_box\(estimator\)"):
        check_model(Estimator())
    with pytest.raises(ValueError, match=r"got str, which cannot be called$"):
        check_model("resnet18")


def test_a_mistake_of_dtypes_is_told_from_other_errors():
    net, x = nn.Linear(4, 2), torch.rand(3, 4, dtype=torch.float64)
    with pytest.raises(RuntimeError) as raised:
        net(x)
    assert "x.to(torch.float32)" in dtype_mistake(net, x, raised.value)
    assert "x.to(torch.float32)" in dtype_mistake(lambda x: net(x), x, raised.value)
    assert dtype_mistake(net, x.float(), raised.value) == ""
    assert dtype_mistake(lambda x: x, x, raised.value) == ""
    assert dtype_mistake(net, x, RuntimeError("a failure of the power supply")) == ""


def test_a_mistake_of_sizes_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as raised:
        torch.zeros(6, 2) + torch.zeros(12, 2)
    assert "answered a batch of 12 samples and fails on one of 6" in batch_size_mistake(12, 6, raised.value)
    assert batch_size_mistake(12, 12, raised.value) == batch_size_mistake(0, 6, raised.value) == ""
    assert batch_size_mistake(12, 6, RuntimeError("out of memory")) == ""


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_inputs_of_another_sort_are_finite_too(bad: float) -> None:
    labelled, other = torch.rand(4, 3), torch.rand(5, 3)
    check_same_kind("unlabelled inputs", other, "labelled ones", labelled)
    check_same_kind("unlabelled inputs", other[:0], "labelled ones", labelled)
    other[2, 1] = bad
    with pytest.raises(ValueError, match=r"must be finite.*in sample 2"):
        check_same_kind("unlabelled inputs", other, "labelled ones", labelled)
    game = VAT(mlp(3, 4, 2), eps=1.0)
    with pytest.raises(ValueError, match=r"must be finite.*in sample 2"):
        game.model_loss(labelled, torch.tensor([0, 1, 0, 1]), other)
