"""Two distributions on a line that no polynomial of low degree tells apart, and that a ruler tells apart at once."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.checks import check_count, check_number

__all__ = ["Spikes"]


@dataclass(frozen=True, eq=False)
class Spikes:
    r"""Class 0 has :math:`m` spikes and class 1 has :math:`m + 1`, with the first :math:`2m - 1` moments of a Gaussian.

    .. math::
        t \mid y \;=\; \sqrt{1 - s^2}\, c_y + s\, g, \qquad g \sim \mathcal N(0, 1), \qquad
        P(c_y = x_i) = w_i

    The nodes :math:`x_i` and weights :math:`w_i` are those of Gauss-Hermite quadrature with :math:`m + y` nodes,
    which integrates every polynomial up to degree :math:`2(m + y) - 1` as :math:`\mathcal N(0, 1)` does. Adding the
    Gaussian, whose part in the variance the factor makes room for, keeps that. Zeros of neighbouring Hermite
    polynomials interlace, so spikes of the two classes take turns along the line. At degree :math:`2m` the classes
    part for the first time:

    .. math:: \mathbb E[\mathrm{He}_{2m}(t) \mid y = 1] - \mathbb E[\mathrm{He}_{2m}(t) \mid y = 0] = (1 - s^2)^m\, m!

    Args:
        order: the number of spikes :math:`m` of class 0, from 1 to 16.
        width: the standard deviation :math:`s` of a spike, from 0 to below 1.

    Attributes:
        places: where the :math:`2m + 1` spikes of both classes are, in their order; the first is of class 1, and the
            classes take turns. Float64, ``[spikes]``.
        weights: the share of its class that each of them holds, ``[spikes]``.
        cuts: the middles between neighbours, ``[spikes - 1]``.

    Raises:
        ValueError: where ``order`` or ``width`` is out of range.

    Differs from the paper: Diakonikolas, Kane and Stewart 2017 hide one such mixture among Gaussians. The pair is
    ours: it makes the two classes of Bubeck et al. 2019 with numbers that can be looked up in a table.
    """

    order: int
    width: float
    places: Float[Tensor, " spikes"] = field(init=False, repr=False)
    weights: Float[Tensor, " spikes"] = field(init=False, repr=False)
    cuts: Float[Tensor, " cuts"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if check_count("order", self.order) > 16:
            raise ValueError(f"order must be at most 16, where spikes are closer than 0.3, got {self.order}")
        if check_number("width", self.width, least=0.0, most=1.0) == 1.0:
            raise ValueError("width must be below 1: spikes as wide as the whole Gaussian are no spikes")
        places, weights = torch.zeros(2, 2 * self.order + 1, dtype=torch.float64)
        for label in (0, 1):
            nodes, shares = np.polynomial.hermite_e.hermegauss(self.order + label)
            places[1 - label :: 2] = torch.from_numpy(nodes) * math.sqrt(1 - self.width**2)
            weights[1 - label :: 2] = torch.from_numpy(shares / shares.sum())
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "cuts", (places[1:] + places[:-1]) / 2)

    def sample(
        self, y: Int[Tensor, " batch"], generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """One number for each label of 0 or 1, in float64.

        Args:
            y: labels.
            generator: where the randomness comes from, on the device of ``y``; None is the global one.

        Raises:
            ValueError: where labels are not 0 and 1.
        """
        check_binary(y)
        shares = torch.stack([self.weights * (self.spike_labels == label) for label in (0, 1)]).to(y.device)
        spike = torch.multinomial(shares[y], 1, generator=generator)[:, 0]
        noise = torch.randn(y.shape, generator=generator, dtype=torch.float64, device=y.device)
        return self.places.to(y.device)[spike] + self.width * noise

    @property
    def spike_labels(self) -> Int[Tensor, " spikes"]:
        """The class of each spike, from left to right."""
        return 1 - torch.arange(len(self.places)) % 2

    def moments(self, degree: int) -> Float[Tensor, "2"]:
        r"""The exact :math:`\mathbb E[t^k \mid y]` of both classes, for ``degree`` :math:`k \ge 0`."""
        check_count("degree", degree, least=0)
        total = torch.zeros(2, dtype=torch.float64)
        for j in range(0, degree + 1, 2):  # odd moments of the noise are zero
            noise = self.width**j * math.prod(range(1, j, 2)) * math.comb(degree, j)
            terms = self.weights * self.places ** (degree - j)
            total += noise * torch.stack([terms[self.spike_labels == label].sum() for label in (0, 1)])
        return total

    def room(self, t: Float[Tensor, "..."], y: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """How far each number may be moved, either way, before it is nearer to a spike of the other class.

        Negative where it already is: then minus the distance to where it would be right again. NaN for NaN.

        Raises:
            ValueError: where the numbers are not float32 or float64, or labels are not 0 and 1.
        """
        if not isinstance(t, Tensor) or t.dtype not in (torch.float32, torch.float64):
            got = t.dtype if isinstance(t, Tensor) else type(t).__name__
            raise ValueError(f"numbers must be a tensor in float32 or float64, got {got}: t.float()?")
        check_binary(y.flatten() if isinstance(y, Tensor) else y)
        cuts = self.cuts.to(t)
        cell = torch.bucketize(t.contiguous(), cuts)
        beside = torch.stack([cell - 1, cell]).clamp(0, len(cuts) - 1)
        distance = (t - cuts[beside]).abs().amin(dim=0)
        return torch.where(1 - cell % 2 == y, distance, -distance)

    def robust_accuracy(self, eps: float) -> float:
        """The exact share of numbers, over both classes alike, whose ``room`` is more than ``eps``."""
        check_number("eps", eps, least=0.0)
        low = torch.cat([self.cuts.new_tensor([-math.inf]), self.cuts + eps])
        high = torch.cat([self.cuts - eps, self.cuts.new_tensor([math.inf])])
        total = 0.0
        for label in (0, 1):  # a spike of a class may also reach into another cell of it
            mine = self.spike_labels == label
            for place, weight in zip(self.places[mine], self.weights[mine], strict=True):
                total += (
                    float(
                        weight
                        * (
                            share_below(high[mine], place, self.width)
                            - share_below(low[mine], place, self.width)
                        )
                        .clamp_min(0)
                        .sum()
                    )
                    / 2
                )
        return total

    @property
    def signal(self) -> float:
        r"""How far apart the classes are in the best polynomial of degree :math:`2m` with variance 1.

        .. math:: (1 - s^2)^m\, m! / \sqrt{(2m)!}

        It is :math:`\mathrm{He}_{2m} / \sqrt{(2m)!}`; polynomials of lower degree see nothing.
        """
        m = self.order
        return (1 - self.width**2) ** m * math.factorial(m) / math.sqrt(math.factorial(2 * m))


def share_below(ends: Tensor, place: Tensor, width: float) -> Tensor:
    """The probability that a Gaussian at ``place`` lies below each end, also for a width of 0."""
    if width == 0:
        return (ends > place).to(ends.dtype)
    return torch.special.ndtr((ends - place) / width)


def check_binary(y: Tensor) -> None:
    """Raise ValueError for labels that are not int64 numbers 0 and 1."""
    if (
        not isinstance(y, Tensor)
        or y.dtype != torch.int64
        or y.ndim != 1
        or not bool(((y == 0) | (y == 1)).all())
    ):
        got = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"labels must be an int64 tensor [batch] of 0 and 1, got {got}")
