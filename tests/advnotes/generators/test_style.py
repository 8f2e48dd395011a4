"""The style generator: what a layer's style reaches, mixing, truncation, noise, and a game."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from advnotes.gan import R1, R2, RelativisticGAN
from advnotes.generators import Mapping, StyleGenerator, StyleLayer, Synthesis, mix_styles, truncate
from advnotes.nets import conv_discriminator
from advnotes.testing import check_game

SHAPE = (3, 16, 16)
SOURCE = torch.Generator().manual_seed(0)
Z = torch.randn(6, 8, generator=SOURCE, dtype=torch.float64)


def small(mixing: float = 0.9) -> StyleGenerator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = StyleGenerator(SHAPE, 8, 5, width=4, depth=2, mixing=mixing).double()
    for layer in network.synthesis.grow:
        nn.init.constant_(layer.noise.strength, 0.1)  # type: ignore[union-attr, arg-type]
    return network


def grids(synthesis: Synthesis, w: Tensor) -> list[Tensor]:
    """What comes out of each layer, and the picture."""
    seen: list[Tensor] = []
    hooks = [layer.register_forward_hook(lambda _, __, y: seen.append(y)) for layer in synthesis.grow]
    picture = synthesis(w)
    for hook in hooks:
        hook.remove()
    return [*seen, picture]


def test_a_layers_style_changes_its_grid_and_what_comes_after_only() -> None:
    network = small().eval()
    w = network.mapping(Z)
    whole = w[:, None].repeat(1, network.synthesis.layers, 1)
    before = grids(network.synthesis, whole)
    assert len(before) == network.synthesis.layers == 4
    for place in range(network.synthesis.layers):
        changed = whole.clone()
        changed[:, place] = w.roll(1, dims=0)
        for k, (a, b) in enumerate(zip(before, grids(network.synthesis, changed), strict=True)):
            assert torch.equal(a, b) == (k < place)


def test_one_style_for_all_layers_is_the_same_one_for_each() -> None:
    network = small().eval()
    w = network.mapping(Z)
    picture = network(Z)
    assert picture.shape == (6, *SHAPE)
    assert picture.min() >= 0
    assert picture.max() <= 1
    torch.testing.assert_close(picture, network.synthesis(w))
    torch.testing.assert_close(picture, network.synthesis(w[:, None].repeat(1, 4, 1)))


def test_mixing_takes_the_first_before_the_layer_and_the_second_from_there() -> None:
    first, second = torch.randn(3, 5), torch.randn(3, 5)
    mixed = mix_styles(first, second, 1, 4)
    for k, rows in enumerate(mixed.unbind(dim=1)):
        assert torch.equal(rows, first if k < 1 else second)
    assert torch.equal(mix_styles(first, second, 4, 4), first[:, None].repeat(1, 4, 1))
    assert torch.equal(mix_styles(first, second, 0, 4), second[:, None].repeat(1, 4, 1))
    each = mix_styles(first, second, torch.tensor([0, 2, 4]), 4)
    for sample, layer in enumerate([0, 2, 4]):
        assert torch.equal(each[sample], mix_styles(first, second, layer, 4)[sample])


def styles_in_training(network: StyleGenerator, z: Tensor) -> Tensor:
    seen: list[Tensor] = []
    hook = network.synthesis.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(z)
    hook.remove()
    return seen[0]


def test_training_mixes_the_share_that_is_asked_for_and_eval_none() -> None:
    z = torch.randn(400, 8, dtype=torch.float64)
    assert torch.equal(styles_in_training(small(0.0), z), small().mapping(z))
    assert torch.equal(styles_in_training(small(1.0).eval(), z), small().mapping(z))
    network = small(1.0)
    w, own = styles_in_training(network, z), network.mapping(z)
    same = (w == own[:, None]).all(dim=2)
    assert same[:, 0].all()  # the first layer keeps its own
    assert not same[:, -1].any()  # a crossover is before the last
    assert set(same.sum(dim=1).tolist()) == {1, 2, 3}
    assert (~same[:, :-1] <= ~same[:, 1:]).all()  # and once over, stays over
    half = (styles_in_training(small(0.5), z) == own[:, None]).all(dim=2)[:, -1].double().mean()
    assert 0.35 < half < 0.65  # five standard deviations and more


def test_truncation_at_0_is_the_means_picture_at_1_nothing_and_between_a_part_of_the_way() -> None:
    network = small().eval()
    w, mean = network.mapping(Z), network.mean_style(1000, torch.Generator().manual_seed(0))
    of_mean = network.synthesis(mean[None])
    torch.testing.assert_close(network.synthesis(truncate(w, mean, 0.0)), of_mean.expand(6, -1, -1, -1))
    torch.testing.assert_close(truncate(w, mean, 1.0), w)
    torch.testing.assert_close(truncate(w, mean, 0.25) - mean, (w - mean) / 4)
    torch.testing.assert_close(truncate(w[:, None].repeat(1, 4, 1), mean, 0.5)[:, 2], truncate(w, mean, 0.5))


def test_the_mean_style_is_the_mean_and_its_generator_decides_it() -> None:
    network = small()
    drawn = torch.randn(50, 8, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    torch.testing.assert_close(
        network.mean_style(50, torch.Generator().manual_seed(4)), network.mapping(drawn).mean(dim=0)
    )


def test_the_length_of_a_latent_vector_does_not_count() -> None:
    mapping = Mapping(8, 5).double()
    torch.testing.assert_close(mapping(Z), mapping(7 * Z))
    assert len(mapping) == 8
    assert not torch.allclose(mapping(Z), mapping(-Z))


def test_a_picture_in_eval_mode_depends_on_its_style_alone_unless_noise_is_drawn() -> None:
    network = small().eval()
    w = network.mapping(Z)
    torch.testing.assert_close(network.synthesis(w)[:2], network.synthesis(w[:2]))
    drawn = network.synthesis(w, torch.Generator().manual_seed(1))
    assert torch.equal(drawn, network.synthesis(w, torch.Generator().manual_seed(1)))
    assert not torch.allclose(drawn, network.synthesis(w))
    without = copy.deepcopy(network)
    for layer in without.synthesis.grow:
        nn.init.zeros_(layer.noise.strength)  # type: ignore[union-attr, arg-type]
    assert torch.equal(without.synthesis(w, torch.Generator().manual_seed(1)), without.synthesis(w))
    assert not torch.allclose(without.synthesis(w), network.synthesis(w))


def test_it_plays_any_gan() -> None:
    def game() -> RelativisticGAN:
        generator = StyleGenerator(SHAPE, 8, 5, width=2)
        return RelativisticGAN(generator, conv_discriminator(SHAPE, 2), 8, penalties=[R1(0.1), R2(0.1)])

    assert game().generator.latent_size == 8
    check_game(game, [torch.rand(4, *SHAPE)])


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 24, 24), (3, 32, 16), (0, 16, 16), (3, 18, 18)])
def test_shapes_that_the_constant_does_not_double_to_are_told(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"a side of 4 times 2, 4, 8"):
        StyleGenerator(shape)


def test_styles_of_another_size_and_numbers_out_of_range_are_told() -> None:
    network = small()
    for w in (torch.randn(2, 8), torch.randn(2, 3, 5), torch.randn(5)):
        with pytest.raises(ValueError, match=r"expected styles \[batch, 5\], or one for each layer"):
            network.synthesis(w.double())
    for settings, name in (({"mixing": 1.1}, "mixing"), ({"depth": 0}, "depth"), ({"width": 0}, "width")):
        with pytest.raises(ValueError, match=name):
            StyleGenerator(SHAPE, **settings)


def test_all_of_it_learns_and_a_layer_keeps_the_size_of_its_grid() -> None:
    assert all(p.requires_grad for p in StyleGenerator(SHAPE).parameters())
    layer = StyleLayer(8, 8, 5, 64, up=False).double()
    x, w = torch.randn(4, 8, 64, 64, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    square = layer(x, w)[..., 1:-1, 1:-1].square().mean()
    assert (
        0.95 < square < 1.15
    )  # a leaky ReLU of 0.2 leaves 0.52 of a normal's square, and the gain has 2 of it


@pytest.mark.usefixtures("unchecked")
def test_latent_vectors_of_another_shape_are_told_and_halves_are_finite() -> None:
    mapping = Mapping(8, 5)
    for z in (torch.randn(4, 7), torch.randn(8), torch.randn(4, 3, 8)):
        with pytest.raises(ValueError, match=r"expected latent vectors \[batch, 8\]"):
            mapping(z)
    for precision in (torch.float16, torch.bfloat16):
        for z in (torch.zeros(2, 8), torch.full((2, 8), 1e-4), torch.full((2, 8), 1e4)):
            assert mapping.to(precision)(z.to(precision)).isfinite().all()


@pytest.mark.usefixtures("unchecked")
def test_styles_that_do_not_belong_together_and_layers_that_are_none_are_told() -> None:
    first = torch.randn(3, 5)
    whole = first[:, None].repeat(1, 4, 1)
    for a, b in ((first, first[:1]), (first, first[:, :1]), (whole, whole), (first[0], first[0])):
        with pytest.raises(ValueError, match="expected two times as many styles"):
            mix_styles(a, b, 1, 4)
    for layer in (5, -1, 1.5, True, torch.tensor([0, 5, 1]), torch.tensor([-1, 0, 1]), torch.tensor([1, 2])):
        with pytest.raises(ValueError, match="layer"):
            mix_styles(first, first, layer, 4)  # type: ignore[arg-type]
    for layer in (torch.tensor(1.0), torch.tensor([True, False, True])):
        with pytest.raises(ValueError, match="layer"):
            mix_styles(first, first, layer, 4)
    with pytest.raises(ValueError, match="layers"):
        mix_styles(first, first, 0, 0)
    assert mix_styles(first[:0], first[:0], 1, 4).shape == (0, 4, 5)


@pytest.mark.usefixtures("unchecked")
def test_a_mean_that_is_not_one_style_and_no_finite_psi_are_told() -> None:
    w = torch.randn(4, 5)
    for mean in (w[:, :1].mean(dim=0), w[:1], w):
        with pytest.raises(ValueError, match="the mean of the styles as one style"):
            truncate(w, mean, 0.5)
    for psi in (float("nan"), float("inf"), "1"):
        with pytest.raises(ValueError, match="psi"):
            truncate(w, w.mean(dim=0), psi)  # type: ignore[arg-type]
    torch.testing.assert_close(truncate(w, w.mean(dim=0), -1.0), 2 * w.mean(dim=0) - w)
