"""The VAE: its divergence against a sum over draws, its bound against a case whose likelihood is known, its draws."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes import data, play
from advnotes.generators import VAE, BernoulliPixels, GaussianPixels, kl_from_prior
from advnotes.nets import mlp


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class LinearGaussian:
    """p(z) = N(0, I), p(x | z) = N(A z + b, s^2 I): p(x) and p(z | x) are known (Tipping and Bishop 1999)."""

    def __init__(self, sigma: float = 0.5) -> None:
        self.A = torch.tensor(
            [[1.0, 0.8], [1.0, 1.0], [0.5, 1.0]], dtype=torch.float64
        )  # its columns are alike
        self.b, self.sigma = drawn(3, seed=1), sigma
        self.precision = torch.eye(2, dtype=torch.float64) + self.A.T @ self.A / sigma**2
        self.variance = self.precision.inverse()

    def log_likelihood(self, x: Tensor) -> Tensor:
        covariance = self.A @ self.A.T + self.sigma**2 * torch.eye(3, dtype=torch.float64)
        return torch.distributions.MultivariateNormal(self.b, covariance).log_prob(x)

    def decoder(self) -> nn.Module:
        layer = nn.Linear(2, 3).double()
        layer.weight.data, layer.bias.data = self.A.clone(), self.b.clone()
        return layer

    def encoder(self) -> nn.Module:
        """The exact posterior's mean, and the variances of the best q with independent coordinates."""
        layer = nn.Linear(3, 4).double()
        M = self.variance @ self.A.T / self.sigma**2
        layer.weight.data = torch.cat([M, torch.zeros(2, 3, dtype=torch.float64)])
        layer.bias.data = torch.cat([-M @ self.b, -self.precision.diagonal().log()])
        return layer


def test_the_divergence_is_the_mean_of_its_log_ratio_over_draws() -> None:
    mean, log_variance = drawn(2, 3), drawn(2, 3, seed=1)
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(q, prior).sum(dim=1)
    torch.testing.assert_close(kl_from_prior(mean, log_variance), expected, check_dtype=False)
    z = mean + (0.5 * log_variance).exp() * drawn(200_000, 2, 3, seed=2)
    ratios = (q.log_prob(z) - prior.log_prob(z)).sum(dim=2)
    error = ratios.std(dim=0) / math.sqrt(len(ratios))
    assert bool(((ratios.mean(dim=0) - expected).abs() < 5 * error).all())


