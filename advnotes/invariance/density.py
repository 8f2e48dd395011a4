"""Conditional densities as networks: what can be said about nuisances by someone who sees a model's output."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.nets import mlp

__all__ = ["CategoricalDensity", "ChainDensity", "MixtureDensity"]


class MixtureDensity(nn.Module):
    r"""A mixture density network: continuous nuisances :math:`\nu` given a model's output :math:`s`.

    .. math:: r(\nu \mid s) = \sum_j \pi_j(s) \prod_i \mathcal N\bigl(\nu_i;\, \mu_{ij}(s),\, \sigma_{ij}(s)^2\bigr)

    (Bishop 1994; section 3 of Louppe et al. 2016 for one nuisance). With enough components it can follow any smooth
    density, dependence between nuisances included. Standardise the nuisances: the network begins near 0 and 1.

    Args:
        inputs: numbers in :math:`s`.
        nuisances: numbers in :math:`\nu`.
        components: Gaussians in the mixture.
        hidden: widths of the hidden layers; the default is the paper's.
        floor: the least :math:`\sigma`, in the nuisances' unit. Without one, the likelihood of nuisances that take a
            value exactly grows without limit.

    Raises:
        ValueError: where a size is less than 1 or ``floor`` is not positive; in a call, where the nuisances are
            not floating-point numbers ``[batch]`` or ``[batch, nuisances]``.
    """

    def __init__(
        self,
        inputs: int,
        nuisances: int = 1,
        components: int = 5,
        hidden: tuple[int, ...] = (20, 20),
        floor: float = 1e-3,
    ) -> None:
        super().__init__()
        if min(inputs, nuisances, components) < 1 or not floor > 0:
            raise ValueError(
                "expected inputs, nuisances, components >= 1 and floor > 0; got "
                f"{inputs}, {nuisances}, {components}, {floor}"
            )
        self.nuisances, self.components, self.floor = nuisances, components, floor
        self.body = mlp(inputs, *hidden, components * (1 + 2 * nuisances))

    def forward(self, s: Float[Tensor, "batch inputs"], nuisance: Tensor) -> Float[Tensor, " batch"]:
        r"""The log-density :math:`\log r(\nu \mid s)` of each sample, in nats."""
        if not nuisance.is_floating_point() or nuisance.numel() != len(s) * self.nuisances:
            raise ValueError(
                f"expected floating-point nuisances of shape [{len(s)}, {self.nuisances}], got {nuisance.dtype} of "
                f"shape {list(nuisance.shape)}: whole numbers that name classes want a CategoricalDensity"
            )
        log_weights, means, scales = self.mixture(s)
        deviation = (nuisance.view(-1, 1, self.nuisances) - means) / scales
        normal = -deviation.square() / 2 - scales.log() - math.log(2 * math.pi) / 2
        return torch.logsumexp(log_weights + normal.sum(dim=2), dim=1)

    def mixture(
        self, s: Float[Tensor, "batch inputs"]
    ) -> tuple[
        Float[Tensor, "batch components"],
        Float[Tensor, "batch components nuisances"],
        Float[Tensor, "batch components nuisances"],
    ]:
        r"""The mixture's parameters: :math:`\log\pi`, :math:`\mu` and :math:`\sigma`."""
        logits, rest = self.body(s).tensor_split([self.components], dim=1)
        means, widths = rest.view(len(s), 2, self.components, self.nuisances).unbind(dim=1)
        # Softplus where the paper has exp: one large output does not blow the likelihood up.
        return logits.log_softmax(dim=1), means, F.softplus(widths) + self.floor


class CategoricalDensity(nn.Module):
    r"""A classifier of a categorical nuisance: :math:`r(\nu = k \mid s)` is the softmax of a network's outputs.

    Args:
        inputs: numbers in :math:`s`.
        classes: how many values the nuisance has, 0 to ``classes - 1``.
        hidden: widths of the hidden layers.

    Raises:
        ValueError: where ``inputs`` is less than 1 or ``classes`` less than 2; in a call, where the nuisances are not
            int64 ``[batch]``.
    """

    def __init__(self, inputs: int, classes: int = 2, hidden: tuple[int, ...] = (20, 20)) -> None:
        super().__init__()
        if inputs < 1 or classes < 2:
            raise ValueError(f"expected inputs >= 1 and classes >= 2, got {inputs} and {classes}")
        self.classes = classes
        self.body = mlp(inputs, *hidden, classes)

    def forward(self, s: Float[Tensor, "batch inputs"], nuisance: Tensor) -> Float[Tensor, " batch"]:
        r"""The log-probability :math:`\log r(\nu \mid s)` of each sample, in nats."""
        if nuisance.dtype != torch.int64 or nuisance.shape != (len(s),):
            raise ValueError(
                f"expected a categorical nuisance as int64 of shape [{len(s)}], got {nuisance.dtype} of shape "
                f"{list(nuisance.shape)}: continuous ones want a MixtureDensity"
            )
        return -F.cross_entropy(self.body(s), nuisance, reduction="none")


class ChainDensity(nn.Module):
    r"""Several nuisances at once, by the chain rule: each factor sees :math:`s` and the nuisances before its own.

    .. math:: \log r(\nu_1, \dots, \nu_m \mid s) = \sum_i \log r_i(\nu_i \mid s, \nu_1, \dots, \nu_{i-1})

    A sum of factors that see :math:`s` alone would not do: an output may be independent of each of two nuisances and
    yet give away whether they agree.

    Args:
        factors: one for each nuisance, of as many inputs as :math:`s` has numbers and the nuisances before it: one for
            each continuous number, one for each class of a categorical one. A density of two categorical nuisances
            with 2 and 3 values of an output with one number is
            ``ChainDensity(CategoricalDensity(1, 2), CategoricalDensity(1 + 2, 3))``.

    Raises:
        ValueError: where there are no factors; in a call, where there are not as many nuisances.
    """

    def __init__(self, *factors: MixtureDensity | CategoricalDensity) -> None:
        super().__init__()
        if not factors:
            raise ValueError("expected a density for each nuisance, got none")
        self.factors = nn.ModuleList(factors)

    def forward(self, s: Float[Tensor, "batch inputs"], *nuisances: Tensor) -> Float[Tensor, " batch"]:
        """The joint log-density of each sample, in nats."""
        if len(nuisances) != len(self.factors):
            raise ValueError(f"expected {len(self.factors)} nuisances, got {len(nuisances)}")
        total = s.new_zeros(len(s))
        for factor, nuisance in zip(self.factors, nuisances, strict=True):
            total = total + factor(s, nuisance)
            known = (
                F.one_hot(nuisance, factor.classes)
                if isinstance(factor, CategoricalDensity)
                else nuisance.view(len(s), -1)
            )
            s = torch.cat([s, known.to(s.dtype)], dim=1)
        return total
