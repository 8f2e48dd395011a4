"""Randomised smoothing: what a classifier says most often under Gaussian noise, and how far that provably holds."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import norm
from torch import Tensor

from advnotes.checks import (
    call_model,
    check_count,
    check_floating,
    check_logits_shape,
    check_model,
    check_number,
    check_range,
)
from advnotes.defences.parts.binomial import clopper_pearson, unevenness
from advnotes.model_state import NO_CLASS, Model, attacked, prediction

__all__ = ["ABSTAIN", "Smoothed", "SmoothedCertificate"]

#: What stands for "I do not know" among the classes.
ABSTAIN = -1


@dataclass(frozen=True)
class SmoothedCertificate:
    """What :meth:`Smoothed.certify` proves of each sample.

    Args:
        classes: the smoothed classifier's class; :data:`ABSTAIN` where nothing is proved.
        radius: no input nearer than this, in L2, has another class; 0 where nothing is proved.
        p_lower: what the probability of that class is at least.
    """

    classes: Int[Tensor, " batch"]
    radius: Float[Tensor, " batch"]
    p_lower: Float[Tensor, " batch"]


@dataclass(frozen=True)
class Smoothed:
    r"""The classifier that says what ``model`` says most often under Gaussian noise (Cohen et al. 2019).

    .. math::
        g(x) = \arg\max_c\; \Pr\bigl[f(x + \sigma\,\mathcal N(0, I)) = c\bigr], \qquad
        R = \sigma\, \Phi^{-1}(\underline{p})

    Where the class of :math:`g` has at least the probability :math:`\underline p > 1/2`, no input within
    :math:`R` in L2 has another one (theorem 1, with :math:`\overline{p_B} = 1 - \underline{p}`). Probabilities are
    counted in samples, so that each statement may be wrong, with the probability ``alpha`` at most.

    The theorem is about real numbers. In floating point, the last bits of :math:`x + \epsilon` tell which :math:`x` it
    was, and a model that reads them has certificates that are wrong (Voracek & Hein 2023). So noise is drawn and added
    in float64, and the sum is rounded to multiples of ``grid`` before the model sees it: the certificate is that of
    the model behind the rounding, and :math:`\underline p` is lowered by the probability that float64 rounds to
    another multiple than real numbers. That ``torch.randn`` in float64 is normal is taken for granted.

    Differs from the paper: the grid.

    Args:
        model: maps inputs to logits; it is called in eval mode, and best trained on inputs with this noise.
        sigma: the standard deviation :math:`\sigma` of the noise, in the unit of the input.
        grid: what noisy inputs are rounded to multiples of, in the unit of the input: a power of 2 from ``2**-20`` to
            1, a small part of ``sigma``.
        batch_size: how many noisy inputs the model gets at once; they are drawn together, so that another size may
            draw others.

    Raises:
        ValueError: where an option is out of range; when called, where inputs, counts or logits are not as expected.
    """

    model: Model
    sigma: float
    grid: float = 2.0**-10
    batch_size: int = 500

    def __post_init__(self) -> None:
        check_model(self.model)
        check_number("sigma", self.sigma, above=0.0)
        check_number("grid", self.grid, least=2.0**-20, most=1.0)
        check_count("batch_size", self.batch_size)
        if np.frexp(self.grid)[0] != 0.5 or self.grid > self.sigma:
            raise ValueError(
                f"grid must be a power of 2 and not above sigma={self.sigma}, got {self.grid}: 2**-10, say"
            )

    def predict(
        self,
        x: Float[Tensor, "batch ..."],
        n: int = 100,
        *,
        alpha: float = 0.001,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, " batch"]:
        """The class of each sample, or :data:`ABSTAIN` (the paper's PREDICT).

        Args:
            x: inputs, floating point and finite.
            n: how many noisy copies of each are asked.
            alpha: with which probability an answer may differ from that of infinitely many copies.
            generator: the source of the noise.
        """
        check_number("alpha", alpha, above=0.0, most=0.5)
        top = self.counts(x, n, generator=generator).topk(2, dim=1)
        likely = unevenness(*top.values.unbind(dim=1)) > alpha
        return top.indices[:, 0].masked_fill(likely, ABSTAIN)

    def certify(
        self,
        x: Float[Tensor, "batch ..."],
        n0: int = 100,
        n: int = 1000,
        *,
        alpha: float = 0.001,
        generator: torch.Generator | None = None,
    ) -> SmoothedCertificate:
        r"""The class of each sample and its radius (the paper's CERTIFY).

        The class is guessed from ``n0`` noisy copies; ``n`` others bound its probability. Even where all of them agree
        :math:`\underline p = \alpha^{1/n}`, so the radius is at most :math:`\sigma\,\Phi^{-1}(\alpha^{1/n})`.

        Args:
            x: inputs, floating point and finite.
            n0, n: how many noisy copies of each are asked, for the guess and for the bound.
            alpha: with which probability the statement on one sample may be wrong. For a statement on all of a batch
                at once pass ``alpha / len(x)`` (Bonferroni).
            generator: the source of the noise.
        """
        check_number("alpha", alpha, above=0.0, most=0.5)
        check_count("n0", n0)
        check_count("n", n)
        guess = self.counts(x, n0, generator=generator).argmax(dim=1)
        agree = self.counts(x, n, generator=generator).gather(1, guess[:, None])[:, 0]
        p_lower = (clopper_pearson(agree, n, alpha) - self._rounding(x)).clamp_min(0.0)
        proved = p_lower > 0.5
        quantiles = torch.from_numpy(norm.ppf(p_lower.clamp_min(0.5).cpu().numpy()))
        radius = self.sigma * quantiles.to(p_lower)
        return SmoothedCertificate(torch.where(proved, guess, ABSTAIN), radius.where(proved, 0.0), p_lower)

    @torch.no_grad()
    def counts(
        self, x: Float[Tensor, "batch ..."], n: int, *, generator: torch.Generator | None = None
    ) -> Int[Tensor, "batch classes"]:
        """How often the model says each class of ``n`` noisy copies; none, where its logits are not finite.

        Args:
            x: inputs, floating point and finite.
            n: how many copies of each.
            generator: the source of the noise.
        """
        check_count("n", n)
        _check_samples(x)
        if generator is not None and not isinstance(generator, torch.Generator):
            raise ValueError(
                f"generator must be a torch.Generator or None, got {type(generator).__name__}: "
                "torch.Generator().manual_seed(0)"
            )
        with attacked(self.model):
            return torch.stack([self._count(sample, n, generator) for sample in x])

    def _count(self, sample: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        said, classes = [], 0
        for start in range(0, n, self.batch_size):
            noisy = self._noisy(sample, min(self.batch_size, n - start), generator)
            logits = call_model(self.model, noisy)
            classes = check_logits_shape(logits, len(noisy))
            said.append(prediction(logits))
        if classes < 2:
            raise ValueError("smoothing wants two classes at least, got one logit: nets.TwoLogits(model)?")
        answers = torch.cat(said)
        return answers[answers != NO_CLASS].bincount(minlength=classes).to(sample.device)

    def _noisy(self, sample: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        where = sample.device if generator is None else generator.device
        if where.type == "mps":  # which has no float64
            where = torch.device("cpu")
        noise = torch.randn((n, *sample.shape), generator=generator, dtype=torch.float64, device=where)
        noisy = noise.mul_(self.sigma).add_(sample.to(where).double())
        return noisy.div_(self.grid).round_().mul_(self.grid).to(sample.dtype).to(sample.device)

    def _rounding(self, x: Tensor) -> float:
        """The probability, at most, that float64 and real numbers round a noisy copy to different points."""
        largest = float(x.detach().abs().max()) + 9 * self.sigma
        return x[0].numel() * 4 * largest / self.grid * torch.finfo(torch.float64).eps


def _check_samples(x: object) -> None:
    if not isinstance(x, Tensor):
        raise ValueError(f"inputs must be a tensor, got {type(x).__name__}: torch.as_tensor(x)?")
    check_floating(x)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"inputs must be a batch of at least one, [batch, ...], got shape {tuple(x.shape)}")
    check_range(x, (-np.inf, np.inf))
