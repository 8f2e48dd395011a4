"""The variational autoencoder of Kingma and Welling 2013: a generator, an encoder, and a bound in place of a game."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_floating
from advnotes.game import Game, Turns
from advnotes.gan.standard import check_real
from advnotes.generators.parts.likelihoods import BernoulliPixels, Likelihood, normal_like

__all__ = ["VAE", "kl_from_prior"]


class VAE(Game):
    r"""An encoder :math:`q(z \mid x)` and a decoder :math:`p(x \mid z)` that raise one bound together, equation 3.

    .. math:: \log p(x) \ge \mathbb E_{q(z \mid x)} \log p(x \mid z) - \mathrm{KL}\bigl(q(z \mid x) \,\|\, N(0, I)\bigr)

    The expectation is taken at one :math:`z = \mu + \sigma \odot \varepsilon` (section 2.4), the divergence in closed
    form (:func:`kl_from_prior`). A game with one player, which ``play`` trains.

    Args:
        encoder: maps samples to ``[batch, 2 * latent_size]``: means, then logarithms of variances.
        decoder: maps latent vectors to the parameters of ``likelihood``, in the samples' shape.
        latent_size: the number of latent coordinates.
        likelihood: :class:`BernoulliPixels`, or :class:`GaussianPixels`.

    Raises:
        ValueError: where ``latent_size`` is less than 1; when called, where a network's output has another shape.
    """

    turns: Turns = ("autoencoder",)

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent_size: int,
        *,
        likelihood: Likelihood | None = None,
    ) -> None:
        super().__init__()
        self.latent_size = check_count("latent_size", latent_size)
        self.likelihood: Likelihood = likelihood or BernoulliPixels()
        self.autoencoder = nn.ModuleDict({"encoder": encoder, "decoder": decoder})

    def autoencoder_loss(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        """Minus the mean of the bound, in nats."""
        check_real(x)
        return -self.bound(x).mean()

    def bound(
        self, x: Float[Tensor, "batch ..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """One draw of the bound on each sample's log-likelihood, in nats."""
        mean, log_variance = self.encode(x)
        z = mean + (0.5 * log_variance).exp() * normal_like(mean, generator)
        return self.likelihood.log_prob(self.decode(z, x), x) - kl_from_prior(mean, log_variance)

    @torch.no_grad()
    def log_likelihood(
        self, x: Float[Tensor, "batch ..."], draws: int = 100, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        r"""A tighter bound, :math:`\log \frac1K \sum_k p(x, z_k) / q(z_k \mid x)` (Burda et al. 2015, equation 8)."""
        mean, log_variance = self.encode(x)
        weights = []
        for _ in range(check_count("draws", draws)):
            noise = normal_like(mean, generator)
            z = mean + (0.5 * log_variance).exp() * noise
            ratio = 0.5 * (noise.square() - z.square() + log_variance).sum(dim=1)  # log p(z) - log q(z | x)
            weights.append(self.likelihood.log_prob(self.decode(z, x), x) + ratio)
        return torch.stack(weights).logsumexp(dim=0) - math.log(draws)

    def encode(
        self, x: Float[Tensor, "batch ..."]
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Mean and log-variance of each sample's latent vector."""
        check_floating(x)
        code = call_model(self.autoencoder["encoder"], x)
        if code.shape != (len(x), 2 * self.latent_size):
            raise ValueError(
                f"the encoder gives the shape {tuple(code.shape)} for {len(x)} samples: it must give "
                f"(batch, {2 * self.latent_size}), a mean and a log-variance for each latent coordinate"
            )
        mean, log_variance = code.chunk(2, dim=1)
        return mean, log_variance

    def decode(
        self, z: Float[Tensor, "batch latent"], like: Tensor | None = None
    ) -> Float[Tensor, "batch ..."]:
        """The decoder's output at latent vectors, checked to have the shape of ``like``."""
        output = call_model(self.autoencoder["decoder"], z)
        if like is not None and output.shape != like.shape:
            raise ValueError(
                f"the decoder gives the shape {tuple(output.shape)}, the samples have {tuple(like.shape)}: let it end "
                "with theirs"
            )
        return output

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n ..."]:
        """Draw ``n`` samples: a latent vector from N(0, I), then the sample from ``likelihood``, its noise included."""
        like = next(self.autoencoder["decoder"].parameters(), torch.empty(0))
        z = normal_like(like.new_empty(check_count("n", n, least=0), self.latent_size), generator)
        return self.likelihood.draw(self.decode(z), generator)


def kl_from_prior(
    mean: Float[Tensor, "batch latent"], log_variance: Float[Tensor, "batch latent"]
) -> Float[Tensor, " batch"]:
    r"""KL of a code from N(0, I), nats: :math:`\frac12 \sum (\mu^2 + \sigma^2 - \log \sigma^2 - 1)`, appendix B.

    Raises:
        ValueError: where there is not one log-variance for each mean.
    """
    if mean.shape != log_variance.shape:
        raise ValueError(
            f"expected a log-variance for each mean, got the shapes {tuple(log_variance.shape)} and {tuple(mean.shape)}"
        )
    return 0.5 * (mean.square() + log_variance.expm1() - log_variance).sum(dim=1)
