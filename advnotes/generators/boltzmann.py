"""Boltzmann machines, restricted and deep (Salakhutdinov and Hinton 2009): energies whose normaliser nobody can sum."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count, check_floating, check_range
from advnotes.rng import bernoulli

__all__ = ["DBM"]


class DBM(nn.Module):
    r"""A deep Boltzmann machine; with one hidden layer, a restricted one (RBM).

    .. math:: p(x_0, x_1, \dots) = \frac{e^{-E}}{Z}, \qquad
        -E = \sum_k b_k^\top \bar x_k + \sum_k \bar x_k^\top W_k\, \bar x_{k+1}, \qquad \bar x_k = x_k - o_k

    over binary layers, of which :math:`x_0` is seen. The offsets :math:`o_k`, the data's mean below and one half above,
    let all layers learn at once (Montavon and Müller 2012); they change no distribution that can be represented.

    Differs from Salakhutdinov and Hinton: offsets in place of layerwise pretraining.

    Args:
        mean: the data's mean, ``[visible]``, each coordinate in [0, 1]; the biases begin where this machine, without
            weights, has it.
        hidden: how many units each hidden layer has, from below.

    Raises:
        ValueError: where the mean is no vector in [0, 1], or there is no hidden layer.
    """

    def __init__(self, mean: Tensor, hidden: Sequence[int]) -> None:
        super().__init__()
        check_floating(mean)
        if mean.ndim != 1 or not len(mean) or not hidden:
            raise ValueError(
                f"expected the data's mean as a vector and one hidden layer or more, got the shape "
                f"{tuple(mean.shape)} and hidden={tuple(hidden)}: x.flatten(1).mean(dim=0)?"
            )
        check_range(mean[None], (0.0, 1.0), "divide by the largest value")
        self.sizes = (len(mean), *(check_count("hidden", size) for size in hidden))
        start = mean.detach().clamp(1e-2, 1 - 1e-2)  # a pixel that is always white may yet turn black
        self.register_buffer("mean", start)
        self.biases = nn.ParameterList([start.logit(), *(start.new_zeros(n) for n in self.sizes[1:])])
        self.weights = nn.ParameterList([torch.randn(n, m).to(start) * 0.01 for n, m in pairwise(self.sizes)])

    mean: Tensor

    def offset(self, k: int) -> Tensor | float:
        """:math:`o_k`: the data's mean below, one half above."""
        return self.mean if k == 0 else 0.5

    def energy(self, layers: Sequence[Tensor]) -> Float[Tensor, " batch"]:
        """:math:`E` of each sample, all layers given."""
        centred = [x - self.offset(k) for k, x in enumerate(layers)]
        alone = sum((x @ b for x, b in zip(centred, self.biases, strict=True)), start=torch.zeros(()))
        joined = (
            ((x @ W) * y).sum(dim=1) for x, W, y in zip(centred, self.weights, centred[1:], strict=False)
        )
        return -(alone + sum(joined, start=torch.zeros(())))

    def logits(self, k: int, layers: Sequence[Tensor], beta: float = 1.0) -> Float[Tensor, "batch units"]:
        """The log-odds of layer ``k``, its neighbours given; at ``beta`` 0 of the machine without weights."""
        told = self.bias(k, beta)
        if k > 0:
            told = told + beta * (layers[k - 1] - self.offset(k - 1)) @ self.weights[k - 1]
        if k + 1 < len(self.sizes):
            told = told + beta * (layers[k + 1] - self.offset(k + 1)) @ self.weights[k].T
        return told

    @torch.no_grad()
    def sweep(
        self, layers: Sequence[Tensor], generator: torch.Generator | None = None, beta: float = 1.0
    ) -> list[Tensor]:
        """One step of Gibbs sampling: all even layers at once, then all odd ones."""
        new = list(layers)
        for first in (0, 1):
            for k in range(first, len(self.sizes), 2):
                new[k] = bernoulli(self.logits(k, new, beta).sigmoid(), generator)
        return new

    @torch.no_grad()
    def start(self, n: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """``n`` samples of the machine without weights: where chains begin."""
        base = [self.bias(k, 0.0) for k in range(len(self.sizes))]
        return [bernoulli(b.sigmoid().expand(check_count("n", n), -1), generator) for b in base]

    @torch.no_grad()
    def sample(
        self, n: int, steps: int = 1000, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n visible"]:
        """``n`` chains of ``steps`` steps each; the probabilities of the last one, in [0, 1]."""
        layers = self.start(n, generator)
        for _ in range(check_count("steps", steps)):
            layers = self.sweep(layers, generator)
        return self.logits(0, layers).sigmoid()

    @torch.no_grad()
    def mean_field(self, visible: Float[Tensor, "batch visible"], steps: int = 10) -> list[Tensor]:
        """The hidden layers' means, each given the others' (equations 8 and 9); exact with one hidden layer."""
        self._check(visible)
        means = [visible, *(visible.new_full((len(visible), n), 0.5) for n in self.sizes[1:])]
        for _ in range(check_count("steps", steps)):
            for first in (1, 2):
                for k in range(first, len(self.sizes), 2):
                    means[k] = self.logits(k, means).sigmoid()
        return means

    def log_likelihood(
        self, visible: Float[Tensor, "batch visible"], log_partition: float
    ) -> Float[Tensor, " batch"]:
        """Nats of each sample of 0s and 1s: exact with one hidden layer, a lower bound with more (equation 5).

        Raises:
            ValueError: where a coordinate is neither 0 nor 1.
        """
        if not bool(((visible == 0) | (visible == 1)).all()):
            raise ValueError("a probability is that of zeros and ones: round the samples, (x > 0.5).float()")
        layers = self.mean_field(visible)
        doubt = (torch.special.entr(m) + torch.special.entr(1 - m) for m in layers[1:])
        return sum((h.sum(dim=1) for h in doubt), start=-self.energy(layers) - log_partition)

    def bias(self, k: int, beta: float) -> Tensor:
        """The biases on the way from the machine without weights."""
        return self.biases[k] * beta + (self.mean.logit() * (1 - beta) if k == 0 else 0.0)

    def log_odd(self, layers: Sequence[Tensor], beta: float) -> Float[Tensor, " batch"]:
        """The log of the unnormalised probability of the odd layers: the even ones are summed."""
        parts = (
            self.log_sum(k, self.logits(k, layers, beta))
            if k % 2 == 0
            else (x - self.offset(k)) @ self.bias(k, beta)
            for k, x in enumerate(layers)
        )
        return sum(parts, start=torch.zeros(()))

    def log_sum(self, k: int, told: Float[Tensor, "*batch units"]) -> Float[Tensor, "*batch"]:
        r""":math:`\log \sum_x e^{a (x - o)}` over the states of layer ``k``."""
        return (F.softplus(told) - told * self.offset(k)).sum(dim=-1)

    def _check(self, visible: Tensor) -> None:
        check_floating(visible)
        if visible.ndim != 2 or visible.shape[1] != self.sizes[0]:
            raise ValueError(
                f"expected samples [batch, {self.sizes[0]}], got the shape {tuple(visible.shape)}: x.flatten(1)?"
            )
        if len(visible):
            check_range(visible, (0.0, 1.0), "divide by the largest value")
