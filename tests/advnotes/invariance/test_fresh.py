"""The fresh adversary: what it recovers against what theory says, what it must leave alone, what it refuses."""

import math
import random

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn

from advnotes.invariance import Recovered, fresh_adversary
from advnotes.invariance.fresh_targets import Categorical, Mixture


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noisy_bit(n: int = 3000, flipped: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    """A bit behind a binary symmetric channel, as a representation of one feature."""
    y = torch.randint(2, (n,), generator=generator(1))
    noise = torch.rand(n, generator=generator(2)) < flipped
    return torch.where(noise, 1 - y, y)[:, None].float(), y


def correlated(n: int = 4000, rho: float = 0.8) -> tuple[torch.Tensor, torch.Tensor]:
    x, e = torch.randn(2, n, generator=generator(3))
    return x[:, None], rho * x + math.sqrt(1 - rho**2) * e


def found(x: torch.Tensor, z: torch.Tensor, **options) -> Recovered:
    return fresh_adversary(x, z, **{"steps": 200, "learning_rate": 1e-2, "generator": generator()} | options)


def test_through_a_noisy_channel_it_recovers_the_channels_capacity():
    result = found(*noisy_bit())
    capacity = math.log(2) + 0.1 * math.log(0.1) + 0.9 * math.log(0.9)
    assert abs(result.information - capacity) < 3 * result.error
    assert result.information == pytest.approx(result.chance - result.loss, abs=1e-6)
    assert abs(result.right.value - 0.9) < 0.03
    assert abs(result.guess.value - 0.5) < 0.05
    assert result.right.total == result.guess.total == 900


def test_of_a_gaussian_it_recovers_what_the_correlation_says():
    result = found(*correlated())
    assert abs(result.information + 0.5 * math.log(1 - 0.8**2)) < 3 * result.error
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    assert result.chance == pytest.approx(entropy, abs=0.06)
    assert result.right is None
    assert result.guess is None


def test_the_loss_has_the_targets_own_unit_and_the_information_none():
    x, z = correlated(1500)
    one, ten = found(x, z), found(x, 10 * z + 3)
    assert ten.loss - one.loss == pytest.approx(math.log(10), abs=1e-3)
    assert ten.information == pytest.approx(one.information, abs=1e-3)


@pytest.mark.parametrize(
    "target", [noisy_bit(2000)[1], correlated(2000)[1]], ids=["categorical", "continuous"]
)
@pytest.mark.parametrize("kind", ["noise", "constant"])
def test_where_there_is_nothing_it_recovers_nothing(target: torch.Tensor, kind: str):
    x = torch.randn(2000, 3, generator=generator(5)) if kind == "noise" else torch.full((2000, 3), 0.3)
    result = found(x, target)
    assert abs(result.information) < max(0.005, 3 * result.error)


def test_what_is_small_does_not_hide():
    x, y = noisy_bit()
    large, small = found(x, y), found(5.0 + 1e-4 * x, y)
    assert small.information == pytest.approx(large.information, abs=1e-2)


def test_bits_in_columns_are_counted_one_by_one_and_summed():
    bits = torch.randint(2, (2000, 4), generator=generator(6))
    shown = 2.0 * bits[:, :3] - 1
    result = found(shown, bits)
    assert result.right.total == 600 * 4
    assert abs(result.right.value - 0.875) < 0.02
    assert abs(result.information - 3 * math.log(2)) < 0.05


def test_several_continuous_targets_and_two_bumps():
    x, z = correlated(3000)
    far = torch.where(x[:, 0] > 0, 5.0, -5.0) + 0.1 * torch.randn(3000, generator=generator(7))
    result = found(x, torch.stack([z, far], dim=1), steps=300)
    assert result.information > 0.9  # about half a nat of one and a bit of the other: they overlap


def test_nothing_is_learned_from_what_is_reported():
    """Random labels can be learned by heart, and only what is held out tells."""
    x, y = torch.randn(400, 50, generator=generator(8)), torch.randint(2, (400,), generator=generator(9))
    result = found(x, y)
    assert result.information <= 2 * result.error + 0.01
    assert abs(result.right.value - 0.5) < 0.15


def test_a_network_of_ones_own_is_made_anew_for_each_try():
    x, y = noisy_bit(1500)
    made: list[int] = []

    def network(outputs: int) -> nn.Module:
        made.append(outputs)
        return nn.Linear(1, outputs)

    assert found(x, y, network=network, tries=3, steps=100).information > 0.2
    assert made == [2, 2, 2]


def test_the_better_try_reports():
    x, y = noisy_bit(1500)
    stuck = iter([True, False])

    class Maybe(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.sees = nn.Linear(1, 2), 0.0 if next(stuck) else 1.0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x * self.sees)

    assert found(x, y, network=lambda _: Maybe(), tries=2).information > 0.3


def test_images_and_double_precision():
    x, y = noisy_bit(1000)
    images = x.double().view(-1, 1, 1, 1).expand(-1, 1, 3, 3)
    result = found(
        images, y, network=lambda n: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, n))
    )
    assert result.information > 0.2


