"""What is taken for a radius, and what is refused with what helps."""

import numpy as np
import pytest
import torch

from advnotes.threats import L1, L2, Linf, radius_of


@pytest.mark.parametrize(
    "eps", [[0.1, 0.2], (0.1, 0.2), np.array([0.1, 0.2]), np.array([0.1, 0.2], dtype=np.float32)]
)
def test_lists_and_arrays_are_one_radius_for_each_sample(eps):
    radii = radius_of(eps)
    assert isinstance(radii, torch.Tensor)
    torch.testing.assert_close(radii, torch.tensor([0.1, 0.2], dtype=torch.float64), atol=1e-7, rtol=0)
    threat = Linf(radii)
    assert threat.project(torch.ones(2, 3)).amax(dim=1).tolist() == pytest.approx([0.1, 0.2])
    if isinstance(eps, np.ndarray):  # what becomes of the caller's array later does not matter
        eps[:] = 9
        assert radii.max() < 1


@pytest.mark.parametrize("eps", [np.float32(0.5), np.float64(0.5), np.array(0.5), np.int64(2), 0.5, 2])
def test_numbers_of_numpy_are_numbers(eps):
    radius = radius_of(eps)
    assert type(radius) in (int, float)
    assert radius == float(eps)
    assert L2(float(radius)).eps == radius


@pytest.mark.parametrize(
    ("eps", "message"),
    [
        ("8/255", r"got '8/255': without quotes"),
        (None, "got None"),
        (True, "got True"),
        ([True, False], "must be one radius >= 0"),
        (["0.1"], "must be one radius >= 0"),
        (1j, "must be one radius >= 0"),
        ({0.1}, "must be one radius >= 0"),
        ([0.1, float("nan")], "must be one radius >= 0"),
        (-0.1, "must be one radius >= 0"),
        (torch.full((1, 8), 0.1), r"of shape \(1, 8\).*each feature.*a first layer of the model rescale"),
        ([[0.1] * 8], r"of shape \(1, 8\).*each feature"),
    ],
)
def test_what_is_no_radius_is_refused_with_what_helps(eps, message):
    with pytest.raises(ValueError, match=message):
        radius_of(eps)


def test_a_number_of_radii_that_does_not_fit_the_batch_is_refused():
    threat = L1(torch.tensor([0.1, 0.2, 0.3]))
    threat.check_batch(3)
    L1(torch.tensor(0.1)).check_batch(3)
    L1(0.1).check_batch(3)
    for call in (lambda: threat.check_batch(8), lambda: threat.project(torch.ones(8, 2))):
        with pytest.raises(
            ValueError, match=r"each of 3 samples, but there are 8.*for each feature is not supported"
        ):
            call()
