r"""f-divergences, each in all the forms in which a GAN meets it, as functions of the log-ratio :math:`\log p/q`.

With the ratio :math:`r = p/q` of the data's density to the generator's, and a convex :math:`f` with :math:`f(1) = 0`,

.. math:: D_f(p, q) = \int q(x)\, f\bigl(r(x)\bigr)\, \mathrm dx

(Nowozin et al. 2016, section 2.1).

All methods take :math:`\ell = \log r`, which is what a discriminator's logit estimates.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_number

__all__ = ["Alpha", "Divergence", "JensenShannon", "NonSaturating"]


class Divergence(ABC):
    r"""One :math:`f`, and what follows from it.

    The gradient of :math:`D_f` in the generator's parameters is that of the mean of :meth:`objective` over generated
    samples, *the ratio held fixed as a function of x*, since :math:`\partial_q [q f(p/q)] = f(r) - r f'(r) = h(r)`.
    The convex conjugate :math:`f^*` is only ever needed at :math:`f'(r)`, and there it is
    :math:`f^*(f'(r)) = r f'(r) - f(r) = -h(r)`.
    """

    @abstractmethod
    def f(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """:math:`f(r)`, which is 0 at r = 1."""

    @abstractmethod
    def slope(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """:math:`f'(r)`: what f-GAN's critic wants to be at a real sample."""

    @abstractmethod
    def objective(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """:math:`h(r) = f(r) - r f'(r)`: what a generated sample costs its generator."""

    @abstractmethod
    def weight(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`-\mathrm dh/\mathrm d\ell = r^2 f''(r)`: how hard a sample is pushed along :math:`\nabla\ell`."""

    def between(
        self, log_p: Float[Tensor, " cells"], log_q: Float[Tensor, " cells"], cell: float
    ) -> Float[Tensor, ""]:
        """The divergence itself, as a sum over the cells of a grid that both distributions lie within.

        Args:
            log_p, log_q: the logarithms of the data's and of the generator's density, finite.
            cell: the length, area or volume of a cell.

        Raises:
            ValueError: where ``cell`` is not positive.
        """
        return (log_q.exp() * self.f(log_p - log_q)).sum() * check_number("cell", cell, above=0.0)


@dataclass(frozen=True)
class Alpha(Divergence):
    r"""The alpha divergences, :math:`f(r) = \frac{r^\alpha - 1 - \alpha (r - 1)}{\alpha (\alpha - 1)}`.

    Their weight is :math:`r^\alpha`. ``Alpha(1)`` is :math:`\mathrm{KL}(p, q)`, ``Alpha(0)`` the reverse
    :math:`\mathrm{KL}(q, p)`, ``Alpha(0.5)`` four times the squared Hellinger distance :math:`\int (\sqrt p -
    \sqrt q)^2 / 2`, ``Alpha(2)`` half of Pearson's :math:`\chi^2`. A larger ``alpha`` covers, a smaller one seeks.

    Args:
        alpha: any finite number.

    Raises:
        ValueError: where it is not finite.
    """

    alpha: float

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha)

    def f(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """:math:`r log r - r + 1` at 1, :math:`r - 1 - log r` at 0."""
        a, less = self.alpha, log_ratio.expm1()
        if a == 1:
            return log_ratio * log_ratio.exp() - less
        if a == 0:
            return less - log_ratio
        return ((a * log_ratio).expm1() - a * less) / (a * (a - 1))

    def slope(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`(r^{\alpha - 1} - 1) / (\alpha - 1)`, :math:`\log r` at 1."""
        a = self.alpha - 1
        return log_ratio if a == 0 else (a * log_ratio).expm1() / a

    def objective(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`(1 - r^\alpha) / \alpha`, :math:`-\log r` at 0."""
        a = self.alpha
        return -log_ratio if a == 0 else -(a * log_ratio).expm1() / a

    def weight(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`r^\alpha`."""
        return (self.alpha * log_ratio).exp()


@dataclass(frozen=True)
class JensenShannon(Divergence):
    r""":math:`\mathrm{JSD}(p, q)`, :math:`f(r) = \frac12 \bigl[r \log r - (1 + r) \log\frac{1 + r}{2}\bigr]`.

    With :math:`D = r / (1 + r)` its objective is :math:`\frac12 \log(2 (1 - D))`: half the minimax loss of
    :class:`~advnotes.gan.standard.MinimaxGAN`, but for a constant.
    """

    def f(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """As above, with the logarithm of 1 + r as a softplus."""
        r, middle = log_ratio.exp(), F.softplus(log_ratio) - math.log(2)
        return (r * (log_ratio - middle) - middle) / 2

    def slope(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`\frac12 \log(2 D)`."""
        return (math.log(2) - F.softplus(-log_ratio)) / 2

    def objective(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`\frac12 \log(2 (1 - D))`."""
        return (math.log(2) - F.softplus(log_ratio)) / 2

    def weight(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`\frac12 D`."""
        return log_ratio.sigmoid() / 2


@dataclass(frozen=True)
class NonSaturating(Divergence):
    r"""What :math:`-\log D` descends: :math:`\mathrm{KL}(q, p) - 2\,\mathrm{JSD}(p, q)`.

    (Arjovsky and Bottou 2017, theorem 2.5.) In spite of the minus sign this is an f-divergence, since
    :math:`f(r) = (1 + r) \log\frac{1 + r}{r} - 2 \log 2` is convex, :math:`f''(r) = 1 / (r^2 (1 + r))`.
    """

    def f(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """As above, with the logarithm as a softplus."""
        return (1 + log_ratio.exp()) * F.softplus(-log_ratio) - 2 * math.log(2)

    def slope(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`-\log D - 1/r`."""
        return F.softplus(-log_ratio) - (-log_ratio).exp()

    def objective(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`-\log D + 1 - 2 \log 2`."""
        return F.softplus(-log_ratio) + (1 - 2 * math.log(2))

    def weight(self, log_ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r""":math:`1 - D`."""
        return (-log_ratio).sigmoid()
