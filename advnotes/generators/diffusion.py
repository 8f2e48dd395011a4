"""A small diffusion model: DDPM (Ho, Jain and Abbeel 2020), with the sampler of Song, Meng and Ermon 2020."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_count
from advnotes.game import Game, Turns
from advnotes.gan.standard import check_real

__all__ = ["DDPM", "linear_betas"]


def linear_betas(steps: int) -> Float[Tensor, " steps"]:
    r"""Variances that rise evenly, section 4: from 0.0001 to 0.02 for 1,000 steps, and larger for fewer.

    Raises:
        ValueError: where ``steps`` is less than 20, for which the last variance would not be below 1.
    """
    scale = 1000 / check_count("steps", steps, least=21)
    return torch.linspace(1e-4 * scale, 0.02 * scale, steps)


class DDPM(Game):
    r"""Noise is added in ``T`` steps, and a network learns which: a sample takes ``T`` passes back.

    With :math:`\alpha_t = 1 - \beta_t` and :math:`\bar\alpha_t = \prod_{s \le t} \alpha_s`, equations 4, 7, 11 and 14:

    .. math::
        x_t &= \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon, \qquad
        L = \mathbb E_{t, \varepsilon} \tfrac1d \lVert \varepsilon - \varepsilon_\theta(x_t, t) \rVert^2 \\
        \mu_\theta(x_t, t) &= \frac{\sqrt{\bar\alpha_{t-1}}\, \beta_t}{1 - \bar\alpha_t}\, \hat x_0
            + \frac{\sqrt{\alpha_t}\, (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}\, x_t

    where :math:`\hat x_0` is what :math:`\varepsilon_\theta` says of :math:`x_0`. A game with one player, for ``play``
    to train. Steps are counted from 0 here: ``t = 0`` is the paper's 1.

    Args:
        network: ``network(x_t, t)`` gives the noise, in the shape of ``x_t``; ``t`` is ``[batch]``, int64.
        betas: one variance for each step, such as :func:`linear_betas`.
        shape: of one sample.

    Raises:
        ValueError: where a variance is not between 0 and 1; when called, where samples or the network's answer have
            another shape.

    Differs from the paper: with :math:`\tilde\beta_t` as the variance of a step back, the other of the two in its
    section 3.2, and samples are not clipped.
    """

    turns: Turns = ("network",)
    signal: Tensor
    betas: Tensor

    def __init__(self, network: nn.Module, betas: Float[Tensor, " steps"], shape: Sequence[int]) -> None:
        super().__init__()
        if betas.ndim != 1 or len(betas) == 0 or not bool(((betas > 0) & (betas < 1)).all()):
            raise ValueError(
                "betas must be variances between 0 and 1, one for each step, as linear_betas(100)"
            )
        self.network = network
        self.shape = tuple(check_count("a side", side) for side in shape)
        self.register_buffer("betas", betas)
        self.register_buffer("signal", (1 - betas.double()).cumprod(dim=0).to(betas))

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.betas)

    def network_loss(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        """The mean square of the missed noise, at one random step for each sample."""
        check_real(x)
        self.check_shape(x)
        t = torch.randint(self.steps, (len(x),), device=x.device)
        noise = torch.randn_like(x)
        return (noise - self.noise_in(self.noisy(x, t, noise), t)).square().mean()

    def check_shape(self, x: Tensor) -> None:
        """Raise ValueError for samples of another shape."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"expected samples of the shape {self.shape}, got {tuple(x.shape[1:])}")

    def noisy(self, x: Tensor, t: Int[Tensor, " batch"], noise: Tensor) -> Float[Tensor, "batch ..."]:
        """:math:`x_t`, equation 4."""
        signal = self.over(self.signal[t])
        return signal.sqrt() * x + (1 - signal).sqrt() * noise

    def noise_in(self, x_t: Tensor, t: Int[Tensor, " batch"]) -> Float[Tensor, "batch ..."]:
        """The network's answer, checked in shape."""
        network: Callable[[Tensor], Tensor] = lambda x: self.network(x, t)  # noqa: E731
        noise = call_model(network, x_t)
        if noise.shape != x_t.shape:
            raise ValueError(
                f"the network gives the shape {tuple(noise.shape)}, the samples have {tuple(x_t.shape)}: let it end "
                "with theirs"
            )
        return noise

    def clean_of(self, x_t: Tensor, t: Int[Tensor, " batch"]) -> Float[Tensor, "batch ..."]:
        r""":math:`\hat x_0`, below equation 9."""
        signal = self.over(self.signal[t])
        return (x_t - (1 - signal).sqrt() * self.noise_in(x_t, t)) / signal.sqrt()

    def posterior(self, x_0: Tensor, x_t: Tensor, t: Int[Tensor, " batch"]) -> tuple[Tensor, Tensor]:
        r"""Mean and variance of :math:`q(x_{t-1} \mid x_t, x_0)`, equations 6 and 7; the variance is 0 at ``t = 0``."""
        signal, beta = self.over(self.signal[t]), self.over(self.betas[t])
        before = self.over(torch.where(t > 0, self.signal[(t - 1).clamp_min(0)], 1.0))
        mean = (before.sqrt() * beta * x_0 + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - signal)
        return mean, beta * (1 - before) / (1 - signal)

    def over(self, numbers: Float[Tensor, " batch"]) -> Tensor:
        """One number for each sample, to be multiplied with samples."""
        return numbers.view(-1, *[1] * len(self.shape))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n ..."]:
        """Draw ``n`` samples in ``steps`` passes, Algorithm 2."""
        x = self.latent(n, generator)
        for step in reversed(range(self.steps)):
            t = torch.full((n,), step, device=x.device)
            mean, variance = self.posterior(self.clean_of(x, t), x, t)
            x = mean + variance.sqrt() * self.latent(n, generator) if step else mean
        return x

    @torch.no_grad()
    def trace(self, x: Float[Tensor, "batch ..."], steps: int) -> Float[Tensor, "batch ..."]:
        r"""From noise to samples without further chance, in fewer passes: DDIM, equation 12 with :math:`\sigma = 0`.

        Args:
            x: standard normal, such as :meth:`latent`.
            steps: passes, from 1 to all.
        """
        if check_count("steps", steps) > self.steps:
            raise ValueError(f"steps must be at most {self.steps}, got {steps}")
        self.check_shape(x)
        stops = torch.linspace(self.steps - 1, 0, steps).round().long().tolist()
        for step, following in zip(stops, [*stops[1:], None], strict=True):
            t = torch.full((len(x),), step, device=x.device)
            clean = self.clean_of(x, t)
            if following is None:
                return clean
            here, there = self.signal[step], self.signal[following]
            noise = (x - here.sqrt() * clean) / (1 - here).sqrt()
            x = there.sqrt() * clean + (1 - there).sqrt() * noise
        return x

    def latent(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n ..."]:
        """Draw ``n`` standard normal starts."""
        source = self.betas.device if generator is None else generator.device
        size = (check_count("n", n, least=0), *self.shape)
        return torch.randn(size, generator=generator, device=source, dtype=self.betas.dtype).to(self.betas)
