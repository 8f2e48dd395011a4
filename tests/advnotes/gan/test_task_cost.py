"""The weighted cost against binary cross-entropy, its perfect discriminator, and the divergences at its two ends."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from advnotes.gan import GAN, MinimaxGAN, TaskCostGAN
from advnotes.nets import mlp

REAL = torch.randn(10, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
P, Q = (torch.tensor(rows, dtype=torch.float64) for rows in ([0.1, 0.2, 0.7], [0.5, 0.3, 0.2]))


def game(kind: type[GAN] = TaskCostGAN, **options: float) -> GAN:
    torch.manual_seed(0)
    return kind(mlp(2, 4, 3).double(), mlp(3, 4, 1).double(), 2, **options)


def losses(gan: GAN) -> torch.Tensor:
    torch.manual_seed(2)
    return torch.stack([gan.discriminator_loss(REAL), gan.generator_loss(REAL)])


@given(st.floats(0.01, 0.99))
def test_it_is_the_weighted_cross_entropy(pi: float) -> None:
    gan = game(pi=pi)
    torch.manual_seed(2)
    fake = gan.generated(REAL)
    real, made = gan.logit(REAL), gan.logit(fake)
    expected = pi * F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    expected += (1 - pi) * F.binary_cross_entropy_with_logits(made, torch.zeros_like(made))
    torch.testing.assert_close(losses(gan)[0], expected, rtol=1e-12, atol=0)


def test_one_half_is_half_of_gans_loss_and_the_generators_is_the_same() -> None:
    torch.testing.assert_close(losses(game(pi=0.5)), losses(game(GAN)) * torch.tensor([0.5, 1.0]).double())


class Table(nn.Module):
    """A free logit for each of three places, and what is generated: each place as often as in Q."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (F.one_hot(x[:, 0].long(), 3).double() * self.logits).sum(dim=1)


def counted(shares: torch.Tensor) -> torch.Tensor:
    return torch.arange(3).repeat_interleave((10 * shares).round().long())[:, None].double()


@pytest.mark.parametrize("pi", [0.1, 0.5, 0.9])
def test_the_best_discriminator_is_the_formulas(pi: float) -> None:
    table = Table()
    gan = TaskCostGAN(mlp(1, 1).double(), table, 1, pi=pi)
    best = pi * P / (pi * P + (1 - pi) * Q)
    table.logits.data = torch.logit(best)
    (slope,) = torch.autograd.grad(gan.discriminator_objective(counted(P), counted(Q)), table.logits)
    assert slope.abs().max() < 1e-12
    table.logits.data = torch.logit(P / (P + Q)) + 0.1
    (slope,) = torch.autograd.grad(gan.discriminator_objective(counted(P), counted(Q)), table.logits)
    assert slope.abs().max() > 1e-3  # another discriminator is not at rest


def zero_sum_slope(pi: float) -> torch.Tensor:
    """The slope of what a zero-sum generator pays in its share of each place, before a perfect discriminator."""
    return torch.log((1 - pi) * Q / (pi * P + (1 - pi) * Q))


def kl(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * (a / b).log()).sum()


def centred(slope: torch.Tensor) -> torch.Tensor:
    """Shares sum to one: only differences from the mean move them."""
    return slope - slope.mean()


@pytest.mark.parametrize(("pi", "scale", "divergence"), [(1e-7, 1e-7, "p, q"), (1 - 1e-7, 1.0, "q, p")])
def test_the_zero_sum_game_has_the_two_divergences_for_its_ends(
    pi: float, scale: float, divergence: str
) -> None:
    class ZeroSum(TaskCostGAN, MinimaxGAN):
        pass

    shares = Q.clone().requires_grad_()
    target = kl(P, shares) if divergence == "p, q" else kl(shares, P)
    (expected,) = torch.autograd.grad(target, shares)
    torch.testing.assert_close(centred(zero_sum_slope(pi) / scale), centred(expected), rtol=1e-5, atol=1e-6)
    # The slope above is that of the package's loss: each generated sample pays log(1 - D) at its place.
    table = Table()
    table.logits.data = torch.logit(pi * P / (pi * P + (1 - pi) * Q))
    gan = ZeroSum(mlp(1, 1).double(), table, 1, pi=pi)
    gan.generated = lambda real, *_: counted(Q)
    torch.testing.assert_close(
        gan.generator_loss(counted(P)), (Q * zero_sum_slope(pi)).sum(), rtol=1e-6, atol=1e-12
    )


def test_a_weight_that_leaves_a_side_out_is_refused() -> None:
    for pi in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="pi must be"):
            game(pi=pi)
