"""What a style does to a layer, against loops over samples and channels, and limiting cases."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from advnotes.generators import AdaIN, ModulatedConv, NoiseInput

SOURCE = torch.Generator().manual_seed(0)
X = torch.randn(5, 3, 6, 6, generator=SOURCE, dtype=torch.float64)
W = torch.randn(5, 4, generator=SOURCE, dtype=torch.float64)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_convolution_is_a_convolution_of_each_sample_with_weights_of_its_own(
    kernel: int, demodulate: bool
) -> None:
    conv = ModulatedConv(3, 7, 4, kernel, demodulate=demodulate).double()
    for x, w, y in zip(X, W, conv(X, W), strict=True):
        scale = conv.affine.weight @ w + conv.affine.bias
        weight = torch.stack(
            [torch.stack([s * k for s, k in zip(scale, ks, strict=True)]) for ks in conv.weight]
        )
        if demodulate:
            weight = torch.stack([ks / (ks.square().sum() + 1e-8).sqrt() for ks in weight])
        torch.testing.assert_close(y, F.conv2d(x[None], weight, padding=kernel // 2)[0])


def test_demodulated_outputs_do_not_see_a_common_factor_of_the_style_and_have_the_inputs_variance() -> None:
    conv = ModulatedConv(3, 7, 4).double()
    torch.nn.init.zeros_(conv.affine.bias)
    torch.testing.assert_close(conv(X, 100 * W), conv(X, W), rtol=1e-5, atol=1e-7)
    noise = torch.randn(5, 3, 200, 200, generator=SOURCE, dtype=torch.float64)
    inner = conv(noise, W)[..., 1:-1, 1:-1]  # the border has zeros among its inputs
    assert ((inner.var(dim=(2, 3)) - 1).abs() < 0.1).all()


def test_adain_gives_each_channel_the_mean_and_deviation_of_its_style() -> None:
    layer = AdaIN(3, 4).double()
    y = layer(X, W)
    scale, shift = layer.affine(W).chunk(2, dim=1)
    torch.testing.assert_close(y.mean(dim=(2, 3)), shift)
    torch.testing.assert_close(y.std(dim=(2, 3), correction=0), scale.abs(), rtol=1e-3, atol=1e-3)
    # What came in as brightness and contrast of a channel is gone.
    torch.testing.assert_close(layer(7 * X + 3, W), y, rtol=1e-4, atol=1e-4)


def test_noise_of_strength_0_is_none_and_else_one_grid_for_all_channels() -> None:
    layer = NoiseInput(6).double()
    assert torch.equal(layer(X), X)
    assert torch.equal(layer.eval()(X), X)
    torch.nn.init.constant_(layer.strength, 0.5)
    added = layer(X) - X
    torch.testing.assert_close(added, layer(X) - X)  # in eval mode a fixed one
    torch.testing.assert_close(added, 0.5 * layer.fixed.expand_as(X))
    drawn = [layer(X, torch.Generator().manual_seed(3)) - X for _ in range(2)]
    assert torch.equal(*drawn)
    torch.testing.assert_close(drawn[0], drawn[0][:, :1].expand_as(X))
    assert not torch.allclose(drawn[0][0], drawn[0][1])  # each sample has its own
    layer.train()
    assert not torch.allclose(layer(X), layer(X))
    grid = (NoiseInput(64).fixed - 0).flatten()
    assert abs(grid.mean()) < 0.1
    assert 0.9 < grid.std() < 1.1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ModulatedConv(0, 1, 1), "channels_in"),
        (lambda: ModulatedConv(1, 0, 1), "channels_out"),
        (lambda: ModulatedConv(1, 1, 0), "style_size"),
        (lambda: ModulatedConv(1, 1, 1, 2), "odd kernel"),
        (lambda: AdaIN(0, 1), "channels"),
        (lambda: AdaIN(1, 0), "style_size"),
        (lambda: NoiseInput(0), "side"),
    ],
)
def test_what_is_no_size_is_told(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


@pytest.mark.parametrize("layer", [ModulatedConv(3, 7, 4), AdaIN(3, 4)])
@pytest.mark.usefixtures("unchecked")
def test_grids_and_styles_that_would_be_broadcast_are_told(layer: torch.nn.Module) -> None:
    for x, w in ((X[:1], W), (X, W[:1]), (X[:, :1], W), (X[0], W), (X, W[:, :3]), (X, W[:, None])):
        with pytest.raises(
            ValueError, match=r"expected grids \[batch, 3, rows, columns\] and a style for each"
        ):
            layer(x.float(), w.float())
    assert len(layer(X[:0].float(), W[:0].float())) == 0


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.usefixtures("unchecked")
def test_noise_of_another_side_is_told(training: bool) -> None:
    layer = NoiseInput(6).train(training)
    for x in (torch.zeros(2, 3, 5, 5), torch.zeros(2, 3, 1, 1), torch.zeros(2, 6, 6)):
        with pytest.raises(ValueError, match=r"expected grids \[batch, channels, 6, 6\]"):
            layer(x)


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1.0, 1000.0])
def test_in_half_precision_a_style_of_any_size_is_demodulated(precision: torch.dtype, size: float) -> None:
    conv = ModulatedConv(3, 7, 4)
    torch.nn.init.constant_(conv.affine.bias, 0.0)
    expected = conv(X.float(), size * W.float())
    with torch.no_grad():
        y = conv.to(precision)(X.to(precision), (size * W).to(precision)).float()
    torch.testing.assert_close(y, expected.detach(), rtol=0.1, atol=0.1)
