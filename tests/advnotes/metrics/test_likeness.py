"""PSNR and SSIM: closed forms, and scikit-image's numbers for two photographs."""

import math

import pytest
import torch

from advnotes.data import photos
from advnotes.generators import enlarge, shrink
from advnotes.metrics import psnr, ssim


def test_psnr_counts_a_plain_error():
    x = torch.full((2, 3, 4, 4), 0.5, dtype=torch.float64)
    y = x + torch.tensor([0.1, 0.01], dtype=torch.float64).view(2, 1, 1, 1)
    torch.testing.assert_close(psnr(x, y), torch.tensor([20.0, 40.0], dtype=torch.float64))
    assert math.isinf(float(psnr(x, x)[0]))


def test_both_are_scikit_image_s():
    """structural_similarity(..., gaussian_weights=True, use_sample_covariance=False) of 0.25.2, and its PSNR."""
    x = torch.stack([image[:, 100:148, 100:164] for image in photos("test").images]).double()
    y = enlarge(shrink(x))
    assert psnr(x, y).tolist() == pytest.approx([28.889192323229707, 21.846600758006588], abs=1e-4)
    assert ssim(x, y).tolist() == pytest.approx([0.6897526929365206, 0.641712558671578], abs=1e-5)
    ramp = torch.linspace(0, 1, 24 * 20, dtype=torch.float64).view(1, 1, 24, 20)
    assert float(ssim(ramp, (7 * ramp) % 1)) == pytest.approx(0.0029998617285181724, abs=1e-9)


def test_ssim_of_plain_pictures_is_that_of_their_means():
    x, y = (torch.full((1, 1, 12, 12), value, dtype=torch.float64) for value in (0.2, 0.6))
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert float(ssim(x, y)) == pytest.approx(expected, rel=1e-9)
    assert float(ssim(x, x)) == pytest.approx(1.0)


def test_ssim_is_symmetric_and_each_pair_for_itself():
    g = torch.Generator().manual_seed(0)
    x, y = (torch.rand(3, 2, 13, 15, generator=g, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(ssim(x, y), ssim(y, x))
    torch.testing.assert_close(ssim(x, y)[1], ssim(x[1:2], y[1:2])[0])


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_what_cannot_be_compared_is_refused(measure):
    x = torch.rand(2, 3, 16, 16)
    for other, message in (
        (x[:1], "as many pictures"),
        (x[:, :1], "one shape|three channels"),
        (x + 1, "within"),
        ((255 * x).byte(), "255"),
    ):
        with pytest.raises(ValueError, match=message):
            measure(x, other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_float32(dtype):
    """In float16 the square of a difference of 1e-4 is 0, and the decibels would be infinite."""
    g = torch.Generator().manual_seed(0)
    x = (0.01 + 0.002 * torch.rand(2, 3, 16, 16, generator=g)).to(dtype)
    y = (x.float() + 1e-4 * torch.rand(2, 3, 16, 16, generator=g)).to(dtype)
    assert torch.equal(psnr(x, y), psnr(x.float(), y.float()))
    assert psnr(x, y).isfinite().all()
    assert torch.equal(ssim(x, y), ssim(x.float(), y.float()))


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_no_picture_and_no_batch_are_refused(measure):
    for x in (torch.rand(0, 3, 16, 16), torch.rand(16)):
        with pytest.raises(ValueError, match="expected a batch of pictures, got shape"):
            measure(x, x)


def test_pictures_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match="11×11 pixels or more"):
        ssim(torch.rand(1, 3, 10, 16), torch.rand(1, 3, 10, 16))
