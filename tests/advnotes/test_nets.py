"""The named networks: shapes, sizes, and normalisation inside."""

import pytest
import torch

from advnotes import nets
from advnotes.gan import ConditionalGAN, Conditioned


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


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 8, 8), (1, 24, 24)])
def test_convolutional_networks_make_and_judge_square_pictures(shape):
    generator, discriminator = nets.conv_generator(shape, 7, width=3), nets.conv_discriminator(shape, width=3)
    images = generator(5 * torch.randn(4, 7))
    assert images.shape == (4, *shape)
    assert images.min() >= 0
    assert images.max() <= 1
    assert discriminator(images).shape == (4, 1)
    assert nets.conv_features(shape, width=3)(images).shape == (4, nets.conv_features(shape, width=3).size)
    nets.check_logit_network("discriminator", discriminator, penalised=True)


def test_a_picture_is_judged_by_itself_and_drawn_from_its_own_vector():
    torch.manual_seed(0)
    generator, discriminator = nets.conv_generator(width=4), nets.conv_discriminator(width=4)
    z = torch.randn(5, 64)
    torch.testing.assert_close(generator(z)[:2], generator(z[:2]))
    images = torch.rand(5, 3, 32, 32)
    torch.testing.assert_close(discriminator(images)[:2], discriminator(images[:2]))


@pytest.mark.parametrize("shape", [(3, 32, 28), (3, 6, 6), (3, 27, 27), (0, 32, 32)])
def test_convolutional_networks_refuse_other_pictures(shape):
    for make in (nets.conv_generator, nets.conv_discriminator):
        with pytest.raises(ValueError, match="square pictures"):
            make(shape)


def test_a_projection_begins_without_a_class_and_gives_each_a_direction():
    torch.manual_seed(0)
    features = nets.conv_features((1, 8, 8), width=2)
    network, images = nets.Projection(features, features.size, 3), torch.rand(4, 1, 8, 8)
    zeros = torch.zeros(4, dtype=torch.int64)
    assert torch.equal(network(images, zeros), network(images, zeros + 2))
    torch.nn.init.normal_(network.own.weight)
    own = network.own.weight.detach()
    expected = features(images) @ (network.shared.weight[0] + own[1]) + network.shared.bias
    torch.testing.assert_close(network(images, zeros + 1)[:, 0], expected)


def test_a_class_conditional_pair_is_a_game():
    torch.manual_seed(0)
    shape, features = (1, 8, 8), nets.conv_features((1, 8, 8), width=2)
    game = ConditionalGAN(
        Conditioned(nets.conv_generator(shape, 5 + 3, width=2), 3),
        nets.Projection(features, features.size, 3),
        5,
        classes=3,
    )
    assert game.sample(4, labels=2).shape == (4, *shape)
    assert game.discriminator_loss(torch.rand(4, *shape), torch.tensor([0, 1, 2, 0])).isfinite()


def test_a_part_of_the_features_is_that_part():
    features, images = nets.conv_features((1, 8, 8), width=2), torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(features[:2](images), features[1](features[0](images)))