def test_a_code_near_the_prior_costs_next_to_nothing_and_never_less() -> None:
    small = torch.full((1, 1), 1e-6)
    assert kl_from_prior(small, small).item() == pytest.approx(0.75e-12, rel=0.2)
    assert kl_from_prior(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_the_bound_misses_the_likelihood_by_the_divergence_of_the_posteriors() -> None:
    case, x = LinearGaussian(), drawn(4, 3, seed=3)
    game = VAE(case.encoder(), case.decoder(), 2, likelihood=GaussianPixels(case.sigma))
    draws = game.bound(x.repeat(20_000, 1), generator()).detach().view(-1, 4)
    diagonal = torch.diag(1 / case.precision.diagonal())
    normal = torch.distributions.MultivariateNormal
    zero = torch.zeros(2, dtype=torch.float64)
    gap = torch.distributions.kl_divergence(normal(zero, diagonal), normal(zero, case.variance))
    assert gap > 0.05  # there is something to be seen
    error = draws.std(dim=0) / math.sqrt(len(draws))
    assert bool(((case.log_likelihood(x) - gap - draws.mean(dim=0)).abs() < 5 * error).all())


def test_more_draws_bring_the_bound_nearer_to_the_likelihood() -> None:
    case, x = LinearGaussian(), drawn(4, 3, seed=3)
    game = VAE(case.encoder(), case.decoder(), 2, likelihood=GaussianPixels(case.sigma))
    exact = case.log_likelihood(x)
    many = x.repeat(500, 1)
    one, ten, hundred = (game.log_likelihood(many, draws, generator()).mean() for draws in (1, 10, 100))
    assert one < ten < hundred < exact.mean() + 0.01
    assert exact.mean() - hundred < (exact.mean() - one) / 3


def test_a_decoder_that_ignores_the_code_has_the_likelihood_of_its_pixels() -> None:
    logits = drawn(5)
    decoder = nn.Linear(2, 5).double()
    decoder.weight.data.zero_()
    decoder.bias.data = logits
    encoder = nn.Linear(5, 4).double()
    encoder.weight.data.zero_()
    encoder.bias.data.zero_()  # q is the prior
    x = (drawn(6, 5, seed=1) > 0).double()
    expected = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(dim=1)
    torch.testing.assert_close(VAE(encoder, decoder, 2).bound(x), expected)


def test_samples_have_the_likelihoods_noise() -> None:
    decoder = nn.Linear(2, 3)
    decoder.weight.data.zero_()
    decoder.bias.data = torch.tensor([-2.0, 0.0, 2.0])
    pixels = VAE(nn.Linear(3, 4), decoder, 2).sample(20_000, generator())
    assert set(pixels.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(
        pixels.mean(dim=0), decoder.bias.sigmoid(), atol=0.02, rtol=0, check_dtype=False
    )
    noisy = VAE(nn.Linear(3, 4), decoder, 2, likelihood=GaussianPixels(0.3)).sample(20_000, generator())
    torch.testing.assert_close(noisy.std(dim=0), torch.full((3,), 0.3), atol=0.02, rtol=0)


def test_play_raises_the_bound() -> None:
    torch.manual_seed(0)
    x = (torch.rand(256, 1) < 0.5).float().expand(-1, 6).contiguous()  # all black or all white: log 2 nats
    game = VAE(mlp(6, 16, 2), mlp(1, 16, 6), 1)
    before = game.bound(x).mean()
    play(
        game,
        data.batches(x, batch_size=64),
        torch.optim.Adam(game.parameters(), 0.02),
        steps=400,
        progress=False,
    )
    after = game.bound(x).mean()
    assert before < -4 < -1.5 < after < -math.log(2) + 0.1


def test_the_likelihoods_are_those_of_torch() -> None:
    output, x = drawn(4, 2, 3), drawn(4, 2, 3, seed=1)
    normal = torch.distributions.Normal(output, 0.7).log_prob(x).flatten(1).sum(dim=1)
    torch.testing.assert_close(GaussianPixels(0.7).log_prob(output, x), normal)
    torch.testing.assert_close(
        BernoulliPixels().log_prob(output, (x > 0).double()),
        -F.binary_cross_entropy_with_logits(output, (x > 0).double(), reduction="none").sum(dim=(1, 2)),
    )


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="latent_size"):
        VAE(nn.Linear(3, 4), nn.Linear(2, 3), 0)
    with pytest.raises(ValueError, match="sigma"):
        GaussianPixels(0.0)
    with pytest.raises(ValueError, match=r"the encoder gives.*\(batch, 4\)"):
        VAE(nn.Linear(3, 2), nn.Linear(2, 3), 2).bound(torch.rand(5, 3))
    with pytest.raises(ValueError, match="the decoder gives the shape"):
        VAE(nn.Linear(3, 4), nn.Linear(2, 1), 2).bound(torch.rand(5, 3))
    with pytest.raises(ValueError, match="choose GaussianPixels"):
        VAE(nn.Linear(3, 4), nn.Linear(2, 3), 2).bound(255 * torch.ones(5, 3))
    with pytest.raises(ValueError, match="leave it out"):
        VAE(nn.Linear(3, 4), nn.Linear(2, 3), 2).autoencoder_loss(torch.rand(0, 3))


@pytest.mark.usefixtures("unchecked")
def test_one_log_variance_for_all_means_is_not_broadcast() -> None:
    with pytest.raises(ValueError, match="a log-variance for each mean"):
        kl_from_prior(torch.zeros(5, 2), torch.zeros(5, 1))
