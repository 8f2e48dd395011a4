"""Flows: there and back, their determinants against autograd's, and densities that integrate to 1."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advnotes import data, play
from advnotes.generators import AdditiveCoupling, AffineCoupling, Flow, Logit, Scaling, dequantise
from advnotes.nets import mlp


def nice(size: int = 6) -> list[nn.Module]:
    half = size // 2
    return [*(AdditiveCoupling(mlp(half, 8, half), odd=bool(k % 2)) for k in range(4)), Scaling(size)]


def real_nvp(size: int = 6) -> list[nn.Module]:
    half = size // 2
    return [Logit(0.05), *(AffineCoupling(mlp(half, 8, size), odd=bool(k % 2)) for k in range(4))]


def flow(layers: list[nn.Module], size: int = 6) -> Flow:
    made = Flow(layers, (size,)).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        parameter.data = 0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return made


def inside(n: int, size: int = 6) -> Tensor:
    return torch.rand(n, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.98 + 0.01


@pytest.mark.parametrize("kind", [nice, real_nvp])
def test_back_is_where_it_came_from(kind: Any) -> None:
    game = flow(kind())
    z, _ = game.to_latent(inside(50))
    torch.testing.assert_close(game.from_latent(z), inside(50), atol=1e-8, rtol=0)
    game.float()
    z, _ = game.to_latent(inside(50).float())
    torch.testing.assert_close(game.from_latent(z), inside(50).float(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [nice, real_nvp])
def test_the_determinant_is_that_of_autograds_jacobian(kind: Any) -> None:
    game = flow(kind())
    for x in inside(4):
        jacobian = torch.autograd.functional.jacobian(lambda row: game.to_latent(row[None])[0][0], x)
        expected = torch.linalg.slogdet(jacobian).logabsdet
        assert expected.abs() > 0.01
        torch.testing.assert_close(game.to_latent(x[None])[1][0].detach(), expected)


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("kind", [AdditiveCoupling, AffineCoupling])
def test_a_coupling_leaves_half_of_the_coordinates_as_they_are(kind: Any, odd: bool) -> None:
    torch.manual_seed(0)
    layer = kind(mlp(2, 8, 4 if kind is AffineCoupling else 2), odd=odd)
    x = torch.randn(5, 4)
    y, log_det = layer(x)
    same = (y == x).all(dim=0).tolist()
    assert same == ([False, True] * 2 if odd else [True, False] * 2)
    assert bool((log_det == 0).all()) is (kind is AdditiveCoupling)


def test_the_density_integrates_to_one() -> None:
    torch.manual_seed(0)
    game = Flow([AffineCoupling(mlp(1, 8, 2)), AffineCoupling(mlp(1, 8, 2), odd=True)], (2,)).double()
    line = torch.linspace(-12, 12, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    total = game.log_density(grid).exp().sum() * (line[1] - line[0]) ** 2
    assert total.item() == pytest.approx(1.0, abs=1e-3)


def test_a_flow_of_one_scaling_is_a_normal_density() -> None:
    layer = Scaling(3)
    layer.log_scale.data = torch.tensor([0.5, 0.0, -1.0])
    game = Flow([layer], (3,)).double()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigma = (-layer.log_scale).exp()
    expected = torch.distributions.Normal(0.0, sigma).log_prob(x).sum(dim=1)
    torch.testing.assert_close(game.log_density(x), expected)
    drawn = game.sample(50_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.std(dim=0), sigma.detach(), rtol=0.03, atol=0)


def test_pixels_are_spread_over_cells_of_their_own() -> None:
    x = torch.tensor([0.0, 1.0, 1.0]).double().expand(20_000, 3)
    y = dequantise(x, 2, torch.Generator().manual_seed(0))
    assert bool(((y >= x / 2) & (y <= (x + 1) / 2)).all())
    torch.testing.assert_close(y.mean(dim=0), x[0] / 2 + 0.25, atol=0.01, rtol=0)


def test_play_finds_the_density_of_a_bent_cloud() -> None:
    torch.manual_seed(0)
    first = torch.randn(2000)
    x = torch.stack([first, first.square() + 0.1 * torch.randn(2000)], dim=1)
    game = Flow([*(AffineCoupling(mlp(1, 16, 2), odd=bool(k % 2)) for k in range(4)), Scaling(2)], (2,))
    entropy = 1 + math.log(2 * math.pi) + math.log(0.1)  # of the cloud, in nats
    before = game.layers_loss(x).item()
    play(game, data.batches(x), torch.optim.Adam(game.parameters(), 0.01), steps=250, progress=False)
    after = game.layers_loss(x).item()
    assert before > entropy + 1 > entropy + 0.5 > after > entropy - 0.15


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one layer"):
        Flow([], (3,))
    with pytest.raises(ValueError, match="even size"):
        AdditiveCoupling(nn.Linear(1, 1))(torch.rand(2, 3))
    with pytest.raises(ValueError, match="2 for each of the other half"):
        AffineCoupling(nn.Linear(2, 2))(torch.rand(2, 4))
    with pytest.raises(ValueError, match="expected samples of the shape"):
        Flow(nice(), (6,)).log_density(torch.rand(2, 4))
    with pytest.raises(ValueError, match="alpha"):
        Logit(0.5)
    with pytest.raises(ValueError, match="levels"):
        dequantise(torch.rand(2, 2), 1)
    for x in (torch.full((2, 2), 0.3), torch.full((2, 2), 255.0), torch.full((2, 2), -1.0)):
        with pytest.raises(ValueError, match="equidistant values from 0 to 1"):
            dequantise(x, 2)
    with pytest.raises(ValueError, match="too coarse for cells"):
        dequantise(torch.ones(2, 2, dtype=torch.bfloat16), 256)
    with pytest.raises(ValueError, match=r"expected \[batch, 1\]"):  # whose determinant would be a sixth
        Flow([Scaling(1)], (6,)).log_density(torch.rand(2, 6))
    with pytest.raises(ValueError, match="leave Logit out"):
        Flow([Logit()], (6,)).log_density(2 * torch.ones(2, 6))
    with pytest.raises(ValueError, match="leave it out"):
        Flow(nice(), (6,)).layers_loss(torch.rand(0, 6))


def test_a_flow_without_anything_to_learn_draws_too() -> None:
    drawn = Flow([Logit()], (4,)).sample(5)
    assert drawn.shape == (5, 4)


@pytest.mark.usefixtures("unchecked")
def test_bytes_are_not_spread() -> None:
    with pytest.raises(ValueError, match="floating point"):
        dequantise(torch.ones(2, 2, dtype=torch.uint8), 256)
