"""Blocks of pixels are the input gradient of a convolution."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from advnotes.fast.blocks import Blocks


@given(
    st.sampled_from([1, 2, 3, 4, 16]),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(0, 4),
)
def test_blocks_of_pixels_are_the_gradient_of_the_convolution(channels, k, stride, padding, extra):
    weight = torch.randn(5, channels, k, k, dtype=torch.float64)
    blocks = Blocks.of(weight, [stride] * 2, [padding] * 2, [1, 1], 1)
    if padding >= k or (stride == 1 and channels == 16):
        assert blocks is None
    if blocks is None:
        return
    x = torch.rand(2, channels, 7 + extra, 12, dtype=torch.float64, requires_grad=True)
    y = F.conv2d(x, weight, None, stride, padding)
    g = torch.randn_like(y)
    torch.testing.assert_close(blocks.input_gradient(g, x), torch.autograd.grad(y, x, g)[0])


def test_blocks_are_used_where_few_channels_waste_the_processor():
    def of(out, channels, k, s, p):
        return Blocks.of(torch.randn(out, channels, k, k), [s, s], [p, p], [1, 1], 1)

    assert of(16, 1, 4, 2, 1).side == 4
    assert of(16, 3, 3, 1, 1).side == 2
    assert of(32, 16, 4, 2, 1).side == 2
    assert of(16, 16, 3, 1, 1) is None
    assert of(32, 16, 3, 2, 1) is None
