"""DDPM: its schedule, its posterior against Bayes rule, and samplers with the denoiser that is best for a Gaussian."""

import math

import pytest
import torch
from torch import Tensor, nn

from advnotes import data, play
from advnotes.generators import DDPM, diffusion_bound, linear_betas
from advnotes.generators.parts.diffusion_bound import _log_cell
from advnotes.nets import mlp


class BestForGaussian(nn.Module):
    """E[noise | x_t] where the data are N(mean, sigma^2): the answer that has the least loss."""

    def __init__(self, betas: Tensor, mean: float, sigma: float) -> None:
        super().__init__()
        self.signal, self.mean, self.sigma = (1 - betas).cumprod(dim=0), mean, sigma
        self.weight = nn.Parameter(torch.ones((), dtype=betas.dtype))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        signal = self.signal[t][:, None]
        variance = signal * self.sigma**2 + 1 - signal
        return self.weight * (1 - signal).sqrt() * (x - signal.sqrt() * self.mean) / variance


class Perceptron(nn.Module):
    def __init__(self, steps: int, outputs: int = 2) -> None:
        super().__init__()
        self.body, self.steps = mlp(3, 32, 32, outputs), steps

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.body(torch.cat([x, t[:, None] / self.steps], dim=1))


def denoiser(game: DDPM) -> BestForGaussian:
    assert isinstance(game.network, BestForGaussian)
    return game.network


def best(steps: int = 200, mean: float = 1.0, sigma: float = 0.5) -> DDPM:
    betas = linear_betas(steps).double()
    return DDPM(BestForGaussian(betas, mean, sigma), betas, (1,))


def test_the_papers_schedule_ends_in_noise() -> None:
    betas = linear_betas(1000)
    assert (betas[0].item(), betas[-1].item()) == pytest.approx((1e-4, 0.02))
    signal = DDPM(nn.Linear(1, 1), betas, (1,)).signal
    assert signal[-1].item() == pytest.approx(4.04e-5, rel=0.01)  # of the variance that was the data's
    assert DDPM(nn.Linear(1, 1), linear_betas(50), (1,)).signal[-1].item() < 1e-3


def test_noise_step_by_step_is_noise_at_once() -> None:
    game, n = best(30), 200_000
    generator = torch.Generator().manual_seed(0)
    normal = lambda: torch.randn(n, 1, generator=generator, dtype=torch.float64)  # noqa: E731
    x = torch.full((n, 1), 2.0, dtype=torch.float64)
    start = x
    for beta in game.betas[:7]:
        x = (1 - beta).sqrt() * x + beta.sqrt() * normal()
    at_once = game.noisy(start, torch.full((n,), 6), normal())
    torch.testing.assert_close(x.mean(), at_once.mean(), atol=0.01, rtol=0)
    torch.testing.assert_close(x.std(), at_once.std(), rtol=0.01, atol=0)


def test_the_posterior_is_bayes_rule() -> None:
    game = best(30)
    for step in (1, 5, 29):
        t = torch.tensor([step])
        x_0, x_t = torch.tensor([[0.7]]).double(), torch.tensor([[-0.4]]).double()
        mean, variance = game.posterior(x_0, x_t, t)
        before, beta = game.signal[step - 1], game.betas[step]
        precision = 1 / (1 - before) + (1 - beta) / beta  # prior q(x_{t-1} | x_0) times q(x_t | x_{t-1})
        expected = (before.sqrt() * x_0 / (1 - before) + (1 - beta).sqrt() * x_t / beta) / precision
        torch.testing.assert_close(variance.flatten()[0], 1 / precision)
        torch.testing.assert_close(mean, expected)
    mean, variance = game.posterior(x_0, x_t, torch.tensor([0]))
    torch.testing.assert_close(mean, x_0)
    assert variance.item() == pytest.approx(0.0, abs=1e-12)


def test_with_the_best_denoiser_a_gaussian_comes_back() -> None:
    game = best()
    sampled = game.sample(40_000, torch.Generator().manual_seed(0))
    traced = game.trace(game.latent(40_000, torch.Generator().manual_seed(1)), 200)
    for x in (sampled, traced):
        assert x.mean().item() == pytest.approx(1.0, abs=0.03)
        assert x.std().item() == pytest.approx(0.5, abs=0.02)


def test_without_chance_the_way_back_keeps_the_order_and_one_step_is_the_mean() -> None:
    game = best()
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    assert bool((game.trace(z, 50).diff(dim=0) > 0).all())
    clean = game.clean_of(z, torch.full((9,), 199))
    torch.testing.assert_close(game.trace(z, 1), clean)
    assert clean.std() < 0.05 < 0.4 < game.trace(z, 50).std()