def test_it_leaves_the_world_as_it_was():
    x, y = noisy_bit(300)
    x.requires_grad_()
    before = x.detach().clone()
    torchs, others = torch.get_rng_state(), random.getstate()
    with torch.no_grad():
        first = found(x, y, steps=20)
    assert first == found(x, y, steps=20)
    assert torch.equal(torchs, torch.get_rng_state())
    assert others == random.getstate()
    assert x.grad is None
    assert torch.equal(x, before)
    torch.manual_seed(4)
    drawn = fresh_adversary(x, y, steps=20)
    torch.manual_seed(4)
    assert fresh_adversary(x, y, steps=20) == drawn
    assert found(x, y, steps=20, generator=generator(1)) != first


def test_representations_and_targets_are_pairs():
    with pytest.raises((ValueError, TypeCheckError), match="representation"):
        fresh_adversary(torch.rand(20, 2), torch.zeros(7, dtype=torch.int64))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": torch.zeros(20, dtype=torch.int64)}, "nothing to be found out"),
        ({"target": torch.zeros(20)}, "differ in every column"),
        ({"target": torch.arange(20) - 1}, "from 0 on"),
        ({"target": torch.full((20,), math.nan)}, "finite targets"),
        ({"representation": torch.full((20, 2), math.inf)}, "finite representations"),
        ({"representation": torch.zeros(20, 0)}, "one representation for each"),
        ({"held_out": 1.0}, "held_out is a share"),
        ({"held_out": 0.01}, "at least 2 held-out"),
        ({"steps": 0}, "at least 1"),
        ({"tries": 0}, "at least 1"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"target": torch.rand(20), "components": 0}, "at least 1 component"),
        ({"network": lambda n: nn.Linear(2, n + 1)}, "network\\(outputs\\)"),
    ],
)
def test_what_it_refuses(change: dict, words: str):
    arguments = {"representation": torch.rand(20, 2), "target": torch.arange(20) % 2} | change
    with pytest.raises(ValueError, match=words):
        fresh_adversary(arguments.pop("representation"), arguments.pop("target"), **arguments)


def test_a_mixture_of_one_is_a_gaussian_and_its_density_has_a_whole_of_one():
    z = torch.randn(50, 2, generator=generator(1)).double()
    one = Mixture(z, 1)
    scores = torch.tensor([[0.0, 0.5, -1.0, 0.3, 0.1]]).double()
    scale = one.std * scores[0, 3:].exp()
    normal = torch.distributions.Normal(one.mean + one.std * scores[0, 1:3], scale)
    assert torch.allclose(one.loss(scores.expand(50, -1), z), -normal.log_prob(z).sum(dim=1))
    line = torch.linspace(-60, 60, 20001)[:, None].double()
    mixture = Mixture(z[:, :1], 3)
    density = (
        -mixture.loss(torch.randn(1, 9, generator=generator(2)).double().expand(len(line), -1), line)
    ).exp()
    assert float(density.sum() * (line[1] - line[0])) == pytest.approx(1, abs=1e-4)


def test_frequencies_are_the_best_constant_scores():
    z = torch.tensor([[0, 1], [0, 2], [1, 2], [0, 2]])
    score = Categorical(2, 3)
    scores = score.frequency(z)
    assert torch.allclose(scores.view(2, 3).exp(), torch.tensor([[4, 2, 1], [1, 2, 4]]) / 7)
    assert score.right(scores.expand(4, -1), z).count == 3 + 3
