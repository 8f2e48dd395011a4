"""The named networks: shapes, sizes, and normalisation inside."""

import pytest
import torch

from advnotes import nets


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (nets.small_cnn(), 166_406),
        (nets.madry_cnn(), 3_274_634),
        (nets.digit_discriminator(), 533_505),
    ],
)
def test_digits_in_logits_out(network, parameters):
    logits = network(torch.rand(3, 1, 28, 28))
    assert logits.shape == (3, 1 if parameters == 533_505 else 10)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_the_generator_makes_images_in_their_range():
    images = nets.digit_generator(latent_size=7)(5 * torch.randn(4, 7))
    assert images.shape == (4, 1, 28, 28)
    assert images.min() >= 0
    assert images.max() <= 1


def test_normalize_is_a_layer_with_buffers():
    layer = nets.Normalize([0.5, 0.2], [0.25, 0.1])
    x = torch.rand(3, 2, 4, 4)
    torch.testing.assert_close(layer(x)[:, 1], (x[:, 1] - 0.2) / 0.1)
    assert set(layer.state_dict()) == {"mean", "std"}
    for mean, std in (([0.5], [0.0]), ([0.5, 0.5], [1.0])):
        with pytest.raises(ValueError, match="as many means as positive"):
            nets.Normalize(mean, std)


def test_mlp():
    network = nets.mlp(3, 8, 8, 2, activation=torch.nn.Tanh)
    assert [type(layer).__name__ for layer in network] == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    with pytest.raises(ValueError, match="at least an input and an output"):
        nets.mlp(3)


def test_one_logit_for_each_sample_and_no_more():
    column = nets.mlp(3, 1)
    x = torch.randn(5, 3)
    flat = torch.nn.Sequential(column, torch.nn.Flatten(0))
    assert torch.equal(nets.one_logit(column, x), column(x)[:, 0])
    assert torch.equal(nets.one_logit(flat, x), column(x)[:, 0])
    with pytest.raises(ValueError, match=r"5 samples, got shape \(5, 2\)"):
        nets.one_logit(nets.mlp(3, 2), x)


def test_gradients_of_a_logit_are_rows_and_can_be_trained_on():
    torch.manual_seed(0)
    network, x = (
        torch.nn.Sequential(torch.nn.Flatten(), nets.mlp(6, 8, 1, activation=torch.nn.Tanh)).double(),
        torch.rand(4, 2, 3).double(),
    )
    with torch.no_grad():
        rows = nets.input_gradients(network, x)
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x).flatten(), x)
    torch.testing.assert_close(rows, jacobian[range(4), range(4)].flatten(1))
    assert rows.requires_grad
    assert not x.requires_grad


def test_under_autocast_gradients_are_those_of_full_precision_and_logits_float32():
    network, x = nets.mlp(6, 8, 1), torch.rand(4, 6)
    exact = nets.input_gradients(network, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nets.input_gradients(network, x), exact)
        assert nets.one_logit(network, x).dtype == torch.float32
    assert nets.one_logit(network.double(), x.double()).dtype == torch.float64