def test_the_best_denoiser_has_the_least_loss_and_it_is_known() -> None:
    game, n = best(30), 200_000
    x = 1 + 0.5 * torch.randn(n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    variance = game.signal * 0.25 + 1 - game.signal
    expected = (1 - (1 - game.signal) / variance).mean().item()  # Var(noise | x_t), over the steps
    torch.manual_seed(0)
    assert game.network_loss(x).item() == pytest.approx(expected, abs=0.01)
    for weight in (0.8, 1.2):
        denoiser(game).weight.data.fill_(weight)
        assert game.network_loss(x).item() > expected + 0.01


class BestForCoin(nn.Module):
    """E[noise | x_t] where the data are 1 with probability p, else -1."""

    def __init__(self, betas: Tensor, p: float) -> None:
        super().__init__()
        self.signal, self.p = (1 - betas).cumprod(dim=0), p

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        signal = self.signal[t][:, None]
        clean = torch.tanh(signal.sqrt() * x / (1 - signal) + 0.5 * math.log(self.p / (1 - self.p)))
        return (x - signal.sqrt() * clean) / (1 - signal).sqrt()


def test_the_bound_is_below_the_likelihood_and_near_it_for_the_best_denoiser() -> None:
    p, n, betas = 0.8, 20_000, linear_betas(200).double()
    game = DDPM(BestForCoin(betas, p), betas, (1,))
    heads = torch.ones(n, 1, dtype=torch.float64)
    one, other = (
        diffusion_bound(game, x, generator=torch.Generator().manual_seed(0)).mean() for x in (heads, -heads)
    )
    bound, exact = p * one + (1 - p) * other, p * math.log(p) + (1 - p) * math.log(1 - p)
    assert exact - 0.05 < bound < exact + 0.01
    game.network = BestForCoin(betas, 0.5)  # a denoiser of other data
    fair = [
        diffusion_bound(game, x, generator=torch.Generator().manual_seed(0)).mean() for x in (heads, -heads)
    ]
    assert p * fair[0] + (1 - p) * fair[1] < exact - 0.1
    assert float(fair[0]) == pytest.approx(math.log(0.5), abs=0.05)


def test_the_cells_of_a_normal_distribution_sum_to_one() -> None:
    levels, mean = (
        torch.linspace(-1, 1, 5, dtype=torch.float64),
        torch.tensor([[0.3], [-0.9], [4.0]]).double(),
    )
    logs = torch.stack([_log_cell(level, mean, 0.25, 0.4) for level in levels])
    torch.testing.assert_close(
        logs.logsumexp(dim=0), torch.zeros(3, 1, dtype=torch.float64), atol=1e-9, rtol=0
    )
    assert bool(logs.isfinite().all())


def test_play_learns_to_part_two_dots() -> None:
    torch.manual_seed(0)
    x = torch.randint(0, 2, (1024, 1)).float().mul(2).sub(1).expand(-1, 2).contiguous()  # (-1, -1) and (1, 1)
    betas = linear_betas(40)
    game = DDPM(Perceptron(40), betas, (2,))
    play(game, data.batches(x), torch.optim.Adam(game.parameters(), 1e-2), steps=600, progress=False)
    made = game.sample(500)
    near = ((made - made.sign()).norm(dim=1) < 0.3) & (made[:, 0] * made[:, 1] > 0)
    assert near.float().mean() > 0.8
    assert 0.25 < (made[near][:, 0] > 0).float().mean() < 0.75


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="steps"):
        linear_betas(20)
    for betas in (torch.tensor([0.5, 1.0]), torch.tensor([0.0]), torch.zeros(0)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            DDPM(nn.Linear(1, 1), betas, (1,))
    with pytest.raises(ValueError, match="expected samples of the shape"):
        best().network_loss(torch.rand(3, 2))
    with pytest.raises(ValueError, match="leave it out"):
        best().network_loss(torch.rand(0, 1))
    with pytest.raises(ValueError, match="expected samples of the shape"):
        best().trace(torch.zeros(2, 3).double(), 1)
    with pytest.raises(ValueError, match="at most 200"):
        best().trace(torch.zeros(1, 1).double(), 201)
    narrow = DDPM(Perceptron(30, outputs=1), linear_betas(30), (2,))
    with pytest.raises(ValueError, match="the network gives the shape"):
        narrow.network_loss(torch.rand(4, 2))
    with pytest.raises(ValueError, match="equidistant values"):
        diffusion_bound(best(), torch.zeros(2, 1).double())
