"""Virtual batch normalisation of Salimans et al. 2016: a fixed batch normalises each sample, not its own batch."""

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_floating, check_number, check_range
from advnotes.precision import at_least_float32

__all__ = ["VirtualBatchNorm", "WithReference"]


class VirtualBatchNorm(nn.Module):
    r"""Normalise each sample by the statistics of a reference batch and of itself.

    With :math:`n` reference samples, the mean of channel :math:`c` that sample :math:`x` is normalised with is

    .. math:: \mu(x) = \frac{1}{n + 1} \Bigl(\sum_{r=1}^n \bar r_c + \bar x_c\Bigr)

    where a bar is the mean over the positions of an image; so for the squares, whose mean gives the variance (Salimans
    et al. 2016, section 3.5). Scale and shift are learnt, as in batch normalisation. No sample's output depends on
    another one's input, in training or later. It works inside a :class:`WithReference` only, which brings the reference
    batch.

    Args:
        features: channels of the input, ``[batch, features]`` or ``[batch, features, ...]``.
        eps: added to the variance.

    Raises:
        ValueError: where ``features`` is less than 1 or ``eps`` is not above 0; when called, where the input has
            another number of channels, or this is no part of a :class:`WithReference`.
    """

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.features, self.eps = check_count("features", features), check_number("eps", eps, above=0.0)
        self.weight, self.bias = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))
        self.references = 0  # how many samples of the input are the reference batch; WithReference says it

    def forward(self, h: Float[Tensor, "batch channels ..."]) -> Float[Tensor, "batch channels ..."]:
        """Normalise a batch whose first samples are the reference batch."""
        if h.ndim < 2 or h.shape[1] != self.features:
            raise ValueError(f"expected inputs of shape [batch, {self.features}, ...], got {tuple(h.shape)}")
        if self.references == 0:
            raise ValueError(
                "VirtualBatchNorm has no reference batch: wrap the whole network, WithReference(network, reference)"
            )
        each = at_least_float32(h.flatten(2) if h.ndim > 2 else h[:, :, None])  # [batch, features, positions]
        # From any origin the variance is the same; from one amid the samples rounding does not drown it.
        each = each - each[: self.references].mean(dim=(0, 2), keepdim=True).detach()
        moments = torch.stack([each.mean(dim=2), each.square().mean(dim=2)])
        reference = moments[:, : self.references].mean(dim=1, keepdim=True)
        share = 1 / (self.references + 1)
        own = torch.lerp(reference, moments[:, self.references :], share)
        mean, square = torch.cat([reference.expand(-1, self.references, -1), own], dim=1)
        scale = self.weight * (square - mean.square()).clamp_min(0).add(self.eps).rsqrt()
        return (each * scale[:, :, None] + (self.bias - mean * scale)[:, :, None]).view_as(h).to(h.dtype)


class WithReference(nn.Module):
    """A network with :class:`VirtualBatchNorm` in it, and its fixed reference batch, which goes through it every time.

    That costs a pass of the reference batch in each call, in a discriminator as in a generator. Any network of a game
    can be wrapped: ``GAN(WithReference(G, torch.randn(64, 32)), WithReference(D, real[:64]), 32)``.

    Args:
        network: maps a batch to a batch.
        reference: chosen once, two inputs of the network or more: real samples for a discriminator, latent vectors
            for a generator.

    Raises:
        ValueError: where the network has no :class:`VirtualBatchNorm`, or ``reference`` fewer than two samples or ones
            that are not finite floating point numbers.
    """

    reference: Tensor

    def __init__(self, network: nn.Module, reference: Num[Tensor, "references ..."]) -> None:
        super().__init__()
        layers = [module for module in network.modules() if isinstance(module, VirtualBatchNorm)]
        if not layers:
            raise ValueError("the network has no VirtualBatchNorm, which a reference batch is for: put it in")
        if reference.ndim < 2 or len(reference) < 2:
            raise ValueError(
                f"reference must be two samples or more, [references, ...], got shape {tuple(reference.shape)}"
            )
        check_floating(reference)
        check_range(reference, (-math.inf, math.inf))
        self.network = network
        self.register_buffer("reference", reference.detach().clone())

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """What the network makes of each sample of ``x``."""
        layers = [module for module in self.network.modules() if isinstance(module, VirtualBatchNorm)]
        try:  # for this call alone: a part of the network that is called by itself, or wrapped again, has none of it
            for layer in layers:
                layer.references = len(self.reference)
            return call_model(self.network, torch.cat([self.reference, x]))[len(self.reference) :]
        finally:
            for layer in layers:
                layer.references = 0
