"""What metrics take: tensors and arrays of any precision, and a sentence for what they do not take."""

import math

import numpy as np
import pytest
import torch

from advnotes.metrics import (
    density_coverage,
    effective_modes,
    frechet_distance,
    frechet_limit,
    kernel_distance,
    mode_coverage,
    precision_recall,
    proxy_a_distance,
)
from advnotes.metrics.features import as_matrix, as_numbers

#: Whole numbers, which every precision holds exactly.
REAL = torch.randint(0, 9, (40, 3), generator=torch.Generator().manual_seed(0)).float()
MADE = torch.randint(2, 9, (40, 3), generator=torch.Generator().manual_seed(1)).float()
METRICS = {
    "frechet": frechet_distance,
    "limit": lambda a, b: frechet_limit(a, b, [10, 40], torch.Generator().manual_seed(0)).distances,
    "kernel": lambda a, b: kernel_distance(a, b, 3, 20, torch.Generator().manual_seed(0)),
    "precision and recall": precision_recall,
    "density and coverage": density_coverage,
    "a distance": lambda a, b: proxy_a_distance(a, b, generator=torch.Generator().manual_seed(0)),
    "coverage": lambda a, b: mode_coverage(a, b[:4], 2.0),
    "modes": lambda a, b: effective_modes(a, b[:4], 2.0),
}
FORMS = {
    "float16": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "float64": lambda x: x.double(),
    "uint8": lambda x: x.to(torch.uint8),
    "int64": lambda x: x.long(),
    "an array": lambda x: x.numpy(),
    "an array of float16": lambda x: x.numpy().astype(np.float16),
    "an array of whole numbers": lambda x: x.numpy().astype(np.uint8),
    "a part of a graph": lambda x: x.clone().requires_grad_() * 1,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_takes_what_a_generator_returns(metric, form):
    plain = metric(REAL, MADE)
    assert metric(form(REAL), form(MADE)) == pytest.approx(plain, rel=1e-6)
    assert metric(form(REAL), MADE) == pytest.approx(plain, rel=1e-6)
    assert metric(REAL, form(MADE)) == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_sample_that_is_not_finite_is_named(metric, value, where):
    both = [REAL.clone(), MADE.clone()]
    both[where][3, 1] = value
    with pytest.raises(ValueError, match=r"must be finite, got an infinity or NaN in sample 3"):
        metric(*both)
    with pytest.raises(ValueError, match="in sample 3"):
        metric(*(part.numpy() for part in both))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            torch.zeros(5, 1, 8, 8),
            r"have the shape \[samples, features\], got \(5, 1, 8, 8\): take features .* x.flatten\(1\)",
        ),
        (np.zeros((5, 8, 8)), r"got \(5, 8, 8\): take features"),
        (torch.zeros(5), r"got \(5,\): with one number for each sample pass x\[:, None\]"),
        (torch.zeros(()), r"got \(\)"),
        (
            torch.zeros(1, 4),
            r"at least 2 samples on either side and at least 1 feature, got the shape \(1, 4\)",
        ),
        (torch.zeros(4, 0), "at least 1 feature"),
        (torch.zeros(4, 4, dtype=torch.complex64), "hold real numbers, got torch.complex64"),
        (np.array([["a"]]), "hold numbers, got an array"),
    ],
)
def test_other_shapes_and_kinds_are_refused(values, message):
    with pytest.raises(ValueError, match=f"real must .*{message}"):
        as_matrix("real", values, 2)


def test_numbers_keep_their_precision_and_half_is_computed_in_float32():
    assert as_numbers("real", REAL).dtype == torch.float32
    assert as_numbers("real", REAL.double()).dtype == torch.float64
    assert as_numbers("real", REAL.half()).dtype == torch.float32
    assert as_numbers("real", REAL > 1).dtype == torch.float32


def test_unlike_features_are_refused():
    with pytest.raises(
        ValueError, match=r"equal numbers of features, got shapes .* the same network and layer"
    ):
        frechet_distance(REAL, MADE[:, :2])
    with pytest.raises(ValueError, match="equal numbers of coordinates"):
        mode_coverage(REAL, MADE[:, :2], 1.0)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf])
def test_a_radius_is_a_positive_number(radius):
    for metric in (mode_coverage, effective_modes):
        with pytest.raises(ValueError, match="radius must be a finite number above 0"):
            metric(REAL, MADE, radius)


def test_numpys_integers_count_neighbours():
    assert precision_recall(REAL, MADE, np.int64(2)) == precision_recall(REAL, MADE, 2)


def test_one_number_for_each_sample_is_a_representation():
    plain = proxy_a_distance(REAL[:, :1], MADE[:, :1], generator=torch.Generator().manual_seed(0))
    assert proxy_a_distance(REAL[:, 0], MADE[:, 0], generator=torch.Generator().manual_seed(0)) == plain


@pytest.mark.parametrize("scale", [1e-42, 1e-24, 1.0, 1e20, 1e37])
def test_what_compares_distances_does_not_depend_on_the_unit(scale):
    """Squares of such numbers are 0 or infinite in float32, and all distances equal."""
    apart = REAL + 9.0
    for metric in (precision_recall, density_coverage):
        assert metric(scale * REAL / 16, scale * apart / 16) == (0, 0)
        assert metric(scale * REAL / 16, scale * REAL / 16)[1] == 1
        assert metric(REAL / 16, scale * apart.double() / 16 + 9) == (0, 0)


def test_long_whole_numbers_keep_their_digits():
    far = 10**9 + REAL.long(), 10**9 + MADE.long()
    assert frechet_distance(*far) == pytest.approx(frechet_distance(REAL, MADE), rel=1e-6)
    assert precision_recall(*far) == precision_recall(REAL, MADE)


def test_features_without_a_finite_covariance_are_refused():
    with pytest.raises(ValueError, match="no finite covariance in float64: divide both sets by one number"):
        frechet_distance(1e160 * REAL.double(), 1e160 * MADE.double())
