"""How a decoder's output becomes a sample: the distributions p(x | z) of a VAE."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_number, check_range
from advnotes.rng import bernoulli

__all__ = ["BernoulliPixels", "GaussianPixels", "Likelihood", "normal_like"]


@runtime_checkable
class Likelihood(Protocol):
    r""":math:`p(x \mid z)`, whose parameters are the decoder's output."""

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """The log-probability of each sample, in nats."""
        ...

    def draw(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One sample for each row of the output."""
        ...


@dataclass(frozen=True)
class BernoulliPixels:
    """Independent pixels, 0 or 1; the decoder gives their logits. Kingma and Welling 2013, appendix C.1."""

    def log_prob(self, output: Float[Tensor, "batch ..."], x: Float[Tensor, "batch ..."]) -> Tensor:
        """In nats, for each sample.

        Raises:
            ValueError: where a pixel is not within [0, 1].
        """
        if x.numel():
            check_range(x, (0.0, 1.0), "choose GaussianPixels")
        return -F.binary_cross_entropy_with_logits(output, x, reduction="none").flatten(1).sum(dim=1)

    def draw(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Pixels that are 0 or 1."""
        return bernoulli(output.sigmoid(), generator)


@dataclass(frozen=True)
class GaussianPixels:
    """Independent normal coordinates around the decoder's output, with one standard deviation. Appendix C.2.

    Args:
        sigma: the standard deviation, in the unit of the data.

    Raises:
        ValueError: where it is not positive.
    """

    sigma: float

    def __post_init__(self) -> None:
        check_number("sigma", self.sigma, above=0.0)

    def log_prob(self, output: Float[Tensor, "batch ..."], x: Float[Tensor, "batch ..."]) -> Tensor:
        """The log-density of each sample, in nats."""
        apart = ((x - output) / self.sigma).flatten(1)
        return -0.5 * apart.square().sum(dim=1) - apart.shape[1] * math.log(
            self.sigma * math.sqrt(2 * math.pi)
        )

    def draw(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The output with noise."""
        return output + self.sigma * normal_like(output, generator)


def normal_like(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard normal numbers in the shape of ``like``, drawn from ``generator`` on whatever device it is."""
    source = like.device if generator is None else generator.device
    return torch.randn(like.shape, generator=generator, device=source, dtype=like.dtype).to(like.device)
