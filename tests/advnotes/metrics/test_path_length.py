"""Perceptual path length where the walk is known, and between its two extremes: a cross-fade and a jump."""

import math

import pytest
import torch
from torch import Tensor, nn

from advnotes.metrics import path_length, slerp


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(x: Tensor) -> Tensor:
    return x


def test_an_arc_has_its_ends_its_length_and_a_steady_speed() -> None:
    first, second = nn.functional.normalize(
        torch.randn(2, 50, 7, generator=source(), dtype=torch.float64), dim=2
    )
    angle = torch.acos((first * second).sum(dim=1))
    for t, expected in ((0.0, first), (1.0, second)):
        torch.testing.assert_close(slerp(first, second, torch.full((50,), t, dtype=torch.float64)), expected)
    at = [slerp(first, second, torch.full((50,), t, dtype=torch.float64)) for t in (0.3, 0.5)]
    torch.testing.assert_close(at[0].norm(dim=1), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(torch.acos((at[0] * at[1]).sum(dim=1)), 0.2 * angle)


def test_between_two_vectors_in_one_direction_the_walk_is_straight() -> None:
    z = torch.tensor([[1.0, 2.0, -1.0]])
    torch.testing.assert_close(slerp(z, 3 * z, torch.tensor([0.25])), 1.5 * z)


def test_a_linear_generator_walks_as_fast_as_its_latent_vector_does() -> None:
    # With many coordinates two normal vectors stand at right angles and have one length, so the arc's speed is
    # pi / 2 times that length.
    size, stretch = 400, nn.Linear(400, 400, bias=False)
    nn.init.eye_(stretch.weight)
    stretch.weight.data *= 3.0
    found = path_length(stretch, same, size, n=4000, source=source())
    assert found == pytest.approx(9 * size * math.pi**2 / 4, rel=0.02)
    half = path_length(stretch, lambda x: x / 2, size, n=4000, source=source())
    assert half == pytest.approx(found / 4, rel=1e-3)


def test_a_jump_costs_one_over_the_step() -> None:
    def sign(z: Tensor) -> Tensor:
        return (z[:, :1] > 0).float()

    # A walk between two normal vectors changes the sign of a coordinate once in half of the cases.
    for step in (0.1, 0.02):
        assert path_length(sign, same, 64, n=60_000, step=step, source=source()) == pytest.approx(
            0.5 / step, rel=0.1
        )


def test_nothing_is_random_but_the_source_and_nothing_is_left_changed() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first, second = (path_length(network, same, 5, n=100, batch_size=b, source=source(1)) for b in (100, 100))
    assert first == second > 0
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_feature_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="features"):
        path_length(same, lambda x: x * math.inf, 3, n=4)


def test_a_step_that_rounding_swallows_is_refused() -> None:
    torch.manual_seed(0)
    network = nn.Linear(4, 3)
    for dtype, step in ((torch.bfloat16, 1e-2), (torch.float16, 1e-4), (torch.float32, 1e-7)):
        with pytest.raises(ValueError, match="is lost in the rounding of a generator in torch"):
            path_length(network.to(dtype), same, 4, n=10, step=step)
    assert path_length(network.double(), same, 4, n=10, step=1e-7) > 0
