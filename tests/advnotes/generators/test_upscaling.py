"""Smaller and larger pictures: Pillow's bicubic, the layout of sub-pixels, and a network that begins as bicubic."""

import numpy as np
import pytest
import torch
from PIL import Image

from advnotes.data import photos
from advnotes.generators import SRResNet, enlarge, shrink


def by_pillow(picture: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    grey = Image.fromarray(picture.numpy().astype(np.float32), mode="F")
    return torch.from_numpy(np.array(grey.resize((columns, rows), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("factor", [2, 4])
def test_it_is_pillow_s_bicubic(factor):
    picture = photos("test").images[0][:, 60:108, 80:144]
    small, large = shrink(picture[None], factor)[0], enlarge(picture[None], factor)[0]
    for channel, less, more in zip(picture, small, large, strict=True):
        rows, columns = channel.shape
        expected = by_pillow(channel, rows // factor, columns // factor).clamp(0, 1)
        torch.testing.assert_close(less, expected, atol=2e-5, rtol=0)
        expected = by_pillow(channel, rows * factor, columns * factor).clamp(0, 1)
        torch.testing.assert_close(more, expected, atol=2e-5, rtol=0)


def test_a_plain_picture_and_a_ramp_stay_what_they_are():
    plain = torch.full((2, 3, 12, 12), 0.3, dtype=torch.float64)
    torch.testing.assert_close(shrink(plain), torch.full((2, 3, 3, 3), 0.3, dtype=torch.float64))
    torch.testing.assert_close(enlarge(shrink(plain)), plain)
    ramp = torch.linspace(0.2, 0.8, 64, dtype=torch.float64).expand(1, 1, 64, 64)
    inside = (..., slice(12, -12), slice(12, -12))  # the mirrored border bends the kernel there
    torch.testing.assert_close(enlarge(shrink(ramp))[inside], ramp[inside], atol=2e-4, rtol=0)


def test_an_untrained_network_is_bicubic():
    x = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(SRResNet(6, 2, kernel=3)(x), enlarge(x))


@pytest.mark.parametrize(("factor", "fine"), [(2, None), (4, 3), (8, 2)])
def test_sizes(factor, fine):
    made = SRResNet(4, 1, factor, fine=fine, kernel=5)(torch.rand(2, 3, 6, 4))
    assert made.shape == (2, 3, 6 * factor, 4 * factor)


def test_four_channels_become_two_by_two_pixels():
    """Channel 2i + j of each four is the pixel i down and j to the right (Shi et al. 2016, equation 4)."""
    network = SRResNet(1, 1, 2, fine=1, kernel=1)
    wide, shuffle = network.up[0], network.up[1]
    with torch.no_grad():
        wide.weight.zero_()
        wide.bias.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0]))
        laid_out = shuffle(wide(torch.rand(1, 1, 2, 2)))
    assert torch.equal(laid_out[0, 0, :2, :2], torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    assert torch.equal(laid_out[0, 0], laid_out[0, 0, :2, :2].repeat(2, 2))


def test_it_has_the_paper_s_size():
    """16 blocks of 64 channels, 9x9 at the ends: without batch normalisation, 1.55 million numbers."""
    count = sum(p.numel() for p in SRResNet().parameters())
    convs = 2 * (3 * 64 * 81) + 64 + 3 + 33 * (64 * 64 * 9 + 64) + 2 * (64 * 256 * 9 + 256)
    assert count == convs + (1 + 16 + 2)  # one slope in each PReLU


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 0}, "channels"),
        ({"blocks": 0}, "blocks"),
        ({"factor": 1}, "factor"),
        ({"factor": 6}, "a power of 2, got 6"),
        ({"kernel": 4}, "kernel must be odd, got 4"),
        ({"fine": 0}, "fine"),
    ],
)
def test_bad_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SRResNet(**arguments)


def test_bad_pictures_are_refused():
    with pytest.raises(ValueError, match="sides can be divided by 4, got shape"):
        shrink(torch.rand(1, 3, 10, 8))
    with pytest.raises(ValueError, match=r"\[batch, channels, rows, columns\], got shape \(3, 8, 8\)"):
        enlarge(torch.rand(3, 8, 8))
    with pytest.raises(ValueError, match=r"x\.float\(\) / 255"):
        enlarge(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
